"""What the views of a class, a cluster, a drift and a comparison say, against evidence with known truth."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from findings import clean, frames_file, planted
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from edgexai.errors import DataError
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.asked import Asked
from edgexai.fleet.findings import Watch
from edgexai.fleet.ingest.offline import take_in
from edgexai.fleet.panels.cluster import PAGE, cluster
from edgexai.fleet.panels.compare import Side, compare, sides
from edgexai.fleet.panels.drift import drift
from edgexai.fleet.panels.one_class import one_class
from edgexai.fleet.panels.questions import answered
from edgexai.fleet.sampling import Range, of_ids, sample
from edgexai.fleet.store.labels import FOLDER, labels, model_names
from edgexai.fleet.store.store import Store
from edgexai.fleet.web import waiting
from edgexai.fleet.web.page import Shows, application
from edgexai.fleet.web.view import View

MODEL = "00" * 8


def values(picture: dict[str, Any]) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(picture["data"]), np.int8)
    return data.reshape(picture["rows"], picture["columns"]) * picture["peak"] / 127


def test_a_class_is_told_from_the_others() -> None:
    evidence = clean(3)
    maps, concepts = evidence.maps.copy(), evidence.concepts.copy()
    own = evidence.target == 2
    maps[own, 9:, 9:] += 3
    concepts[own, 7] += 50
    said = one_class(replace(evidence, maps=maps, concepts=concepts), 2)
    json.dumps(said, allow_nan=False)
    assert (said["frames"], said["of"]) == (120, 600)
    expected = np.mean([m / m.max() for m in maps[own]], 0) - np.mean([m / m.max() for m in maps[~own]], 0)
    assert values(said["maps"]["difference"]) == pytest.approx(expected, abs=float(np.abs(expected).max()) / 127)
    assert np.argmax(values(said["maps"]["difference"])) // 12 >= 9
    assert said["channels"][0]["channel"] == 7
    assert sum(node["count"] for node in said["nodes"]) == 120
    assert [f["id"] for f in said["newest"]] == sorted(evidence.id[own], reverse=True)[:24]
    assert sum(said["scores"]["inside"]) == 120
    assert sum(p["stands_for"] for p in said["prototypes"]) == 120
    with pytest.raises(DataError, match="no frame of model 0000"):
        one_class(evidence, 77)


def test_a_clusters_members_come_first_and_its_prototypes_are_members() -> None:
    evidence, carriers = planted(clean(1), 2, 0.25)
    finding = next(f for f in shortcuts(evidence) if f.target == 2)
    said = cluster(evidence, finding)
    json.dumps(said, allow_nan=False)
    carrying = set(evidence.id[carriers])
    assert len(said["members"]) == PAGE
    assert [m["carries"] for m in said["members"]] == sorted((m["carries"] for m in said["members"]), reverse=True)
    assert np.mean([m["id"] in carrying for m in said["members"][:30]]) >= 0.9
    assert {c["channel"] for c in said["channels"][:3]} == {3, 17, 30}
    assert all(p["id"] in carrying and len(p["channels"]) == 6 for p in said["prototypes"])
    assert sum(p["stands_for"] for p in said["prototypes"]) == said["carriers"]
    assert [m["id"] for m in cluster(evidence, finding, PAGE)["members"]][:1] != [said["members"][0]["id"]]
    assert len(cluster(evidence, finding, 10_000)["members"]) == 1
    with pytest.raises(DataError, match="no such part"):
        cluster(evidence, replace(finding, target=1))


def test_a_frame_unlike_all_others_of_its_class_is_the_most_unusual_one() -> None:
    evidence = clean(3)
    rows = np.flatnonzero(evidence.target == 2)
    concepts = evidence.concepts.copy()
    concepts[rows[17]] = np.roll(concepts[rows[17]], 5)
    said = one_class(replace(evidence, concepts=concepts), 2)
    json.dumps(said, allow_nan=False)
    assert said["unusual"][0]["id"] == evidence.id[rows[17]]
    assert [p["times"] for p in said["unusual"]] == sorted((p["times"] for p in said["unusual"]), reverse=True)
    assert all(p["id"] != evidence.id[rows[17]] for p in said["prototypes"])


def test_a_drift_says_when_and_what_has_changed_since() -> None:
    evidence = clean(5)
    late = np.arange(len(evidence)) >= 400
    concepts = evidence.concepts.copy()
    concepts[late & (evidence.target == 1), 11] += 30
    said = drift(replace(evidence, concepts=concepts), 1)
    json.dumps(said, allow_nan=False)
    assert abs(said["change"]["time"] - evidence.time[400]) < 90 * 60
    assert said["change"]["p"] < 0.01
    assert said["channels"][0]["channel"] == 11
    moved = np.array([part["mean"] for part in said["reasons"]])
    when = np.array([part["time"] for part in said["reasons"]])
    assert moved[when > evidence.time[410]].min() > moved[when < evidence.time[390]].max()
    assert sum(part["count"] for part in said["reasons"]) == 120
    assert sum(one["before"] for one in said["mix"]) == pytest.approx(1)
    assert drift(evidence, 0)["change"]["p"] > 0.01
    with pytest.raises(DataError, match="from 40 frames of 10 moments"):
        drift(evidence.where(evidence.id < 200), 1)


def test_two_models_are_compared_class_by_class_the_most_different_first() -> None:
    first, second = clean(6), replace(clean(7), model="11" * 8)
    maps = second.maps.copy()
    maps[second.target == 3, :3] += 2
    said = compare(first, replace(second, maps=maps, concepts=second.concepts[:, :5]))
    json.dumps(said, allow_nan=False)
    assert (said["alike"], said["channels"], said["frames"]) == (True, False, [600, 600])
    assert said["classes"][0]["target"] == 3
    assert said["classes"][0]["p"] < 1e-6
    assert min(c["p"] for c in said["classes"][1:]) > 1e-3
    assert values(said["classes"][0]["maps"]["difference"])[:3].min() > 0


def test_maps_of_two_shapes_are_shown_and_not_compared() -> None:
    second = replace(clean(7), maps=clean(7).maps[:, :6])
    said = compare(clean(6), second.where(second.target != 4))
    assert not said["alike"]
    assert all(c["p"] is None for c in said["classes"])
    rows = {c["target"]: {k: m["rows"] for k, m in c["maps"].items()} for c in said["classes"]}
    assert rows[0] == {"first": 12, "second": 6}
    assert rows[4] == {"first": 12}
    nobody = second.where(second.target > 9)
    assert compare(nobody, nobody)["classes"] == []


def test_groups_and_nodes_are_sides() -> None:
    evidence = replace(clean(2), group=np.where(clean(2).node == "n1", "night", "day"))
    assert sides(evidence) == {"groups": ["day", "night"], "nodes": ["n0", "n1", "n2", "n3"]}
    night = Side.parse(f"{MODEL}~group~night").of(evidence)
    assert set(night.node) == {"n1"} == set(Side.parse(f"{MODEL}~node~n1").of(evidence).node)
    assert set(Side.parse(f"{MODEL}~other~night").of(evidence).group) == {"day"}
    assert len(compare(night, evidence)["classes"]) == 5


@given(st.text(max_size=40))
def test_what_is_no_side_is_refused(text: str) -> None:
    try:
        side = Side.parse(text)
    except DataError:
        return
    assert side.model.isalnum()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("panels")
    store = Store(place / "store")
    take_in(frames_file(place / "some.npz"), store.journal)
    store.close()
    return place / "store"


def test_a_range_is_read_evenly_and_of_everything_the_newest(folder: Path) -> None:
    (all_of,) = sample(folder, Range(), 1000)
    assert len(all_of) == 360
    (newest,) = sample(folder, Range(), 100)
    assert newest.id.tolist() == all_of.id[-100:].tolist()
    middle = (all_of.time >= all_of.time[100]) & (all_of.time < all_of.time[300])
    (some,) = sample(folder, Range(all_of.time[100], all_of.time[300]), 1000)
    assert some.id.tolist() == all_of.id[middle].tolist()
    (thin,) = sample(folder, Range(all_of.time[100], all_of.time[300]), 60)
    chosen = all_of.id[middle]
    step = next(k for k in (1, 2, 4, 8) if len(chosen[::k]) <= 60)
    assert thin.id.tolist() == chosen[::step].tolist()
    (last,) = sample(folder, Range(last=600.0), 1000, [MODEL])
    assert last.time.min() >= all_of.time.max() - 600
    assert sample(folder, Range(), 1000, ["11" * 8]) == []
    (asked,) = of_ids(folder, {int(all_of.id[5]), int(all_of.id[50]), 10**9})
    assert asked.id.tolist() == [all_of.id[5], all_of.id[50]]


@pytest.fixture(scope="module")
def watch(folder: Path) -> Iterator[Watch]:
    store = Store(folder)
    one = Watch(folder, store.last_id)
    one.again()
    yield one
    store.close()


@pytest.fixture
def client(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Asks, has what waits answered, and asks again."""
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    store = Store(watch.directory)
    asked, view = Asked(lambda question: answered(watch.directory, question), store.last_id), View(store)
    one = TestClient(application(view, "mqtt://127.0.0.1:1", Shows(watch, asked)), base_url="http://127.0.0.1")

    def ask(path: str) -> Any:
        for _ in range(3):
            answer = one.get(path)
            if answer.status_code != 202:
                return answer
            assert answer.json() == {"state": "computing"}
            asked.once(0)
        raise AssertionError(path)

    yield ask
    view.store.close()


