"""Coupled channels and physical pruning, against the same network with its channels masked."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import NETWORKS, golden
from shared import ROOT, SHARED, needs_shared

import edgexai
from edgexai.board import load_board
from edgexai.compress.channels.coupling import couple, streams
from edgexai.compress.channels.labels import FROZEN
from edgexai.compress.measure.accuracy import accuracy
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.execute import forward
from edgexai.compress.measure.fidelity import correlation, heatmaps
from edgexai.compress.measure.limits import Budget
from edgexai.compress.measure.macs import total_macs
from edgexai.compress.prune.criteria import CRITERIA
from edgexai.compress.prune.criteria.relevance import shifts
from edgexai.compress.prune.joint import Balance
from edgexai.compress.prune.pruning import Choice, choose, prune
from edgexai.compress.prune.redundancy import Redundancy
from edgexai.compress.prune.shrink import shrink
from edgexai.compress.repair.least_squares import reconstruct, targets
from edgexai.compress.repair.repair import Repair
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Builder, Graph, OpKind


def samples_of(graph: Graph, n: int = 6) -> Any:
    return np.random.default_rng(3).normal(size=(n, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)


def silenced(graph: Graph, keep: Any) -> Graph:
    """The graph in its old size with weights and biases of zero where channels go: the twin of a pruned one."""
    coupling = couple(graph)
    tensors = list(graph.tensors)
    for op in graph.ops:
        line = coupling.lines.get(op.outputs[0])
        if line is None or len(op.inputs) < 3 or not graph.tensors[op.inputs[2]].is_constant:
            continue
        axis = 3 if op.kind == OpKind.DEPTHWISE_CONV_2D else 0
        for t, a in ((op.inputs[1], axis), (op.inputs[2], 0)):
            values = np.moveaxis(tensors[t].array.copy(), a, -1)
            values[..., ~keep[line.labels]] = 0
            data = np.ascontiguousarray(np.moveaxis(values, -1, a)).reshape(-1).view(np.uint8)
            tensors[t] = replace(tensors[t], data=data)
    return replace(graph, tensors=tuple(tensors))


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_pruned_network_computes_what_the_masked_one_does(name: str, seed: int) -> None:
    graph = edgexai.load(golden(name)[0])
    coupling = couple(graph)
    keep = np.random.default_rng(seed).random(coupling.size) < 0.6
    keep[FROZEN] = True
    for group in coupling.groups:
        keep[group.labels[0]] = True
    x = samples_of(graph)
    ours = forward(shrink(graph, coupling, keep), x)[0]
    np.testing.assert_allclose(ours, forward(silenced(graph, keep), x)[0], rtol=1e-4, atol=1e-5)


def test_residual_channels_are_coupled() -> None:
    graph = edgexai.load(golden("resnet")[0])
    coupling = couple(graph)
    first, _, third, addition = (coupling.lines[op.outputs[0]].labels for op in graph.ops[:4])
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(first, addition)
    assert [len(g.labels) for g in coupling.groups] == [8, 8]


def test_a_residual_stream_is_found_and_kept_before_a_refit() -> None:
    graph = edgexai.load(golden("resnet")[0])
    coupling, x = couple(graph), samples_of(graph, 40)
    stream = streams(graph, coupling)
    total = next(op.outputs[0] for op in graph.ops if op.kind == OpKind.ADD)
    assert set(coupling.lines[total].labels) <= set(stream)
    assert len(stream) < sum(len(group.labels) for group in coupling.groups)
    assert not len(streams(edgexai.load(golden("cnn")[0]), couple(edgexai.load(golden("cnn")[0]))))
    redundancy = Redundancy(coupling, {})
    stay, _ = choose(graph, coupling, edgexai.profile_relevance(graph, x), 0.8, Choice(), redundancy)
    assert stay[stream].all()
    assert not stay.all()


def test_relevance_for_and_against_a_class_cancels() -> None:
    balance = Balance(np.array([[3.0, 4.0], [-3.0, -4.0], [0.0, 2.0]]))
    np.testing.assert_allclose(balance.more() * np.sqrt(2), [5, 5, 2])
    balance.drop(np.array([0]))
    np.testing.assert_allclose(balance.more() * np.sqrt(2), [5, -5, np.sqrt(45) - 5])


@pytest.mark.parametrize("name", ["dscnn", "resnet"])
def test_no_channel_is_worth_less_than_nothing(name: str) -> None:
    graph = edgexai.load(golden(name)[0])
    coupling, profile = couple(graph), edgexai.profile_relevance(graph, samples_of(graph, 12))
    scores, balance = CRITERIA["relevance"](graph, coupling, profile), Balance(shifts(coupling, profile))
    for label in np.random.default_rng(0).permutation(np.flatnonzero(np.isfinite(scores))):
        worth = scores + balance.more()
        assert worth.min() >= -1e-6 * scores[np.isfinite(scores)].max()
        balance.drop(np.array([label]))


def test_inputs_and_outputs_are_frozen() -> None:
    for name in NETWORKS:
        graph = edgexai.load(golden(name)[0])
        lines = couple(graph).lines
        assert not {*graph.inputs, *graph.outputs} & set(lines)


def test_channels_of_a_concatenation_go_one_by_one() -> None:
    random = np.random.default_rng(0)
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 6, 6, 2))

    def conv(t: int, out: int) -> int:
        kernel = random.normal(size=(out, 3, 3, build.shape(t)[3])).astype(np.float32)
        return build.conv(t, build.const(kernel), build.const(random.normal(size=out).astype(np.float32)))

    joined = build.concat([conv(x, 3), conv(x, 4)], 3)
    shifted = build.add(joined, build.const(random.normal(size=(1, 1, 1, 7)).astype(np.float32)))
    graph = build.finish([conv(build.pad(shifted, [(0, 0), (1, 1), (1, 1), (0, 0)]), 2)])
    coupling = couple(graph)
    assert sorted(len(g.labels) for g in coupling.groups) == [3, 4]
    keep = np.ones(coupling.size, bool)
    keep[[coupling.groups[0].labels[1], coupling.groups[1].labels[2]]] = False
    small = shrink(graph, coupling, keep)
    assert [small.tensors[t].shape[-1] for t in (small.ops[0].outputs[0], small.ops[2].outputs[0])] == [2, 5]
    assert forward(small, samples_of(graph))[0].shape == (6, 6 + 2, 6 + 2, 2)


def test_an_operator_without_a_row_freezes_what_it_touches() -> None:
    graph = edgexai.load(golden("cnn")[0])
    pooled = next(i for i, op in enumerate(graph.ops) if op.kind == OpKind.MAX_POOL_2D)
    ops = list(graph.ops)
    ops[pooled] = replace(ops[pooled], kind=OpKind.L2_POOL_2D)
    assert len(couple(replace(graph, ops=tuple(ops))).groups) == len(couple(graph).groups) - 1


@pytest.mark.parametrize("name", NETWORKS)
def test_budget_of_macs_is_kept(name: str) -> None:
    graph = edgexai.load(golden(name)[0])
    profile = edgexai.profile_relevance(graph, samples_of(graph))
    for keep in (0.8, 0.5):
        small = prune(graph, profile, keep, repair="bias")
        assert total_macs(small) <= keep * total_macs(graph)
        assert [small.tensors[t].shape for t in small.outputs] == [graph.tensors[t].shape for t in graph.outputs]


def test_energy_budget_counts_a_boards_energy() -> None:
    graph = edgexai.load(golden("dscnn")[0])
    profile = edgexai.profile_relevance(graph, samples_of(graph))
    small = prune(graph, profile, Budget(energy=0.6, board="nucleo_u575zi_q"), repair="bias")
    before, after = (cost(g, "nucleo_u575zi_q").energy_uj for g in (graph, small))
    assert after is not None
    assert before is not None
    assert after <= 0.6 * before * (1 + 1e-9)


def test_latency_budget_counts_a_boards_time_and_keeps_whole_lanes(tmp_path: Path) -> None:
    graph = edgexai.load(golden("dscnn")[0])
    profile = edgexai.profile_relevance(graph, samples_of(graph))
    without_power = (ROOT / "firmware_profiles/nrf5340_dk.toml").read_text()
    (tmp_path / "wide.toml").write_text("lanes = 4\n" + without_power)
    board = str(tmp_path / "wide.toml")
    small = prune(graph, profile, Budget(latency=0.7, board=board), repair="bias")
    before, after = (cost(g, load_board(board)).latency_ms for g in (graph, small))
    assert after is not None
    assert before is not None
    assert after <= 0.7 * before * (1 + 1e-9)
    assert all(len(group.labels) % 4 == 0 for group in couple(small).groups)
    with pytest.raises(ConfigError, match="nobody has published the power"):
        prune(graph, profile, Budget(energy=0.7, board=board), repair="bias")


def test_channels_without_relevance_go_first() -> None:
    graph = edgexai.load(golden("mlp")[0])
    tensors = list(graph.tensors)
    kernel = tensors[graph.ops[1].inputs[1]]
    dead = kernel.array.copy()
    dead[:, 5:12] = 0  # nobody reads these hidden units
    tensors[graph.ops[1].inputs[1]] = replace(kernel, data=dead.reshape(-1).view(np.uint8))
    graph = replace(graph, tensors=tuple(tensors))
    x = samples_of(graph)
    small = prune(graph, edgexai.profile_relevance(graph, x), 0.86, repair="bias")
    np.testing.assert_allclose(forward(small, x)[0], forward(graph, x)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("criterion", sorted(CRITERIA))
def test_every_criterion_meets_the_budget(criterion: str) -> None:
    graph = edgexai.load(golden("bottleneck")[0])
    profile = edgexai.profile_relevance(graph, samples_of(graph))
    small = prune(graph, profile, 0.7, criterion=criterion, repair="bias")
    assert 0.3 * total_macs(graph) < total_macs(small) <= 0.7 * total_macs(graph)


@pytest.mark.parametrize("name", NETWORKS)
def test_least_squares_comes_nearer_to_the_whole_network_than_bias_alone(name: str) -> None:
    graph = edgexai.load(golden(name)[0])
    x = samples_of(graph, 60)
    profile = edgexai.profile_relevance(graph, x)
    wanted = forward(graph, x)[0]
    fitted, plain = (
        np.mean((forward(prune(graph, profile, 0.75, samples=x, repair=Repair(r, 1)), x)[0] - wanted) ** 2)
        for r in ("least_squares", "bias")
    )
    assert fitted < plain


def test_least_squares_restores_what_only_duplicates_lost() -> None:
    graph = edgexai.load(golden("mlp")[0])
    tensors = list(graph.tensors)
    first = graph.ops[0]
    for t in first.inputs[1:3]:  # every hidden unit of the second half repeats one of the first
        values = tensors[t].array.copy()
        values[16:] = values[:16]
        tensors[t] = replace(tensors[t], data=values.reshape(-1).view(np.uint8))
    graph = replace(graph, tensors=tuple(tensors))
    x = samples_of(graph, 400)
    wanted = targets(graph, x)
    coupling = couple(graph)
    keep = np.ones(coupling.size, bool)
    keep[coupling.lines[first.outputs[0]].labels[16:]] = False
    kept = {0: np.arange(16)}
    small = reconstruct(shrink(graph, coupling, keep), x, wanted, kept)
    np.testing.assert_allclose(forward(small, x)[0], forward(graph, x)[0], atol=5e-2)


def test_channels_stay_in_multiples() -> None:
    graph = edgexai.load(golden("dscnn")[0])
    small = prune(graph, edgexai.profile_relevance(graph, samples_of(graph)), 0.6, multiple=4, repair="bias")
    before, after = (sorted({len(g.labels) for g in couple(g_).groups}) for g_ in (graph, small))
    assert all(n % 4 == 0 for n in after)
    assert after != before


def test_of_two_equal_channels_one_goes_and_one_stays() -> None:
    graph = edgexai.load(golden("mlp")[0])
    coupling = couple(graph)
    tensor = graph.ops[0].outputs[0]
    labels = coupling.lines[tensor].labels
    values = np.random.default_rng(0).normal(size=(500, len(labels))).astype(np.float32)
    values[:, 7] = values[:, 3]
    redundancy = Redundancy(coupling, {tensor: values})
    assert (
        max(redundancy.unexplained()[labels[[3, 7]]]) < 0.1 < min(np.delete(redundancy.unexplained()[labels], [3, 7]))
    )
    redundancy.drop(labels[[3]])
    assert redundancy.unexplained()[labels[7]] > 0.8


def test_explanations_are_held() -> None:
    graph = edgexai.load(golden("dscnn")[0])
    x = samples_of(graph, 40)
    profile = edgexai.profile_relevance(graph, x)
    wanted = heatmaps(graph, x)

    def similar(budget: Budget) -> float:
        return correlation(wanted, heatmaps(prune(graph, profile, budget, x, repair="bias"), x))

    free = similar(Budget(macs=0.3))
    held = 0.5 * (free + 1)
    assert free < held <= similar(Budget(macs=0.3, explanations=held))
    assert similar(Budget(macs=0.3, explanations=0.9 * free)) == free
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Budget(macs=0.3, explanations=1.5)
    with pytest.raises(ConfigError, match="give samples"):
        prune(graph, profile, Budget(macs=0.3, explanations=0.9), repair="bias")


def test_wrong_budgets_and_profiles_are_refused() -> None:
    graph, other = (edgexai.load(golden(n)[0]) for n in ("mlp", "cnn"))
    profile = edgexai.profile_relevance(graph, samples_of(graph))
    with pytest.raises(DataError, match="another model"):
        prune(other, profile, 0.5, repair="bias")
    with pytest.raises(ConfigError, match="above 0"):
        prune(graph, profile, -0.5)
    with pytest.raises(ConfigError, match="the budget is empty"):
        Budget()
    with pytest.raises(ConfigError, match="prune holds one of macs, energy and latency"):
        prune(graph, profile, Budget(ram="64K"), repair="bias")
    with pytest.raises(ConfigError, match="give samples"):
        prune(graph, profile, 0.5)
    with pytest.raises(DataError, match=r"a model is a Graph or the path of a \.tflite file, not 7"):
        prune(7, profile, 0.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be pruned to 1%"):
        prune(graph, profile, 0.01, repair="bias")


@needs_shared
def test_int8_survivors_keep_their_bits_and_relevance_beats_chance() -> None:
    graph = edgexai.load(SHARED / "models/kws_int8.tflite")
    with np.load(SHARED / "data/kws01.npz") as data:
        x, y = data["x"][..., None], data["y"]
    profile = edgexai.profile_relevance(graph, x[:120])
    bare = prune(graph, profile, 0.7, repair="none")
    before, after = ({k.tobytes() for k in g.tensors[g.ops[7].inputs[1]].array.reshape(9, -1).T} for g in (graph, bare))
    assert after < before  # depthwise kernels, one a channel
    assert accuracy(bare, x[400:], y[400:]) > 0.8
    chance = prune(graph, profile, 0.7, repair="none", criterion="random")
    assert accuracy(chance, x[400:], y[400:]) < 0.7
    bare, folded, fitted = (
        accuracy(prune(graph, profile, 0.5, samples=x[:120], repair=Repair(r, 2)), x[400:], y[400:])
        for r in ("none", "bias", "least_squares")
    )
    assert bare < folded < fitted
    assert fitted > 0.8
