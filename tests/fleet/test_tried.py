"""Which outcomes of trials are shown with which suspicion: those of the same cause, whatever plane a look finds."""

import json
from pathlib import Path

import numpy as np
import pytest
from findings import clean, planted

from edgexai.fleet.analysis.analyse import tested as all_tests
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.store.lines import append
from edgexai.fleet.store.store import Store
from edgexai.fleet.tried import ORDERS, Told, Tried, about, kind, outcomes, tried
from edgexai.intervention.suspicion import Suspicion, suspicion
from edgexai.intervention.trial import WAYS, Outcome, Way

MODEL, CLASS = "00" * 8, 2
CAUSES = ([3, 17, 30], [5, 11, 25], [3, 12, 20])


def travelled(one: Suspicion) -> Suspicion:
    """As a node tells it."""
    return suspicion(json.loads(json.dumps(suspicion(one.as_json()).coarse().as_json())))


def plane(*weights: float) -> Suspicion:
    return travelled(Suspicion(CLASS, np.array(weights), 0.1, -0.2))


def suspected(one: Evidence) -> Suspicion:
    (found,) = [f.probe for f in shortcuts(one) if f.target == CLASS]
    assert found is not None
    return found


def outcome(of: Suspicion | None, n: int = 100, turned: int = 0) -> Outcome:
    return Outcome(CLASS, 100, n, (24, 24), {way: Way(turned) for way in WAYS}, of)


def told(node: str, one: Outcome, received: float = 1.0) -> Told:
    return Told(("f", node), MODEL, received, one)


def test_a_trial_is_about_what_divides_the_frames_as_its_plane_does_and_no_other_cause_in_the_class() -> None:
    looks = {(i, seed): planted(clean(seed), CLASS, 0.2, seed, c)[0] for i, c in enumerate(CAUSES) for seed in (1, 2)}
    planes = {which: travelled(suspected(one)) for which, one in looks.items()}
    assert len({one.name for one in planes.values()}) == len(looks)  # every look finds a plane of its own
    trials = tuple(told(f"n{i}", outcome(planes[i, 1], turned=90 if i == 0 else 0)) for i in range(3))
    for (cause, _), one in looks.items():
        found = all_tests(one, None, {(MODEL, CLASS): list(planes.values())})
        (finding,) = [f for f in found if f.kind == "shortcut" and f.target == CLASS]
        assert set(finding.like) == {planes[cause, seed].name for seed in (1, 2)}
        assert Tried(trials, {})(finding).verdict == ("confirmed" if cause == 0 else "not confirmed")
    (finding,) = [f for f in all_tests(clean(3), None, {(MODEL, CLASS): list(planes.values())}) if f.target == CLASS][
        :1
    ]
    assert Tried(trials, {})(finding).verdict == ""


def test_a_plane_of_other_numbers_is_of_another_suspicion() -> None:
    one, _ = planted(clean(1), CLASS, 0.2)
    own = suspected(one)
    others = [plane(1.0, 2.0), Suspicion(CLASS, own.weights, own.score, own.bias, "maps")]
    (finding,) = [
        f for f in all_tests(one, None, {(MODEL, CLASS): others}) if f.kind == "shortcut" and f.target == CLASS
    ]
    assert finding.like == ()


def test_the_newest_of_a_node_counts_and_what_an_older_node_says_counts_for_the_class() -> None:
    old, one, later = outcome(None, 20), outcome(plane(1, -0.5), 30), outcome(plane(0.9, -0.4), 40)
    said = [told("n", old, 3.0), told("n", one, 1.0), told("n", later, 2.0)]
    names = [said[1].name, said[2].name]
    assert [of.outcome.n for of in about(said, (MODEL, CLASS), names)] == [40]
    assert [of.outcome.n for of in about(said, (MODEL, CLASS), names[:1])] == [30]
    assert [of.outcome.n for of in about(said, (MODEL, CLASS), [])] == [20]
    assert about(said, (MODEL, 3), names) == about(said, ("x", CLASS), names) == []


def test_notes_of_trials_are_one_a_suspicion_and_what_is_none_is_passed_over() -> None:
    trials = [outcome(None, 20), outcome(plane(1, -0.5), 30), outcome(plane(-1, 0.5), 40)]
    notes = [("f", "n", kind("a/b", one), 1.0, json.dumps(one.as_json())) for one in trials]
    assert len({note[2] for note in notes}) == 3
    strange = json.dumps(trials[1].as_json() | {"plane": {"class": "x"}})
    found = outcomes([*notes, ("f", "n", "trial/m/2/x", 1.0, strange), ("f", "n", "status", 1.0, "{}")])
    assert [(one.model, one.outcome.n) for one in found] == [("a/b", 20), ("a/b", 30), ("a/b", 40)]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_name_outlives_the_journey_and_the_coarse_plane_divides_alike(scale: float) -> None:
    random = np.random.default_rng(0)
    sent = suspicion(Suspicion(CLASS, scale * random.normal(size=64), scale * 0.3, -scale * 0.1).as_json())
    coarse = travelled(sent)
    assert coarse.name == sent.name
    assert len(json.dumps(coarse.as_json())) < 450
    x, score = random.normal(size=(1000, 64)), random.normal(size=1000)
    assert np.mean((sent.distance(x, score) >= 0) == (coarse.distance(x, score) >= 0)) > 0.99


def test_what_was_asked_for_is_known_before_a_node_says_so(tmp_path: Path) -> None:
    Store(tmp_path).close()
    asked = plane(1, -0.5)
    for row in ({"model": "m", "plane": asked.as_json()}, {"model": "m", "plane": {"class": -1}}, {"class": 3}):
        append(tmp_path / ORDERS, row)
    known = tried(tmp_path)
    assert [one.name for one in known.planes["m", CLASS]] == [asked.name]
    finding = Finding("shortcut", "m", CLASS, ("n",), 10, 0.01, 1.0, "", like=(asked.name,))
    assert known(finding) == finding
