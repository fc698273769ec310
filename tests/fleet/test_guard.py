"""What a request, a node or an old file must not be able to do to the service."""

import json
import math
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from arrivals import BOOT, DAY, HEATMAP, arrival, message
from starlette.testclient import TestClient

from edgexai.errors import ConfigError
from edgexai.fleet.ingest.ingest import Note, Refusal, read
from edgexai.fleet.store.format import SCHEMA, VERSION
from edgexai.fleet.store.journal import Arrival, Journal
from edgexai.fleet.store.store import Store
from edgexai.fleet.web import patience
from edgexai.fleet.web.bounded import Bounded
from edgexai.fleet.web.page import application
from edgexai.fleet.web.view import CELLS, View
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic

FORGOTTEN = SCHEMA[
    SCHEMA.index("CREATE TABLE IF NOT EXISTS forgotten") : SCHEMA.index("CREATE TABLE IF NOT EXISTS quar")
]
BEFORE_VERSIONS = SCHEMA.replace(FORGOTTEN, "")
BEFORE_TOTALS = BEFORE_VERSIONS.replace("frames INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, ", "")
STATUS = topic("f", "n", "status")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = Store(tmp_path / "store")
    yield one
    one.close()


def client(store: Store) -> TestClient:
    return TestClient(application(View(store), "mqtt://broker"), base_url="http://127.0.0.1:8080")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8080"}, 200),
        ({"host": "[::1]:8080"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "["}, 403),
        ({"origin": "http://127.0.0.1:8080"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/nodes", "/metrics", "/static/app.js", "/nowhere"])
def test_a_stranger_is_refused_and_every_answer_says_what_a_browser_may(
    store: Store, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client(store).get(path, headers=headers)
    assert answer.status_code == (404 if path == "/nowhere" and status == 200 else status)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_note_that_nobody_can_read_is_refused() -> None:
    for bad in (b'{"state":"\\ud800"}', b'{"labels":{"toString":1}}', '{"state":"a"}'.encode("utf-16"), b"nothing"):
        assert isinstance(read(STATUS, bad, DAY), Refusal)


def test_notes_of_an_older_store_end_no_answer(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.db") as old:
        old.executescript(BEFORE_VERSIONS)
        for node, text in (("good", '{"state":"online"}'), ("half", '{"state":"\\ud800"}'), ("far", '{"x":1e999}')):
            old.execute("INSERT INTO node VALUES ('f', ?, 'status', ?, ?)", (node, DAY, text))
        old.execute("INSERT INTO node VALUES ('f', 'raw', 'status', ?, CAST(x'7bff7d' AS TEXT))", (DAY,))
    old.close()
    store = Store(tmp_path)
    page = client(store)
    assert {n["node"] for n in page.get("/api/nodes").json()} == {"good"}
    assert page.get("/api/health").json()["states"] == {"online": 1}
    assert page.get("/metrics").status_code == 200
    store.close()


def test_frames_that_nodes_hold_back_are_counted(store: Store) -> None:
    notes = [
        ("f", n, "metrics", DAY, json.dumps({"waiting": {"frames": k, "bytes": 1}})) for n, k in (("a", 3), ("b", 4))
    ]
    store.journal.add([], [], [*notes, ("f", "c", "metrics", DAY, "{}")])
    assert "edgexai_nodes_waiting_frames 7" in client(store).get("/metrics").text


def test_a_conservation_that_is_no_number_is_stored_as_unknown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgexai.heatmap.given.conservation", lambda value: None)  # as an older node sends it
    for value in (math.inf, -math.inf, math.nan):
        frame = encode(np.eye(4, dtype=np.float32), model=b"\xab" * 8, conservation=value)
        found = read(HEATMAP, pack_heatmap(BOOT, frame), DAY)
        assert isinstance(found, Arrival)
        assert found.conservation is None


def test_a_node_can_be_forgotten_until_it_is_heard_again(store: Store) -> None:
    store.journal.add([arrival(1, node="gone"), arrival(1, node="here")], [], [("f", "gone", "status", DAY, "{}")])
    page = client(store)
    assert len(page.get("/api/nodes").json()) == 2
    assert store.journal.forget("f", "gone")
    assert not store.journal.forget("f", "never")
    assert [n["node"] for n in page.get("/api/nodes").json()] == ["here"]
    store.journal.add([arrival(2, node="gone")])
    assert len(page.get("/api/nodes").json()) == 2
    assert store.journal.total("f", "gone")[0] == 2


def test_a_retained_status_that_was_cleared_is_taken_back(store: Store) -> None:
    cleared = read(STATUS, b"", DAY)
    assert isinstance(cleared, Note)
    assert cleared.text is None
    store.journal.add([], [], [("f", "n", "status", DAY, "{}")])
    store.journal.add([], [], [("f", "n", "status", DAY, cleared.text)])
    assert store.journal.nodes() == []


def test_names_of_classes_are_the_operators_and_not_a_nodes(store: Store) -> None:
    content = read(HEATMAP, message(), DAY)
    assert isinstance(content, Arrival)
    store.journal.add([content], [], [("f", "n", "status", DAY, json.dumps({"labels": ["evil"], "model": "ab" * 8}))])
    view = View(store)
    view.catch_up()
    page = TestClient(application(view, ""), base_url="http://127.0.0.1")
    assert [m["labels"] for m in page.get("/api/classes").json()] == [[]]
    (store.directory / "labels").mkdir()
    (store.directory / "labels" / f"{'ab' * 8}.txt").write_text("cat\ndog\n")
    assert [m["labels"] for m in page.get("/api/classes").json()] == [["cat", "dog"]]


def test_what_a_bounded_table_holds_has_an_end_and_the_oldest_go_first() -> None:
    table: Bounded[int, list[int]] = Bounded(len, 10, 4)
    for key in (1, 2, 3, 1, 4, 5):
        table.use(key, list, lambda kept: kept.extend([0, 0]))
    assert sorted(k for k, _ in table.items()) == [1, 3, 4, 5]
    table.use(6, list, lambda kept: kept.extend([0] * 8))
    assert [k for k, _ in table.items()] == [5, 6]
    assert (table.held, table.dropped) == (10, 4)


def test_ever_new_targets_of_large_blank_maps_are_let_go_of_and_counted(store: Store) -> None:
    blank, view = np.zeros((512, 512), np.float32), View(store)
    for n in range(120):
        content = read(HEATMAP, pack_heatmap(BOOT, encode(blank, model=b"\xab" * 8, sequence=n, target=n)), DAY)
        assert isinstance(content, Arrival)
        store.journal.add([content])
    view.catch_up()
    assert view.shown == 120
    assert view.tallies.held <= CELLS
    assert view.let_go > 0
    assert (
        f"edgexai_view_dropped_total {view.let_go}"
        in TestClient(application(view, ""), base_url="http://localhost").get("/metrics").text
    )


def test_ever_new_models_do_not_become_ever_new_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    many = [arrival(n) for n in range(500)]
    store.journal.add([Arrival(**{**vars(a), "model": f"{n:016x}"}) for n, a in enumerate(many)])
    store.compact()
    assert len(list((tmp_path / "frames").rglob("*.parquet"))) == 1
    assert len({s.model for s in store.since(-1)}) == 500


@pytest.mark.parametrize("schema", [BEFORE_TOTALS, BEFORE_VERSIONS])
def test_a_store_of_an_earlier_format_opens_and_goes_on(tmp_path: Path, schema: str) -> None:
    with sqlite3.connect(tmp_path / "journal.db") as old:
        old.executescript(schema)
        old.execute("INSERT INTO boot (id, fleet, node, boot) VALUES (1, 'f', 'n', ?)", ("00" * 7,))
        old.execute("INSERT INTO seen VALUES (1, 0, 2)")
        row = (1, 2, DAY, DAY, "ab" * 8, 3, 1.5, None, b"frame 2")
        old.execute(
            "INSERT INTO frame (boot, sequence, received, time, model, target, score, conservation, frame)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
    old.close()
    journal = Journal(tmp_path)
    assert journal.add([arrival(2), arrival(3)]) == 1
    if schema is BEFORE_TOTALS:
        assert journal.total("f", "n")[0] == 4
    assert journal._all("PRAGMA user_version")[0][0] == VERSION
    journal.close()


def test_a_store_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(ConfigError, match="was written by a newer edgexai"):
        Journal(tmp_path)


@pytest.fixture
def served(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(patience, "SECONDS", 0.5)
    monkeypatch.setattr(patience, "MOST", 20)
    listener = socket.create_server(("127.0.0.1", 0))
    app: Any = application(View(store), "")
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", http=patience.PatientProtocol))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def answered(port: int, path: str = "/api/health") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


WHOLE, HALF = (b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n" + end for end in (b"\r\n", b""))
BODY = b"POST /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx"


@pytest.mark.parametrize(("first", "then"), [(HALF, b""), (WHOLE, HALF), (WHOLE, b""), (BODY, b"")])
def test_whoever_holds_a_connection_without_a_whole_request_is_ended_and_counted(
    served: int, first: bytes, then: bytes
) -> None:
    for _ in range(100):
        try:
            answered(served)
            break
        except urllib.error.URLError:
            time.sleep(0.05)
    before, holders = patience.PatientProtocol.ended, []
    for _ in range(40):
        holder = socket.create_connection(("127.0.0.1", served), timeout=10)
        holder.sendall(first)
        holders.append(holder)
    for holder in holders:
        with suppress(ConnectionError):
            if first != HALF:
                holder.recv(65536)
            holder.sendall(then)
    for holder in holders:  # to the end: a time-out here is somebody who holds his place
        with suppress(ConnectionError):
            while holder.recv(65536):
                pass
        holder.close()
    assert patience.PatientProtocol.ended - before == 40
    assert f"edgexai_page_connections_ended_total {patience.PatientProtocol.ended}" in answered(served, "/metrics")


def test_whoever_does_not_read_his_answers_is_ended(served: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "ANSWER", 0.5)
    before = patience.PatientProtocol.ended
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(("127.0.0.1", served))
    deaf.settimeout(0.5)
    with suppress(OSError):
        for _ in range(500):
            deaf.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 50)
    deadline = time.monotonic() + 20
    while patience.PatientProtocol.ended == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert patience.PatientProtocol.ended == before + 1
    deaf.close()
    assert answered(served)
