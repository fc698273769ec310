"""The table of all nodes: filters, search, order, pages; what changes is in it, what is forgotten is not."""

import json
from pathlib import Path

import pytest
from arrivals import arrival
from starlette.testclient import TestClient

from edgexai.fleet.store.store import Store
from edgexai.fleet.web.inventory import FRESH, Inventory
from edgexai.fleet.web.page import application
from edgexai.fleet.web.view import View


def said(n: int, state: str = "online", received: float | None = None) -> tuple[str, str, str, float, str]:
    status = {"state": state, "model": f"m{n % 3}", "context": {"site": f"hall {n % 4}"}}
    return ("f", f"n{n}", "status", float(n) if received is None else received, json.dumps(status))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    one = Store(tmp_path)
    metrics = '{"explained":10,"waiting":{"frames":5},"latency_ms":{"p50":2.5,"sum":30},"energy_uj":70}'
    one.journal.add(
        [arrival(s, "n5") for s in range(7)],
        (),
        [*(said(n, "lost" if n == 30 else "online") for n in range(100)), ("f", "n5", "metrics", 5.0, metrics)],
    )
    return one


def names(page: dict[str, object]) -> list[str]:
    return [row["node"] for row in page["rows"]]  # type: ignore[index, attr-defined]


def test_rows_are_filtered_searched_counted_and_paged(store: Store) -> None:
    table = Inventory(store.journal)
    first = table.page({"limit": "10"})
    assert (first["total"], first["all"], len(first["rows"])) == (100, 100, 10)
    assert names(first)[:2] == ["n30", "n99"]  # lost ones first, then those heard last
    assert first["counts"]["state"] == {"online": 99, "lost": 1}
    hall = table.page({"site": "hall 1", "model": "m2"})
    expected = {f"n{n}" for n in range(100) if n % 4 == 1 and n % 3 == 2}
    assert set(names(hall)) == expected
    assert sum(hall["counts"]["site"].values()) == sum(n % 3 == 2 for n in range(100))
    assert names(table.page({"q": "HALL 3 n9"})) == [f"n{n}" for n in (99, 95, 93, 91)]
    assert names(table.page({"sort": "name", "limit": "3", "offset": "99"})) == ["n99"]
    assert names(table.page({"since": "98"})) == ["n99", "n98"]
    (five,) = table.page({"q": "n5 hall", "sort": "frames", "limit": "1"})["rows"]
    assert (five["frames"], five["waiting"], five["p50"], five["bytes"]) == (7, 5, 2.5, 7 * len(b"frame 0"))
    assert table.summary() == {"bytes": len(b"frame 0"), "ms": 3.0, "energy_uj": 7.0}


def test_what_comes_changes_it_and_what_is_forgotten_leaves_it(store: Store) -> None:
    now = [0.0]
    table = Inventory(store.journal, lambda: now[0])
    assert table.page({"q": "n30"})["rows"][0]["state"] == "lost"
    store.journal.add([arrival(0, "new")], (), [said(30, "online", 200.0)])
    store.journal.forget("f", "n31")
    assert table.page({})["all"] == 100  # as it was, for half a second
    now[0] += FRESH
    assert table.page({"q": "n30"})["rows"][0]["state"] == "online"
    assert table.page({})["all"] == 100
    assert names(table.page({"q": "f/new"})) == ["new"]
    assert names(table.page({"q": "n31"})) == []


def test_who_has_timed_no_explanation_has_no_latency(store: Store) -> None:
    """A gateway, of this version or an older one."""
    gateways = ['{"explained":90,"latency_ms":null}', '{"explained":90,"latency_ms":{"count":0,"p50":0,"sum":0}}']
    assert Inventory(store.journal).summary()["ms"] == 3.0
    store.journal.add([], (), [("f", f"g{k}", "metrics", 6.0, text) for k, text in enumerate(gateways)])
    table = Inventory(store.journal)
    assert table.summary()["ms"] == 3.0
    assert [row["p50"] for row in table.page({"q": "f/g"})["rows"]] == [None, None]
    store.journal.forget("f", "n5")
    assert Inventory(store.journal).summary()["ms"] is None


def test_hostile_notes_and_questions_break_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    notes = ['{"state":["a"]}', '{"context":7,"state":null}', '{"context":{"site":{"a":1}}}', '{"model":[1]}']
    store.journal.add([], (), [("f", f"n{i}", "status", 1.0, text) for i, text in enumerate(notes)])
    more = ['{"waiting":7,"latency_ms":[1]}', '{"waiting":{"frames":"x"},"latency_ms":{"p50":"y"},"energy_uj":"z"}']
    store.journal.add([], (), [("f", f"n{i}", "metrics", 1.0, text) for i, text in enumerate(more)])
    client = TestClient(application(View(store), "mqtt://127.0.0.1:1"), base_url="http://127.0.0.1")
    assert client.get("/api/inventory").json()["total"] == 4
    assert client.get("/api/inventory?sort=none&q=%00&site=nowhere").json()["total"] == 0
    for wrong in ("offset=x", "limit=1.5", "since=later", "limit=nan", "since=1e999&offset=1e9"):
        assert client.get(f"/api/inventory?{wrong}").status_code == 400
    assert client.get("/api/nodes?id=f/none").json() == []
    assert client.get("/api/nodes?id=f/n1").json()[0]["node"] == "n1"
