"""Nodes whose latency or conservation leaves their peers': found where planted, and nowhere else."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from findings import clean, frames_file

from edgexai.cli import main
from edgexai.fleet.analysis.analyse import RATE, judged
from edgexai.fleet.analysis.figures import LEAST_NODES, Latencies, leaving, slow, unconserved
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.findings import key, newest
from edgexai.fleet.latencies import latencies
from edgexai.fleet.store.store import Store
from edgexai.fleet.ways import otherwise
from edgexai.messaging.histogram import Histogram


def fleet(seed: int, nodes: int = 50, spread: float = 0.1, tails: float = 30.0) -> Latencies:
    """Nodes of a board that differ a little."""
    random = np.random.default_rng(seed)
    p50 = 40 * np.exp(spread * random.standard_t(tails, nodes))
    return Latencies("m", "nano", [f"n{i}" for i in range(nodes)], np.full(nodes, 200.0), p50, 1.3 * p50)


def slower(said: Latencies, node: int, times: float) -> Latencies:
    factor = np.where(np.arange(len(said.node)) == node, times, 1.0)
    return replace(said, p50=said.p50 * factor, p95=said.p95 * factor)


def shown(found: list[Finding]) -> list[Finding]:
    return judged(found, RATE, lambda f: f, False)


@pytest.mark.parametrize("times", [3.0, 1 / 3])
def test_one_slow_or_fast_node_among_fifty_is_found(times: float) -> None:
    said = fleet(1)
    (found,) = shown(slow(slower(said, 7, times)))
    assert (found.kind, found.nodes, found.figure, found.target) == ("health", ("n7",), "latency", None)
    assert found.severity == "high"
    assert found.effect > 5 if times > 1 else found.effect < -5
    ratio = said.p50[7] * times / np.median(np.delete(said.p50, 7))
    assert f"{ratio:.2g} times the" in found.text
    assert "load" in found.next


@pytest.mark.parametrize(("spread", "tails"), [(0.02, 30.0), (0.2, 30.0), (0.2, 5.0)])
def test_fleets_without_a_slow_node_hold_the_rate(spread: float, tails: float) -> None:
    alarms = sum(bool(shown(slow(fleet(seed, 40, spread, tails)))) for seed in range(60))
    assert alarms <= 11  # of 60 at a rate of a tenth: 6 expected, more than 11 in 1 %


def test_few_ill_nodes_do_not_hide_each_other() -> None:
    said = fleet(2)
    for node in (3, 4, 5):
        said = slower(said, node, 5.0)
    assert {f.nodes for f in shown(slow(said))} == {("n3",), ("n4",), ("n5",)}


def test_few_nodes_few_explanations_and_alike_nodes_accuse_nobody() -> None:
    assert slow(slower(fleet(3, LEAST_NODES - 1), 0, 9.0)) == []
    said = slower(fleet(3), 7, 9.0)
    assert shown(slow(replace(said, count=np.where(np.arange(50) == 7, 29.0, 200.0)))) == []
    alike = leaving(np.zeros(20), np.zeros(20), 0.1)
    assert (alike.p == 1).all()
    assert (alike.shift == 0).all()


def test_large_fleets_are_judged_as_small_ones() -> None:
    (found,) = shown(slow(slower(fleet(4, 1000), 7, 8.0)))
    assert found.nodes == ("n7",)


def test_conservation_that_leaves_the_peers_is_found_and_other_is_not() -> None:
    evidence = clean(5, classes=3, each=400, nodes=20)
    random = np.random.default_rng(6)
    usual = 0.9 + 0.2 * (evidence.target == 1) + random.normal(0, 0.05, len(evidence))
    assert shown(unconserved(replace(evidence, conservation=usual))) == []
    ill = replace(evidence, conservation=usual - 0.3 * (evidence.node == "n4"))
    (found,) = shown(unconserved(ill))
    assert (found.nodes, found.figure, found.frames) == (("n4",), "conservation", 60)
    assert "30% of the score less" in found.text
    assert unconserved(replace(evidence, conservation=np.full(len(evidence), np.nan))) == []


def notes(node: str, ms: float, board: str | None, received: float = 1.79e9, **other: object) -> list[tuple]:
    """What a node says of itself, as the store keeps it."""
    latency = Histogram()
    for value in ms * np.linspace(0.8, 1.2, 50):
        latency.add(value)
    status = {"boot": "b", "state": "online", "model": "00" * 8, "board": board} | other
    said = {"status": status, "metrics": {"boot": "b", "latency_ms": latency.message()}}
    return [("f", node, kind, received, json.dumps(what)) for kind, what in said.items()]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Twenty nodes of two boards, one twice as fast as the other; k3 is slow; two say nothing of their board."""
    place = tmp_path / "store"
    one = Store(place)
    said = [n for i in range(12) for n in notes(f"k{i}", 400.0 if i == 3 else 40.0, "nano")]
    said += [n for i in range(8) for n in notes(f"m{i}", 80.0, None, context={"device": "old"})]
    said += [n for i in range(2) for n in notes(f"x{i}", 900.0, None)]
    said += notes("gone", 900.0, "nano", 1.79e9 - 2 * 86400)
    one.journal.add([], (), said)
    one.close()
    return place


