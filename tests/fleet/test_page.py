"""The page's JSON over a real store."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from edgexai.fleet.ingest.ingest import read
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.store import Store
from edgexai.fleet.web.page import STATIC, application
from edgexai.fleet.web.view import OWN, View
from edgexai.heatmap import decode, encode
from edgexai.messaging.messages import pack_heatmap, topic

MODEL = b"\xcd" * 8


def arrival(node: str, sequence: int, target: int, tagged: bool) -> Arrival:
    dice = np.random.default_rng(1000 * target + sequence)
    relevance = np.abs(dice.normal(1.0, 0.2, (16, 16))).astype(np.float32)
    if tagged:
        relevance[13:, 13:] += 20.0
    frame = encode(relevance, budget=150, model=MODEL, sequence=sequence, time=1.7e9, target=target, score=2.0)
    one = read(topic("f", node, "heatmap"), pack_heatmap("00" * 7, frame), 1.7e9)
    assert isinstance(one, Arrival)
    return one


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """Five classes on two nodes; class 4 carries a tag in the corner, on node b only."""
    store = Store(tmp_path_factory.mktemp("store"))
    for node in ("a", "b"):
        store.journal.add([arrival(node, n, n % 5, n % 5 == 4 and node == "b") for n in range(60)])
    status = {"state": "online", "model": MODEL.hex(), "labels": ["<b>no</b>"]}
    store.journal.add(
        [], [], [("f", "a", "status", 1.7e9, json.dumps(status)), ("f", "a", "metrics", 1.7e9, '{"explained":60}')]
    )
    store.compact()
    view = View(store)
    assert view.catch_up() == 120
    return TestClient(application(view, "mqtt://127.0.0.1:1"), base_url="http://127.0.0.1")


def test_health_counts(client: TestClient) -> None:
    health = client.get("/api/health").json()
    assert (health["frames"], health["shown"], health["nodes"]) == (120, 120, 1)
    assert (health["duplicates"], health["quarantined"], health["broker"]) == (0, 0, "mqtt://127.0.0.1:1")


def test_nodes_have_status_metrics_and_totals(client: TestClient) -> None:
    a, b = client.get("/api/nodes").json()
    assert (a["node"], a["status"]["state"], a["metrics"]["explained"], a["frames"]) == ("a", "online", 60, 60)
    assert (b["node"], b["status"], b["frames"]) == ("b", None, 60)
    assert b["bytes"] == sum(f["bytes"] for f in client.get("/api/frames/latest?node=b&limit=24").json()) / 24 * 60


def test_relevance_in_the_tags_corner_is_shown_by_class_and_node(client: TestClient) -> None:
    (both,) = client.get("/api/classes").json()
    (one,) = client.get("/api/classes?node=f/a").json()
    corner = both["regions"].index("corner bottom right")
    shares = [c["shares"][corner] for c in both["classes"]]
    assert shares[4] > 3 * max(shares[:4])
    assert one["classes"][4]["shares"][corner] < shares[4] / 3


def test_one_nodes_classes_can_be_asked_for(client: TestClient) -> None:
    (model,) = client.get("/api/classes?node=f/a").json()
    assert [c["count"] for c in model["classes"]] == [12] * 5
    assert client.get("/api/classes?node=f/none").json() == []


def test_a_frame_is_given_as_the_bytes_that_came(client: TestClient) -> None:
    newest = client.get("/api/frames/latest?node=b&limit=1").json()[0]
    assert newest["sequence"] == 59
    assert base64.b64decode(newest["frame"]) == arrival("b", 59, 4, True).frame


def test_a_class_is_shown_as_the_mean_of_its_maps(client: TestClient) -> None:
    (model,) = client.get("/api/classes?node=f/b").json()
    (shown,) = [c["map"] for c in model["classes"] if c["target"] == 4]
    maps = [decode(arrival("b", n, 4, True).frame).map for n in range(4, 60, 5)]
    expected = np.mean([m / np.abs(m).max() for m in maps], axis=0)
    values = np.frombuffer(base64.b64decode(shown["data"]), np.int8).reshape(shown["rows"], shown["columns"])
    assert np.abs(values * (shown["peak"] / 127) - expected).max() <= shown["peak"] / 254 * 1.01


def test_a_limit_that_is_no_number_is_answered(client: TestClient) -> None:
    assert client.get("/api/frames/latest?limit=many").status_code == 400


def test_prometheus_can_read_the_counters(client: TestClient) -> None:
    lines = client.get("/metrics").text.splitlines()
    assert "edgexai_frames_total 120" in lines
    assert 'edgexai_nodes{state="online"} 1' in lines
    assert all(line.startswith("#") or len(line.split(" ")) == 2 for line in lines)


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for file in STATIC.iterdir():
        text = file.read_text()
        assert "innerHTML" not in text
        assert "//" not in text.replace("http://www.w3.org/2000/svg", "").replace("// ", "").replace("://", "") or (
            file.suffix == ".js"
        )
        assert client.get(f"/static/{file.name}").status_code == 200


def test_a_new_view_shows_the_newest_frames_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival("a", n, 0, False) for n in range(30)])
    view = View(store, look_back=10)
    assert view.catch_up() == 10
    assert [f["sequence"] for f in view.latest(limit=24)] == list(range(29, 19, -1))


def test_thousands_of_nodes_leave_page_and_memory_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    notes = [
        ("f", f"n{n}", "status", float(n), '{"state":"%s"}' % ("lost" if n < 40 else "online")) for n in range(3000)
    ]
    store.journal.add([arrival(f"n{n}", 0, 0, False) for n in range(120)], (), notes)
    view = View(store, nodes=80)
    client = TestClient(application(view, "mqtt://127.0.0.1:1"), base_url="http://127.0.0.1")
    assert view.catch_up() == 120
    assert client.get("/api/health").json()["states"] == {"lost": 40, "online": 2960}
    assert [n["node"] for n in client.get("/api/nodes?limit=2").json()] == ["n2998", "n2999"]
    assert len(client.get("/api/nodes").json()) == 500
    assert len(view.recent) == 80
    assert len(client.get("/api/frames/latest").json()) == 50
    assert client.get("/api/classes").json()[0]["classes"][0]["count"] == 120
    # a node's own sums go with its frames: with more nodes than are at hand, they would fill memory for hours
    assert [len(client.get(f"/api/classes?node=f/n{n}").json()) for n in (0, 39, 40, 119)] == [0, 0, 1, 1]


def test_ever_new_classes_of_one_node_leave_its_own_sums_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival("a", n, n, False) for n in range(OWN + 30)])
    view = View(store)
    view.catch_up()
    assert [c["target"] for m in view.classes("f/a") for c in m["classes"]] == list(range(30, OWN + 30))
    assert len(view.classes()[0]["classes"]) == OWN + 30


def test_what_a_node_calls_its_state_breaks_no_answer(tmp_path: Path) -> None:
    store = Store(tmp_path)
    hostile = ['{"state":["a"]}', '{"state":{"b":1}}', '{"state":"x\\"} 1\\n"}', '{"state":7}', "{}", '{"state":null}']
    store.journal.add([], (), [("f", f"n{i}", "status", 1.0, text) for i, text in enumerate(hostile)])
    client = TestClient(application(View(store), "mqtt://127.0.0.1:1"), base_url="http://127.0.0.1")
    assert client.get("/api/health").json()["nodes"] == 6
    assert len(client.get("/api/nodes").json()) == 6
    assert 'edgexai_nodes{state="unknown"} 6' in client.get("/metrics").text.splitlines()
