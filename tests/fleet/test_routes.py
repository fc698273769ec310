"""The table of the fleet's JSON in docs/messaging.md: every path and method, who may ask, what is answered."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from findings import frames_file
from shared import ROOT
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from edgexai.fleet.asked import Asked
from edgexai.fleet.findings import Watch
from edgexai.fleet.ingest.metrics import Meter
from edgexai.fleet.ingest.offline import take_in
from edgexai.fleet.panels.questions import answered
from edgexai.fleet.store.journal import Refusal
from edgexai.fleet.store.store import Store
from edgexai.fleet.store.users import add
from edgexai.fleet.web import waiting
from edgexai.fleet.web.guard import Guard
from edgexai.fleet.web.login import OWN, Door
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.view import View

MODEL = "00" * 8
PASSWORD = "correct horse battery"
TEXT = (ROOT / "docs" / "messaging.md").read_text("utf-8")
SECTION = TEXT[TEXT.index("## The fleet's JSON") :].partition("\n## ")[0]
TABLE = re.findall(r"^\| `(/\S*)` \| (GET|POST) \| (anyone|viewer|operator) \| (.*) \|$", SECTION, re.MULTILINE)
TABLE.sort(key=lambda row: row[0] in ("/api/login", "/api/logout"))  # they change who asks
ROWS = {(path, method): answer for path, method, _, answer in TABLE}
ASKED = {
    "/static/…": "/static/style.css",
    "/api/bases/{name}": "/api/bases/abcd",
    "/api/panel/class": f"/api/panel/class?model={MODEL}&target=2",
    "/api/panel/drift": f"/api/panel/drift?model={MODEL}&target=1",
    "/api/panel/compare": f"/api/panel/compare?a={MODEL}&b={MODEL}~node~n1",
}
GIVEN = {
    "/api/login": {"name": "vic", "password": PASSWORD},
    "/api/decisions": {"finding": "x", "verdict": "open", "why": ""},
}


@dataclass(frozen=True)
class Page:
    """A service's page, and a question's answer when it is there."""

    app: Guard
    asked: Asked
    finding: str

    def client(self, name: str = "") -> TestClient:
        """Somebody, logged in if he has a name."""
        one = TestClient(self.app, base_url="http://127.0.0.1", follow_redirects=False)
        if name:
            said = one.post("/api/login", json={"name": name, "password": PASSWORD}).json()
            one.headers["X-CSRF-Token"] = said["csrf"]
        return one

    def ask(self, client: TestClient, path: str, method: str = "GET") -> Any:
        where = f"{path}?finding={self.finding}" if path == "/api/panel/cluster" else ASKED.get(path, path)
        for _ in range(3):
            answer = client.request(method, where, json=GIVEN.get(path) if method == "POST" else None)
            if answer.status_code != 202:
                return answer
            self.asked.once(0)
        raise AssertionError(path)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A store with something of everything, an operator and a viewer."""
    folder = tmp_path_factory.mktemp("routes")
    store = Store(folder / "store")
    take_in(frames_file(folder / "some.npz"), store.journal)
    refusal, note = Refusal(1.7e9, "edgexai/f/n/heatmap", "no frame", b"x"), json.dumps({"state": "online"})
    store.journal.add([], [refusal], [("imported", "n1", "status", 1.7e9, note)])
    add(store.directory, "ada", "operator", PASSWORD)
    add(store.directory, "vic", "viewer", PASSWORD)
    watch, view = Watch(store.directory, store.last_id), View(store)
    watch.again()
    view.catch_up()
    asked = Asked(lambda question: answered(store.directory, question), store.last_id)
    app = application(view, "mqtt://127.0.0.1:1", Shows(watch, asked, Meter("one")))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(waiting, "PATIENCE", 0.0)
        assert isinstance(app, Guard)
        yield Page(app, asked, watch.findings[0]["id"])
    store.close()


def test_the_table_has_every_path_and_method_and_no_other(page: Page) -> None:
    assert isinstance(page.app.inner, Door)
    there = {(path, methods[0]) for path, methods in OWN.items()}
    for route in page.app.inner.inner.routes:  # type: ignore[attr-defined]
        if isinstance(route, Mount):
            there.add((f"{route.path}/…", "GET"))
        else:
            assert isinstance(route, Route)
            there |= {(route.path, method) for method in route.methods or () if method != "HEAD"}
    assert len(TABLE) == len(ROWS)
    assert set(ROWS) == there


def test_who_may_ask_is_who_is_answered(page: Page) -> None:
    for name, able in (("", {"anyone"}), ("vic", {"anyone", "viewer"}), ("ada", {"anyone", "viewer", "operator"})):
        client = page.client(name)
        for path, method, who, _ in TABLE:
            status = page.ask(client, path, method).status_code
            assert status == 200 if who in able else status in (303, 401, 403), (name, path, status)


def test_no_other_method_is_answered(page: Page) -> None:
    client = page.client("ada")
    for path, method in ROWS:
        for other in {"GET", "POST", "PUT", "DELETE"} - {method}:
            assert page.ask(client, path, other).status_code == 405, (path, other)


def test_every_name_of_an_answer_is_in_its_row(page: Page) -> None:
    client = page.client("ada")
    for (path, method), row in ROWS.items():
        if not path.startswith("/api/") or path in ("/api/logout", "/api/bases/{name}"):
            continue
        said = page.ask(client, path, method).json()
        first = said[0] if isinstance(said, list) else said
        more = ROWS["/api/session", "GET"] if path == "/api/login" else ""
        assert first, path
        assert first.keys() <= set(re.findall(r"`(\w+)`", row + more)), path


def test_every_metric_is_named(page: Page) -> None:
    named: set[str] = set()
    for name in re.findall(r"`(edgexai_[^`]*)`", SECTION):
        either = re.match(r"(\w+_)\{(\w+),(\w+)\}(_\w+)", name)
        named |= {either[1] + either[n] + either[4] for n in (2, 3)} if either else {name.partition("{")[0]}
    text = page.ask(page.client("vic"), "/metrics").text
    made = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE edgexai")}
    assert len(made) > 20
    assert made | {"edgexai_alarms_sent_total", "edgexai_alarms_failed_total"} == named  # nobody is told here


def test_every_refusal_is_in_its_table() -> None:
    listed = {int(n) for row in re.findall(r"^\| (\d[\d, ]+) \|", SECTION, re.MULTILINE) for n in row.split(",")}
    written = set()
    for path in (ROOT / "edgexai" / "fleet" / "web").glob("*.py"):
        found = re.findall(r"(?:status_code=|_refused\(|\\n\", |\}, )(\d{3})\b", path.read_text("utf-8"))
        written |= {int(status) for status in found}
    assert listed == written - {200, 202} | {404}
