"""What pruning makes is loaded by the runtime, whatever stands between layers; dead channels go and move nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st
from models import run
from shared import SHARED, needs_shared

import edgexai
from edgexai.cli import main
from edgexai.compress.channels.coupling import Coupling, couple
from edgexai.compress.channels.labels import FROZEN
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.execute import forward
from edgexai.compress.prune import pruning
from edgexai.compress.prune.dead_groups import without_dead_groups
from edgexai.compress.prune.pruning import prune
from edgexai.compress.prune.shrink import shrink
from edgexai.compress.repair.bias import fold_means
from edgexai.errors import ModelError
from edgexai.graph import Builder, Graph, OpKind
from edgexai.graph.ir import DType

MODELS = SHARED / "cases" / "models"
STEPS = (
    "conv",
    "shuffle",
    "concat",
    "residual",
    "depthwise",
    "multiplied",
    "single",
    "grouped",
    "narrow",
    "transposed",
)


class Network:
    """A random network in which half of the channels of every convolution are dead: weights and bias are zero."""

    def __init__(self, seed: int, dead: bool = True) -> None:
        self.random, self.dead = np.random.default_rng(seed), dead
        self.build = Builder(Graph((), (), (), ()), prefix="model")
        self.planted: list[tuple[int, Any]] = []
        self.x = self.build.input("x", (1, 6, 6, 1))

    def conv(self, x: int, out: int, dead: bool = True) -> int:
        kernel = self.random.normal(size=(out, 3, 3, self.build.shape(x)[3])).astype(np.float32) / 3
        bias = self.random.normal(size=out).astype(np.float32)
        gone = self.random.permutation(out) < out // 2 if dead and self.dead else np.zeros(out, bool)
        kernel[gone], bias[gone] = 0, 0
        y = self.build.conv(x, self.build.const(kernel), self.build.const(bias), activation="RELU")
        if dead:
            self.planted.append((y, gone))
        return y

    def depthwise(self, x: int, multiplier: int) -> int:
        out = self.build.shape(x)[3] * multiplier
        kernel = self.random.normal(size=(1, 3, 3, out)).astype(np.float32)
        bias = np.zeros(out, np.float32)
        return self.build.depthwise(x, self.build.const(kernel), self.build.const(bias), activation="RELU")

    def grouped(self, x: int, groups: int) -> int:
        """Dead channels at the same places of every group; where a group has one channel, whole groups."""
        ins, outs = self.build.shape(x)[3] // groups, 2
        kernel = self.random.normal(size=(groups * outs, 3, 3, ins)).astype(np.float32)
        bias = self.random.normal(size=groups * outs).astype(np.float32)
        gone = np.tile([False, True], groups) & self.dead if ins > 1 else np.zeros(groups * outs, bool)
        kernel[gone], bias[gone] = 0, 0
        if ins == 1:
            bias[:] = 0
        y = self.build.conv(x, self.build.const(kernel), self.build.const(bias), activation="RELU")
        self.planted.append((y, gone))
        return y

    def transposed(self, x: int) -> int:
        n, h, w, c = self.build.shape(x)
        kernel = self.random.normal(size=(8, 3, 3, c)).astype(np.float32) / 3
        gone = (self.random.permutation(8) < 4) & self.dead
        kernel[gone] = 0
        y = self.build.relu(self.build.transpose_conv(x, self.build.const(kernel), (n, h, w, 8), (1, 1), "SAME"))
        self.planted.append((y, gone))
        return y

    def shuffle(self, x: int, groups: int = 2) -> int:
        n, h, w, c = self.build.shape(x)
        y = self.build.transpose(self.build.reshape(x, (n, h, w, groups, c // groups)), (0, 1, 2, 4, 3))
        return self.build.reshape(y, (n, h, w, c))

    def step(self, name: str, x: int) -> int:
        match name:
            case "shuffle":
                return self.shuffle(x)
            case "concat":
                return self.shuffle(self.build.concat([x, self.conv(x, self.build.shape(x)[3])], 3))
            case "residual":
                return self.build.add(x, self.conv(x, self.build.shape(x)[3]))
            case "depthwise":
                return self.depthwise(x, 1)
            case "multiplied":
                return self.depthwise(x, 2)
            case "grouped":
                return self.grouped(x, self.build.shape(x)[3] // 2)
            case "narrow":
                return self.grouped(x, self.build.shape(x)[3])
            case "transposed":
                return self.transposed(x)
            case "single":
                return self.depthwise(self.conv(x, 1, dead=False), 4)
        return self.conv(x, 8)

    def finish(self, x: int) -> Graph:
        mean = self.build.sum(self.conv(x, 4), (1, 2))
        kernel = self.build.const(self.random.normal(size=(3, 4)).astype(np.float32))
        return self.build.finish([self.build.dense(mean, kernel, self.build.const(np.zeros(3, np.float32)))])


def network(seed: int, steps: list[str]) -> tuple[Graph, list[tuple[int, Any]]]:
    net = Network(seed)
    x = net.conv(net.x, 8)
    for name in steps:
        x = net.step(name, x)
    return net.finish(x), net.planted


def samples(n: int = 12) -> Any:
    return np.random.default_rng(3).normal(size=(n, 6, 6, 1)).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.lists(st.sampled_from(STEPS), max_size=4))
def test_dead_channels_go_and_move_nothing(seed: int, steps: list[str]) -> None:
    graph, planted = network(seed, steps)
    coupling, x = couple(graph), samples(4)
    keep = ~silent(graph, coupling, x)
    small = shrink(graph, coupling, keep)
    np.testing.assert_allclose(forward(small, x)[0], forward(graph, x)[0], rtol=1e-4, atol=1e-4)
    assert set(steps) - {"conv", "depthwise", "multiplied"} or all(
        not keep[coupling.lines[y].labels[gone]].any() for y, gone in planted
    )
    assert keep.all() or cost(small).macs < cost(graph).macs


def silent(graph: Graph, coupling: Coupling, x: Any) -> Any:
    """The labels whose channels are zero wherever they lie, on samples x; one of every group stays."""
    dead = np.ones(coupling.size, bool)
    tensors = sorted(coupling.lines)
    for t, values in zip(tensors, forward(graph, x, tensors), strict=True):
        line = coupling.lines[t]
        is_used = np.any(np.moveaxis(values, line.axis, 0).reshape(len(line.labels), -1) != 0, axis=1)
        dead[line.labels[is_used]] = False
    dead[FROZEN] = False
    for group in coupling.groups:
        if dead[group.labels].all():
            dead[group.labels[0]] = False
    return dead


@pytest.mark.parametrize("name", STEPS)
def test_a_model_of_each_kind_loses_dead_channels_first(name: str) -> None:
    graph, _ = network(1, [name])
    x = samples()
    small = prune(graph, edgexai.profile_relevance(graph, x), 0.9, repair="none")
    assert cost(small).macs <= 0.9 * cost(graph).macs
    np.testing.assert_allclose(forward(small, x)[0], forward(graph, x)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["shuffle", "concat", "single"])
def test_repair_knows_channels_that_lie_along_another_axis(name: str) -> None:
    graph, _ = network(1, [name])
    small = prune(graph, edgexai.profile_relevance(graph, samples()), 0.8, samples())
    assert cost(small).macs <= 0.8 * cost(graph).macs
    assert np.isfinite(run(small, samples()[:1])[0]).all()


def test_a_repaired_float_model_holds_no_weights_twice() -> None:
    graph, _ = network(1, ["conv"])
    small = prune(graph, edgexai.profile_relevance(graph, samples()), 0.8, samples())
    used = {t for op in small.ops for t in (*op.inputs, *op.outputs)} | {*small.inputs, *small.outputs}
    assert used - {-1} == set(range(len(small.tensors)))


def test_depthwise_of_one_channel_loses_outputs_one_by_one() -> None:
    net = Network(0)
    graph = net.finish(net.depthwise(net.x, 8))
    coupling = couple(graph)
    keep = np.ones(coupling.size, bool)
    keep[coupling.line_of(graph.ops[0]).labels[::2]] = False  # type: ignore[union-attr]
    small = shrink(graph, coupling, keep)
    assert small.ops[0].options.depthMultiplier == 4
    assert run(small, samples()[:1])[0].shape == (1, 3)


def shufflenet(dead: bool = True) -> Graph:
    """Three units of ShuffleNet V2: half of the channels pass a bottleneck, then all are shuffled."""
    net = Network(4, dead)
    b, random = net.build, net.random

    def layer(x: int, out: int, gone: int = 0, size: int = 1, act: str = "RELU", stride: int = 1) -> int:
        kernel = random.normal(size=(out, size, size, b.shape(x)[3])).astype(np.float32)
        bias = random.normal(size=out).astype(np.float32)
        if gone:
            kernel[-gone:], bias[-gone:] = 0, 0
        return b.conv(x, b.const(kernel), b.const(bias), (stride, stride), activation=act)  # type: ignore[arg-type]

    x = layer(net.x, 16, size=3)
    for _ in range(3):
        n, h, w, c = b.shape(x)
        left, right = (b.slice(x, (0, 0, 0, start), (n, h, w, c // 2)) for start in (0, c // 2))
        right = layer(net.depthwise(layer(right, 8, gone=4), 1), 8)
        x = net.shuffle(b.concat([left, right], 3))
    mean = b.sum(layer(x, 24, gone=12), (1, 2))
    kernel = b.const(random.normal(size=(5, 24)).astype(np.float32))
    return b.finish([b.dense(mean, kernel, b.const(np.zeros(5, np.float32)))])


def test_a_shufflenet_loses_dead_channels_first_and_moves_only_beyond_them() -> None:
    graph, x = shufflenet(), samples()
    coupling = couple(graph)
    lowest = cost(shrink(graph, coupling, ~silent(graph, coupling, x))).macs / cost(graph).macs
    assert lowest < 0.75
    profile, wanted = edgexai.profile_relevance(graph, x), forward(graph, x)[0]
    np.testing.assert_allclose(forward(prune(graph, profile, lowest + 0.01, repair="none"), x)[0], wanted, rtol=1e-4)
    less = forward(prune(graph, profile, lowest - 0.1, repair="none"), x)[0]  # channels that live have to go
    assert np.abs(less - wanted).max() > 1e-3 * np.abs(wanted).max()


def in_groups(net: Network, x: int, groups: int, outs: int, dead: tuple[int, ...]) -> int:
    """A convolution of which some groups are dead: weights and bias are zero."""
    b, random = net.build, net.random
    kernel = random.normal(size=(groups * outs, 3, 3, b.shape(x)[3] // groups)).astype(np.float32) / 3
    bias = random.normal(size=groups * outs).astype(np.float32)
    for group in dead:
        kernel[group * outs : (group + 1) * outs], bias[group * outs : (group + 1) * outs] = 0, 0
    return b.conv(x, b.const(kernel), b.const(bias), activation="RELU")


@pytest.mark.parametrize("repair", ["none", "bias", "least_squares"])
@pytest.mark.parametrize("chain", [1, 2])
def test_dead_groups_of_several_channels_go_whole_and_move_nothing(chain: int, repair: str) -> None:
    net = Network(6, dead=False)
    y = net.conv(net.x, 16)
    for outs in (3, 6)[:chain]:
        y = in_groups(net, y, 4, outs, (1, 3))
    graph, x = net.finish(y), samples()
    profile, wanted = edgexai.profile_relevance(graph, x), forward(graph, x)[0]
    lowest = cost(without_dead_groups(graph, profile)[0])
    assert [graph.tensors[op.inputs[1]].shape[0] for op in graph.ops[: 1 + chain]] == [16, 12, 24][: 1 + chain]
    small = prune(graph, profile, (lowest.macs + 1) / cost(graph).macs, x, repair=repair)
    assert [small.tensors[op.inputs[1]].shape[0] for op in small.ops[: 1 + chain]] == [8, 6, 12][: 1 + chain]
    np.testing.assert_allclose(forward(small, x)[0], wanted, rtol=1e-4, atol=1e-4)
    less = prune(graph, profile, 0.8 * lowest.macs / cost(graph).macs, x, repair=repair)
    assert cost(less).macs <= 0.8 * lowest.macs


def test_a_dead_group_that_is_read_beside_its_convolution_stays() -> None:
    net = Network(6, dead=False)
    y = net.conv(net.x, 8)
    graph = net.finish(net.build.add(y, in_groups(net, y, 2, 4, (1,))))
    assert without_dead_groups(graph, edgexai.profile_relevance(graph, samples()))[0] is graph


@pytest.mark.parametrize("name", ["grouped", "transposed"])
def test_means_of_what_goes_stay_in_what_is_left(name: str) -> None:
    net = Network(2, dead=False)
    b, random, read = net.build, net.random, net.conv(net.x, 8)
    bias = b.const(random.normal(size=4).astype(np.float32))
    if name == "grouped":
        y = b.conv(read, b.const(random.normal(size=(4, 1, 1, 4)).astype(np.float32)), bias)
    else:
        y = b.transpose_conv(
            read, b.const(random.normal(size=(4, 2, 2, 8)).astype(np.float32)), (1, 12, 12, 4), (2, 2), "SAME"
        )
        b.ops[-1] = replace(b.ops[-1], inputs=(*b.ops[-1].inputs, bias), version=3)
    graph, x = b.finish([y]), samples(40)
    coupling = couple(graph)
    keep = np.ones(coupling.size, bool)
    keep[coupling.reads[len(graph.ops) - 1][::2]] = False
    means = {read: forward(graph, x, [read])[0].mean(axis=(0, 1, 2), dtype=np.float64)}
    wanted, folded, cut = (
        forward(shrink(g, coupling, k), x)[0].mean(axis=(0, 1, 2))
        for g, k in ((graph, np.ones_like(keep)), (fold_means(graph, coupling, keep, means), keep), (graph, keep))
    )
    np.testing.assert_allclose(folded, wanted, rtol=1e-3, atol=1e-3)
    assert np.abs(cut - wanted).max() > 0.1


@pytest.mark.parametrize("name", ["grouped", "transposed"])
def test_repair_passes_by_layers_that_it_cannot_fit(name: str) -> None:
    graph, _ = network(1, [name])
    small = prune(graph, edgexai.profile_relevance(graph, samples()), 0.7, samples())
    assert cost(small).macs <= 0.7 * cost(graph).macs


def test_what_indices_are_made_of_stays_whole() -> None:
    net = Network(0)
    x = net.conv(net.x, 8)
    chosen = net.build.argmax(x)
    graph = net.build.finish([chosen])
    assert not couple(graph).lines


def test_what_no_runtime_loads_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, _ = network(1, ["conv"])
    profile = edgexai.profile_relevance(graph, samples())
    monkeypatch.setattr(pruning, "shrink", lambda *_: _broken(graph))
    with pytest.raises(ModelError, match="the runtime cannot load"):
        prune(graph, profile, 0.9, repair="none")


def _broken(graph: Graph) -> Graph:
    """A kernel that reads channels that its map does not have."""
    build = Builder(Graph((), (), (), ()), prefix="broken")
    x = build.input("x", graph.tensors[graph.inputs[0]].shape)
    kernel, bias = build.const(np.ones((2, 1, 1, 3), np.float32)), build.const(np.zeros(2, np.float32))
    return build.finish([build.op(OpKind.CONV_2D, [x, kernel, bias], (1, 6, 6, 2), schema.Conv2DOptionsT(0, 1, 1))])


def _arrays(tmp_path: Path, model: Path, scale: float) -> str:
    graph = edgexai.load(model)
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).uniform(0, scale, (16, *shape)).astype(np.float32))
    return str(tmp_path / "x.npz")


@needs_shared
def test_a_streaming_model_is_costed_and_pruned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = MODELS / "wake_word_streaming.tflite", tmp_path / "small.tflite"
    data = _arrays(tmp_path, model, 26)
    assert main(["cost", str(model)]) == 0
    assert main(["cost", str(model), "--board", "nucleo_l4r5zi"]) == 0
    assert main(["prune", str(model), "-o", str(out), "--data", data, "--keep", "0.7", "--repair", "bias"]) == 0
    assert cost(edgexai.load(out)).macs <= 0.7 * cost(edgexai.load(model)).macs
    out.unlink()
    assert main(["prune", str(model), "-o", str(out), "--data", data, "--keep", "0.7"]) == 1
    assert "--repair bias" in capsys.readouterr().err
    assert not out.exists()


@needs_shared
def test_integers_between_float_ports_stay_integers(tmp_path: Path) -> None:
    model, out = MODELS / "anomaly_detection.tflite", tmp_path / "small.tflite"
    data = _arrays(tmp_path, model, 1)
    assert main(["prune", str(model), "-o", str(out), "--data", data, "--keep", "0.7"]) == 0
    small = edgexai.load(out)
    assert [small.tensors[t].dtype for t in (*small.inputs, *small.outputs)] == [DType.FLOAT32] * 2
    assert out.stat().st_size < 0.75 * model.stat().st_size