def test_peers_are_nodes_of_one_declared_device_that_are_still_there(store: Path) -> None:
    found = {one.device: list(one.node) for one in latencies(store)}
    assert found == {"nano": sorted(f"k{i}" for i in range(12)), "old": [f"m{i}" for i in range(8)]}


def test_a_node_that_was_heard_while_the_clock_was_wrong_hides_no_other(store: Path) -> None:
    one = Store(store)
    one.journal.add([], (), notes("future", 40.0, "nano", time.time() + 1e8))
    one.close()
    assert len(latencies(store)[0].node) == 13


@pytest.mark.parametrize(
    "latency",
    ['{"p50": "x"}', '{"p50": NaN, "count": 50, "p95": 1}', "7", '{"p50": 1e999, "p95": 1, "count": 50}', "null"],
)
def test_strange_figures_are_left_out(store: Path, latency: str) -> None:
    one = Store(store)
    one.journal.add([], (), [("f", "k5", "metrics", 1.79e9, f'{{"boot": "b", "latency_ms": {latency}}}')])
    one.journal.add([], (), [("f", "k6", "metrics", 1.79e9, '{"boot": "another", "latency_ms": {"p50": 1}}')])
    one.close()
    assert not {"k5", "k6"} & set(latencies(store)[0].node)
    assert len(latencies(store)[0].node) == 10


def test_a_slow_node_is_told_by_the_command_and_the_service(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = frames_file(store.parent / "some.npz")
    assert main(["fleet", "import", str(frames), "--store", str(store)]) == 0
    capsys.readouterr()
    assert main(["fleet", "analyse", "--store", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [f["nodes"] for f in found if f["kind"] == "health"] == [["k3"]]
    (told,) = [f for f in newest(store) if f["kind"] == "health"]
    assert told["id"] == f"health {'00' * 8} None k3 latency"
    assert told["places"] == ["f/k3"]
    assert main(["fleet", "analyse", "--store", str(store), "--until", "2030-01-01", "--json"]) == 0
    assert "latency" not in capsys.readouterr().out  # metrics are of now, and of no range


def test_a_node_that_explains_in_another_way_than_its_peers_is_not_called_ill(tmp_path: Path) -> None:
    one = Store(tmp_path)
    said = [n for i in range(5) for n in notes(f"k{i}", 40.0, None, composite="edge", target="predicted")]
    said += notes("x", 40.0, None, composite="epsilon", target=3)
    one.journal.add([], (), said)
    one.close()
    text = "Node {}: its explanations leave those of its peers (p < 0.0001); rotated: a turn."
    about = [
        Finding("health", "00" * 8, None, (node,), 99, 1e-9, 3.0, text.format(node), where="rotated: a turn")
        for node in ("k3", "x", "nobody")
    ]
    about.append(replace(about[1], figure="conservation", text="Node x: its maps hold less.", where="conservation"))
    about.append(replace(about[1], figure="latency", text="Node x: slow.", where="latency"))
    ill, other, unknown, conserved, slow_one = otherwise(tmp_path, about)
    assert (ill, unknown, slow_one) == (about[0], about[2], about[4])
    assert other.text.endswith("(p < 0.0001); it explains by epsilon (target 3), most of its peers by edge.")
    assert other.next == "Give the node the explainer that its peers run."
    assert key(other) == key(about[1])
    assert conserved.text.endswith("less. It explains by epsilon (target 3), most of its peers by edge.")


def test_a_decision_about_maps_is_none_about_latency() -> None:
    one = Finding("health", "m", None, ("n1",), 9, 0.1, 1.0, "")
    assert key(one) == "health m None n1"
    assert key(replace(one, figure="latency")) != key(replace(one, figure="conservation")) != key(one)