def test_views_are_answered_as_json(client: Callable[[str], Any], folder: Path) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    (folder / FOLDER / f"{MODEL}.txt").write_text("ant\nbee\ncat\n")
    finding = client("/api/findings").json()["findings"][0]
    assert "members" not in finding
    assert finding["places"] == [f"imported/{node}" for node in finding["nodes"]]
    members = client(f"/api/panel/cluster?finding={finding['id']}").json()
    assert (members["carriers"], members["labels"]) == (finding["carriers"], {MODEL: ["ant", "bee", "cat"]})
    assert client(f"/api/panel/cluster?finding={finding['id']}&offset=48").json()["offset"] == 48
    assert client(f"/api/panel/class?model={MODEL}&target=2").json()["frames"] == members["frames"]
    assert client(f"/api/panel/drift?model={MODEL}&target=1").json()["frames"] > 80
    assert client(f"/api/panel/compare?a={MODEL}&b={MODEL}~node~n1").json()["frames"][0] == 360
    ranged = client("/api/findings?last=1e9").json()["findings"][0]
    assert (ranged["id"], ranged["decision"]) == (finding["id"], None)
    assert client(f"/api/panel/cluster?finding={finding['id']}&last=1e9").json()["carriers"] == finding["carriers"]
    assert client("/api/findings?since=1&until=2").json()["findings"] == []


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("class?model=&target=x", 400, "numbers"),
        ("class?model=ff&target=1", 200, "no frame of model ff"),
        (f"class?model={MODEL}&target=99", 200, "has class 99"),
        (f"drift?model={MODEL}&target=1&last=nan", 400, "numbers"),
        (f"drift?model={MODEL}&target=1&last=60", 200, "a change is looked for"),
        ("compare?a=x&b=y~z", 200, "is no side"),
        (f"compare?a={MODEL}&b={MODEL}&since=inf", 400, "numbers"),
        ("cluster?finding=none", 200, "no such cluster"),
        ("cluster?finding=none&offset=a", 400, "numbers"),
    ],
)
def test_what_cannot_be_answered_is_said(client: Callable[[str], Any], path: str, status: int, why: str) -> None:
    answer = client(f"/api/panel/{path}")
    assert answer.status_code == status
    assert why in answer.json()["error"]


