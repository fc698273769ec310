"""Findings on the page: computed apart, shown with the frames that speak for them; what operators decide is kept."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, dump, serving
from findings import frames_file
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from edgexai.errors import DataError
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.findings import Watch, key
from edgexai.fleet.ingest.offline import take_in
from edgexai.fleet.store.decisions import FILE, decide, decisions
from edgexai.fleet.store.labels import FOLDER
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.view import View

MODEL = "00" * 8


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """A store with a shortcut planted in class 2, whose classes have names."""
    folder = tmp_path_factory.mktemp("findings")
    store = Store(folder / "store")
    take_in(frames_file(folder / "some.npz"), store.journal)
    (folder / "store" / FOLDER).mkdir()
    (folder / "store" / FOLDER / f"{MODEL}.txt").write_text("ant\nbee\n<i>cat</i>\n")
    made = Watch(folder / "store", store.last_id)
    assert made.answer()["computed"] is None
    assert made.again()
    assert not made.again()  # nothing has come since
    yield made
    store.close()


@pytest.fixture(scope="module")
def view(watch: Watch) -> View:
    made = View(Store(watch.directory))
    made.catch_up()
    return made


@pytest.fixture
def client(view: View, watch: Watch) -> TestClient:
    return TestClient(application(view, "mqtt://127.0.0.1:1", Shows(watch)), base_url="http://127.0.0.1")


def test_a_planted_shortcut_is_the_first_finding_with_the_frames_that_carry_it(
    client: TestClient, watch: Watch
) -> None:
    said = client.get("/api/findings").json()
    first = said["findings"][0]
    assert (first["kind"], first["target"], first["class"], first["model"]) == ("shortcut", 2, "<i>cat</i>", MODEL)
    assert 15 <= first["carriers"] <= 35  # 24 were planted
    assert len(first["shown"]) == 8
    assert said["computed"] <= time.time()
    assert first["decision"] is None


def test_a_decision_is_about_what_is_wrong_and_not_about_who_happened_to_send() -> None:
    def found(kind: str, nodes: tuple[str, ...], *sides: str) -> str:
        return key(Finding(kind, "aa", 3, nodes, 9, 0.1, 1.0, "", sides=sides))

    groups = ("aa~group~day", "aa~group~night")
    assert found("bias", ("n1",), *groups) == found("bias", ("n1", "n2"), *groups) == "bias aa 3 aa~group~day"
    assert found("bias", ("n1",), "aa~group~a", "aa~other~a") != found("bias", ("n1",), "aa~group~b", "aa~other~b")
    assert found("compare", ("n1",), "bb", "aa") == found("compare", ("n2",), "bb", "aa")
    assert found("compare", ("n1",), "bb", "aa") != found("compare", ("n1",), "cc", "aa")
    assert found("health", ("n1",)) != found("health", ("n2",))
    assert found("drift", ("n1",)) == found("drift", ("n2",)) == "drift aa 3"
    assert found("shortcut", ("n1",)) == "shortcut aa 3"


def test_the_last_decision_counts_and_outlives_the_service(client: TestClient, watch: Watch) -> None:
    name = client.get("/api/findings").json()["findings"][0]["id"]
    for verdict in ("dismissed", "confirmed"):
        sent = {"finding": name, "verdict": verdict, "who": "Ada", "why": "the tag on the lens"}
        assert client.post("/api/decisions", json=sent).status_code == 200
    with (watch.directory / FILE).open("ab") as file:
        file.write(b'{"finding": "half')
    assert decisions(watch.directory)[name].verdict == "confirmed"
    said = client.get("/api/findings").json()["findings"][0]["decision"]
    assert (said["verdict"], said["who"], said["why"]) == ("confirmed", "Ada", "the tag on the lens")
    (watch.directory / FILE).unlink()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"finding": "x", "verdict": "maybe", "who": "Ada", "why": ""}, "one of confirmed, dismissed, open"),
        ({"finding": "x", "verdict": "open", "who": " ", "why": ""}, "who decided"),
        ({"finding": 3, "verdict": "open", "who": "Ada", "why": ""}, "finding of a decision is text"),
        ({"finding": "x", "verdict": "open", "who": "Ada", "why": "y" * 3000}, "at most 2000 characters"),
        ({"finding": "x", "verdict": "open", "who": "Ada", "why": "y" * 20_000}, "at most 10,000 bytes"),
    ],
)
def test_what_is_no_decision_is_answered(client: TestClient, sent: dict[str, object], why: str) -> None:
    answer = client.post("/api/decisions", json=sent)
    assert answer.status_code == 400
    assert why in answer.json()["error"]


def test_a_form_of_another_site_decides_nothing(client: TestClient) -> None:
    sent = {"finding": "x", "verdict": "open", "who": "Ada"}
    assert client.post("/api/decisions", data=sent).status_code == 415
    assert client.post("/api/decisions", json=sent, headers={"Origin": "http://evil.example"}).status_code == 403


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_bytes_break_the_answer(view: View, watch: Watch, content: bytes) -> None:
    client = TestClient(application(view, "mqtt://127.0.0.1:1", Shows(watch)), base_url="http://127.0.0.1")
    answer = client.post("/api/decisions", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_a_store_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        decide(tmp_path / "none", "x", "open", "Ada", "")
    with pytest.raises(DataError, match="names its finding"):
        decide(tmp_path, "", "open", "Ada", "")


@pytest.fixture
def page(view: View, watch: Watch) -> Iterator[str]:
    with serving(application(view, "mqtt://127.0.0.1:1", Shows(watch))) as address:
        yield address


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_shows_it_first_as_text_with_its_maps(page: str, watch: Watch) -> None:
    html = dump(page, "--virtual-time-budget=6000")
    first = html[html.index('<article class="finding') :].split("</article>")[0]
    assert "&lt;i&gt;cat&lt;/i&gt;" in first
    assert first.count("relevance map of 12 by 12") == 8
    assert ">Confirm</button>" in first
    assert '<article class="class' in dump(f"{page}?view=models", "--virtual-time-budget=6000")
    assert "No finding is open" in dump(f"{page}?kind=compare", "--virtual-time-budget=6000")
    decide(watch.directory, watch.answer()["findings"][0]["id"], "dismissed", "Ada", "harmless")
    assert "No finding is open" in dump(page, "--virtual-time-budget=6000") or watch.answer()["findings"][1:]
    decided = dump(f"{page}?findings=decided", "--virtual-time-budget=6000")
    assert "dismissed</strong> by Ada" in decided
    assert ">Open again</button>" in decided


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_before_the_first_look_nothing_is_counted(view: View, watch: Watch) -> None:
    unseen = Watch(watch.directory, lambda: 0)
    with serving(application(view, "mqtt://127.0.0.1:1", Shows(unseen))) as address:
        html = dump(address, "--virtual-time-budget=6000")
        assert 'aria-pressed="true">open</button>' in html
        assert "the look is under way" in html
        html = dump(f"{address}?view=model&model={MODEL}", "--virtual-time-budget=6000")
        assert "the look is under way" in html
        assert "among the newest frames" not in html


def test_half_a_line_of_a_crash_takes_no_later_decision(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"finding": "half')
    decide(tmp_path, "x", "confirmed", "Ada", "")
    assert decisions(tmp_path)["x"].verdict == "confirmed"
