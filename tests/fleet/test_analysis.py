"""The analyses on evidence whose truth is known, and on evidence where there is nothing to find."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from findings import clean, planted
from scipy import ndimage, stats

from edgexai.errors import DataError
from edgexai.fleet.analysis import statistics
from edgexai.fleet.analysis.analyse import COMPARED, analysed, pairs
from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.compare import compared
from edgexai.fleet.analysis.difference import difference, views
from edgexai.fleet.analysis.drift import changes, drifts
from edgexai.fleet.analysis.evidence import Evidence, gather, joined
from edgexai.fleet.analysis.health import health
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.analysis.sickness import diagnosis
from edgexai.fleet.analysis.signs import signs
from edgexai.fleet.analysis.statistics import greatest_shift


def auroc(carrier: np.ndarray, score: np.ndarray) -> float:
    return float(stats.mannwhitneyu(score[carrier], score[~carrier]).statistic / carrier.sum() / (~carrier).sum())


@pytest.mark.parametrize("share", [0.06, 0.2, 0.8])
def test_a_shortcut_is_found_and_its_carriers_are_named(share: float) -> None:
    evidence, carriers = planted(clean(1), 2, share)
    found = analysed([evidence])
    assert [(f.kind, f.target) for f in found] == [("shortcut", 2)]
    members = {m.id: m.score for m in found[0].members}
    ids = sorted(members)
    assert ids == evidence.id[evidence.target == 2].tolist()
    assert auroc(carriers[ids], np.array([members[i] for i in ids])) > 0.99
    assert abs(found[0].frames - carriers.sum()) <= 3
    assert found[0].severity == "high"


def test_clean_classes_raise_no_more_alarms_than_stated() -> None:
    found = [f for seed in range(6) for f in analysed([clean(seed + 20, classes=3, each=60)])]
    assert len(found) <= 2  # of 6 fleets at a rate of a tenth


def test_two_classes_suffice_and_a_tiny_class_is_left_alone() -> None:
    evidence, _ = planted(clean(3, classes=2), 0, 0.2)
    assert [f.target for f in shortcuts(evidence) if f.p < 1e-4] == [0]
    assert shortcuts(clean(4, classes=2, each=20)) == []


def test_without_concepts_the_maps_take_their_place() -> None:
    evidence, carriers = planted(clean(5), 1, 0.2)
    maps = evidence.maps.copy()
    maps[carriers, :3, :3] += 3
    bare = replace(evidence, maps=maps, concepts=np.zeros((len(evidence), 0), np.float32))
    found = [f for f in shortcuts(bare) if f.p < 1e-4]
    assert [f.target for f in found] == [1]
    assert found[0].where.endswith("top left")


def test_bias_is_found_between_groups_and_not_where_there_is_none() -> None:
    evidence = clean(6, each=200)
    group = np.where(np.arange(len(evidence)) % 2, "b", "a")
    assert min(f.p for f in biases(replace(evidence, group=group))) > 0.001
    concepts = evidence.concepts.copy()
    moved = (group == "b") & (evidence.target == 3)
    concepts[moved, 5] *= 3
    found = biases(replace(evidence, group=group, concepts=concepts))
    assert [f.target for f in found if f.p < 1e-4] == [3]
    assert biases(evidence) == []


def test_p_values_are_right_where_nothing_differs() -> None:
    evidence, p = clean(13, classes=1, each=400, width=12), []
    seen = views(evidence)
    for draw in range(150):
        rows = np.random.default_rng(draw).permutation(400)
        p.append(difference(seen, rows[:40], rows[40 : (48, 90)[draw % 2]]).p)
    assert np.mean(np.array(p) < 0.05) <= 0.09
    assert min(p) > 1e-3
    assert np.mean(np.array(p) < 0.5) >= 0.3  # it does not fall asleep either


def test_mmd_sees_a_change_of_shape_that_leaves_the_means() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(150, 3)), random.normal(size=(150, 3)) * 2
    assert statistics.mmd(a, b)[1] < 1e-4
    assert statistics.greatest_shift(a, b)[2] > 0.001


def test_the_false_discovery_rate_is_that_of_scipy() -> None:
    p = np.random.default_rng(2).uniform(size=50) ** 3
    assert np.allclose(statistics.false_discovery(p), stats.false_discovery_control(p, method="by"))


def test_drift_tells_reasons_from_the_mix_of_classes() -> None:
    evidence = clean(7, each=200)
    half = len(evidence) // 2
    old, new = evidence.where(np.arange(half)), evidence.where(np.arange(half, 2 * half))
    assert min(f.p for f in drifts(old, new)) > 0.001
    few = new.where(~((new.target == 1) & (np.arange(half) % 3 > 0)))
    mixed = [f for f in drifts(old, few) if f.p < 1e-3]
    assert [f.where for f in mixed] == ["class mix"]
    other, _ = planted(new, 2, 0.4)
    assert [(f.target, f.where) for f in drifts(old, other) if f.p < 1e-4] == [(2, "reasons")]
    with pytest.raises(DataError):
        joined(old, replace(new, concepts=new.concepts[:, :3]))


def test_the_moment_of_a_change_is_found() -> None:
    evidence = clean(8, classes=2, each=300)
    late = evidence.time > evidence.time[400]
    concepts = evidence.concepts.copy()
    concepts[late, 4] *= 6
    found = changes(replace(evidence, concepts=concepts))
    assert all(f.p < 1e-4 for f in found)
    moments = [datetime.fromisoformat(f.text.split("(")[1].split(" UTC")[0] + "+00:00").timestamp() for f in found]
    assert all(abs(moment - evidence.time[400]) < 60 * 60 for moment in moments)
    assert min(f.p for f in changes(evidence)) > 0.001


def sick(evidence: Evidence, kind: str) -> Evidence:
    maps, score, own = evidence.maps.copy(), evidence.score.copy(), evidence.node == "n1"
    if kind == "rotated":
        maps[own] = np.rot90(maps[own], 1, (1, 2))
    if kind == "frozen":
        maps[own], score[own] = maps[own][:1], np.median(score)
    if kind == "dead":
        maps[own], score[own] = 3 * maps[own].mean(), score.mean() - 4
    if kind == "saturated":
        maps[own], score[own] = 1.8 * maps[own], score[own] + 1
    if kind == "blurred":
        maps[own], score[own] = 0.5 * maps[own], score[own] - 1
    return replace(evidence, maps=maps, score=score)


@pytest.mark.parametrize("kind", ["rotated", "dead", "frozen"])
def test_what_ails_a_sensor_is_named(kind: str) -> None:
    evidence = sick(clean(9, nodes=6), kind)
    own = evidence.node == "n1"
    assert diagnosis(evidence, own, np.flatnonzero(~own)).startswith(kind)


@pytest.mark.parametrize(
    ("kind", "name", "least", "most"),
    [
        ("saturated", "energy", 0.5, 0.7),  # log 1.8 is 0.59
        ("saturated", "rough", -0.1, 0.1),
        ("smooth", "rough", -3, -0.2),
        ("smooth", "fine", -9, -0.5),
        ("rotated", "turned", 0.5, 9),
        ("healthy", "turned", -9, 0),
        ("rotated", "variety", -0.1, 0.1),
        ("frozen", "variety", -3, -3),
        ("frozen", "score spread", -3, -3),
    ],
)
def test_a_sign_shows_what_changed_and_nothing_else(kind: str, name: str, least: float, most: float) -> None:
    evidence = sick(clean(9, nodes=6), kind)
    own = evidence.node == "n1"
    if kind == "smooth":
        maps = evidence.maps.copy()
        maps[own] = ndimage.gaussian_filter(maps[own], (0, 1, 1))
        evidence = replace(evidence, maps=maps)
    assert least <= signs(evidence, own, np.flatnonzero(~own))[name] <= most


def test_signs_are_finite_where_all_frames_are_alike_and_no_class_is_shared() -> None:
    evidence = clean(9, nodes=6)
    evidence = replace(evidence, maps=np.zeros_like(evidence.maps), concepts=np.zeros_like(evidence.concepts))
    own = evidence.target == 0
    assert np.isfinite(list(signs(evidence, own, np.flatnonzero(~own)).values())).all()


def test_what_is_silent_in_both_samples_moves_by_no_million_of_deviations() -> None:
    random = np.random.default_rng(0)
    one, other = (np.column_stack([random.normal(size=50), random.normal(0, 1e-8, 50)]) for _ in range(2))
    other[:, 1] += 0.1
    column, shift, p = greatest_shift(one, other)
    assert (column, p < 1e-9) == (1, True)
    assert 1 < shift < 10


def test_a_sick_node_leaves_its_peers_and_the_others_do_not() -> None:
    found = [f for f in health(sick(clean(10, nodes=6), "saturated")) if f.p < 1e-4]
    assert [f.nodes for f in found] == [("n1",)]


def test_two_models_are_compared_by_their_maps() -> None:
    first, second = clean(11), replace(clean(12), model="11" * 8)
    assert min(f.p for f in compared(first, second)) > 0.001
    maps = second.maps.copy()
    maps[second.target == 4] = maps[second.target == 4][:, ::-1]
    assert [f.target for f in compared(first, replace(second, maps=maps)) if f.p < 1e-4] == [4]


def test_frames_of_another_shape_are_left_out() -> None:
    row = {"sequence": 0, "node": "n", "group": "", "time": 0.0, "target": 1, "score": 1.0, "conservation": None}
    rows = [row | {"id": i, "map": np.ones((4, 4)), "concepts": ((1.0, 2.0),)} for i in range(3)]
    rows += [row | {"id": 3, "map": np.ones((5, 5)), "concepts": ((1.0, 2.0),)}]
    rows += [row | {"id": 4, "map": np.ones((4, 4)), "concepts": ()}]
    assert gather("m", rows).id.tolist() == [0, 1, 2]


def test_a_change_is_dated_where_a_calendar_knows_it_and_told_where_none_does() -> None:
    one = clean(5, classes=1, each=100)
    for factor, said in ((1.0, "UTC"), (1e9, "by the node's clock")):
        (found,) = changes(replace(one, time=one.time * factor))
        assert said in found.text


def test_columns_that_hardly_vary_give_p_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(40, 3)), random.normal(size=(30, 3))
    a[:, 1], b[:, 1] = 1.0, 1.0
    a[0, 1] += 1e-12
    b[:, 2] += 1
    found = greatest_shift(a, b)
    expected = stats.ttest_ind(a[:, 2], b[:, 2], equal_var=False).pvalue
    assert found[0] == 2
    assert found[2] == pytest.approx(1 - (1 - expected) ** 2, rel=1e-6)
    assert not recwarn.list


def test_many_versions_are_not_all_compared_with_each_other() -> None:
    counts = {f"{k:02x}": 20 + k for k in range(100)} | {"few": 19}
    chosen = pairs(counts)
    assert len(chosen) == COMPARED * (COMPARED - 1) // 2
    assert {name for pair in chosen for name in pair} == {f"{k:02x}" for k in range(88, 100)}
    assert pairs({"b": 30, "a": 40}) == [("b", "a")]


def test_nodes_of_two_fleets_that_are_called_the_same_are_two() -> None:
    def row(fleet: str, node: str) -> dict[str, Any]:
        said = {"id": 0, "sequence": 0, "time": 0.0, "target": 0, "score": 1.0, "conservation": None, "group": ""}
        return said | {"fleet": fleet, "node": node, "map": np.ones((2, 2)), "concepts": ()}

    one = gather("aa", [row("east", "n1"), row("west", "n1"), row("east", "n2"), row("east", "n1")])
    assert one.node.tolist() == ["east/n1", "west/n1", "n2", "east/n1"]


def test_a_cluster_that_is_a_node_says_so() -> None:
    """A dead camera makes a cluster, and so may its peers; a shortcut that all nodes see names none."""
    one = clean(7, classes=4, each=300, nodes=10)
    dead, first = one.node == "n3", np.zeros(len(one), int)
    sick = replace(
        one,
        maps=np.where(dead[:, None, None], one.maps[first], one.maps),
        concepts=np.where(dead[:, None], one.concepts[first], one.concepts),
        target=np.where(dead, 1, one.target),
        score=np.where(dead, 3.0, one.score),
    )
    found = {f.target: f for f in analysed([sick]) if f.kind == "shortcut"}
    assert "come from node n3, and nearly all of its frames are there: look at that node first." in found[1].text
    everywhere, _ = planted(one, 2, 0.2)
    found = {f.target: f for f in analysed([everywhere]) if f.kind == "shortcut"}
    assert "look at that node first" not in found[2].text


@pytest.mark.parametrize("same", ["score", "concepts", "maps", "everything"])
def test_what_never_varies_raises_no_alarm(same: str) -> None:
    """A saturated softmax says 1 each time: rounding must not make a difference of that."""
    one = clean(1, classes=4, each=100, nodes=6)
    parts = {"score": np.full(len(one), 0.3), "concepts": np.ones_like(one.concepts), "maps": np.ones_like(one.maps)}
    grouped = replace(one, group=np.array(["a", "b"])[np.arange(len(one)) % 2])
    still = replace(grouped, **(parts if same == "everything" else {same: parts[same]}))
    assert [f.text for f in analysed([still])] == []


def test_a_score_that_never_varies_hides_no_difference() -> None:
    one = replace(clean(2, classes=2, each=200, nodes=8), score=np.full(400, 1.0))
    group = np.array(["a", "b"])[np.arange(400) % 2]
    concepts = one.concepts.copy()
    concepts[np.ix_((group == "a") & (one.target == 1), [5])] *= 3
    found = biases(replace(one, group=group, concepts=concepts))
    assert [f.target for f in found if f.p < 1e-4] == [1]
    sick = one.node == "n3"
    turned = replace(one, maps=np.where(sick[:, None, None], np.rot90(one.maps, axes=(1, 2)), one.maps))
    assert [f.nodes for f in health(turned) if f.p < 1e-4] == [("n3",)]