def test_without_anybody_to_compute_it_is_said(folder: Path) -> None:
    view = View(Store(folder))
    client = TestClient(application(view, "mqtt://127.0.0.1:1"), base_url="http://127.0.0.1")
    assert client.get(f"/api/panel/class?model={MODEL}&target=1").status_code == 503
    view.store.close()


def test_names_of_models_are_read_from_the_store(tmp_path: Path) -> None:
    assert model_names(tmp_path) == {}
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "models.txt").write_text("5E5E5e5e digits 1.0\n\nnoname\n  aa   b  \n")
    assert model_names(tmp_path) == {"5e5e5e5e": "digits 1.0", "aa": "b"}
    assert labels(tmp_path, "models") == []
    (tmp_path / FOLDER / "models.txt").write_bytes(b"\xff\xfe")
    assert model_names(tmp_path) == {}


def test_evidence_of_no_concepts_has_no_channels() -> None:
    evidence = clean(3)
    without: Evidence = replace(evidence, concepts=np.zeros((len(evidence), 0), np.float32))
    assert one_class(without, 2)["channels"] == []
    finding = next(f for f in shortcuts(planted(evidence, 2, 0.25)[0]) if f.target == 2)
    assert all(p["channels"] == [] for p in cluster(without, finding)["prototypes"])
