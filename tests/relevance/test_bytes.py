"""What an explainer costs in bytes: weights of 8 bits stay so, and nothing grows with the square of an axis."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import run, single
from sequence_lstm import FEATURES, UNITS, sequence_lstm
from shared import SHARED, needs_shared

import edgexai
from edgexai.errors import ConfigError
from edgexai.graph import Builder, DType, Graph, OpKind, Quantization, Tensor, serialize
from edgexai.relevance.targets import onehot

RANDOM = np.random.default_rng(0)


def dense_end(build: Builder, x: int) -> int:
    flat = build.reshape(x, (1, int(np.prod(build.shape(x)))))
    w = np.random.default_rng(1).normal(size=(3, build.shape(flat)[1])).astype(np.float32)
    return build.dense(flat, build.const(w))


def moved(kind: OpKind, n: int) -> Callable[[Builder, int], int]:
    """One move along an axis of n."""

    def layer(build: Builder, x: int) -> int:
        if kind == OpKind.REVERSE_V2:
            return dense_end(build, build.op(kind, [x, build.const([1])], (1, n, 2), schema.ReverseV2OptionsT()))
        if kind == OpKind.MIRROR_PAD:
            amounts = build.const(np.array([[0, 0], [5, 7], [0, 0]], np.int32))
            return dense_end(build, build.op(kind, [x, amounts], (1, n + 12, 2), schema.MirrorPadOptionsT(mode=0)))
        if kind == OpKind.STRIDED_SLICE:
            bounds = [build.const(v) for v in ([0, 1, 0], [1, n, 2], [1, 3, 1])]
            count = len(range(1, n, 3))
            return dense_end(build, build.op(kind, [x, *bounds], (1, count, 2), schema.StridedSliceOptionsT()))
        picks = np.random.default_rng(2).integers(0, n, n // 2).astype(np.int32)
        picked = build.op(kind, [x, build.const(picks)], (1, n // 2, 2), schema.GatherOptionsT(axis=1))
        return dense_end(build, picked)

    return layer


MOVES = (OpKind.REVERSE_V2, OpKind.MIRROR_PAD, OpKind.STRIDED_SLICE, OpKind.GATHER)


@pytest.mark.parametrize("n", [40, 400])  # as a matrix, and row by row
@pytest.mark.parametrize("kind", MOVES, ids=lambda k: k.name)
def test_a_move_goes_back_where_it_came_from(kind: OpKind, n: int) -> None:
    graph = single((1, n, 2), moved(kind, n))
    x = RANDOM.normal(size=(1, n, 2)).astype(np.float32)
    logits, relevance, target, _ = run(edgexai.attach(graph, "epsilon(1e-9)", channels="keep"), x)
    # the gradient of a linear model, by its columns
    probe = np.zeros((1, n, 2), np.float32)
    for place in RANDOM.integers(0, 2 * n, 8):
        probe[:] = 0
        probe.reshape(-1)[place] = 1
        gradient = run(graph, probe)[0][0, target[0]]
        assert relevance.reshape(-1)[place] == pytest.approx(gradient * x.reshape(-1)[place], rel=2e-3, abs=1e-4)
    assert relevance.sum() == pytest.approx(logits[0, target[0]], rel=1e-3)


@pytest.mark.parametrize("kind", MOVES, ids=lambda k: k.name)
def test_moves_cost_bytes_in_proportion(kind: OpKind) -> None:
    added = []
    for n in (1000, 4000):
        graph = single((1, n, 2), moved(kind, n))
        added.append(len(serialize(edgexai.attach(graph, "epsilon"))) / len(serialize(graph)))
    assert added[1] <= added[0] * 1.05


@pytest.mark.parametrize("kind", [OpKind.RESIZE_BILINEAR, OpKind.RESIZE_NEAREST_NEIGHBOR], ids=lambda k: k.name)
@pytest.mark.parametrize("size", [8, 60])
@pytest.mark.parametrize("half", [False, True])
def test_a_resized_map_goes_back_by_its_shares(kind: OpKind, size: int, half: bool) -> None:
    options = (
        schema.ResizeBilinearOptionsT(halfPixelCenters=half)
        if kind == OpKind.RESIZE_BILINEAR
        else schema.ResizeNearestNeighborOptionsT(halfPixelCenters=half)
    )

    def layer(build: Builder, x: int) -> int:
        target = build.const([3 * size, 2 * size])
        return dense_end(build, build.op(kind, [x, target], (1, 3 * size, 2 * size, 2), options, 3))

    graph = single((1, size, size, 2), layer)
    x = RANDOM.uniform(0.5, 1, (1, size, size, 2)).astype(np.float32)
    logits, relevance, target, _ = run(edgexai.attach(graph, "epsilon(1e-9)", channels="keep"), x)
    probe = np.zeros_like(x)
    for place in RANDOM.integers(0, x.size, 5):
        probe[:] = 0
        probe.reshape(-1)[place] = 1
        gradient = run(graph, probe)[0][0, target[0]]
        assert relevance.reshape(-1)[place] == pytest.approx(gradient * x.reshape(-1)[place], rel=2e-3, abs=1e-4)
    assert relevance.sum() == pytest.approx(logits[0, target[0]], rel=2e-3)


def uint8_layer(zero: int) -> tuple[Graph, Any, Any]:
    """A convolution whose weights are uint8 with a zero point, and its real weights."""
    q = RANDOM.integers(0, 256, (16, 3, 3, 8)).astype(np.uint8)
    q.reshape(-1)[:2] = 0, 255
    quantization = Quantization(np.array([0.01], np.float32), np.array([zero], np.int64))

    def layer(build: Builder, x: int) -> int:
        build.tensors.append(Tensor("w", q.shape, DType.UINT8, q.reshape(-1).view(np.uint8), quantization))
        w = build.op(OpKind.DEQUANTIZE, [len(build.tensors) - 1], q.shape, schema.DequantizeOptionsT())
        y = build.conv(x, w, build.const(np.zeros(16, np.float32)), padding="VALID")
        return dense_end(build, y)

    return single((1, 6, 6, 8), layer), q, (q.astype(np.float32) - zero) * np.float32(0.01)


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "gamma(0.25)"])
@pytest.mark.parametrize("zero", [0, 113, 255])
def test_uint8_weights_with_a_zero_point_are_what_they_stand_for(zero: int, composite: str) -> None:
    graph, _, real = uint8_layer(zero)

    def layer(build: Builder, x: int) -> int:
        y = build.conv(x, build.const(real), build.const(np.zeros(16, np.float32)), padding="VALID")
        return dense_end(build, y)

    x = RANDOM.normal(size=(1, 6, 6, 8)).astype(np.float32)
    ours = run(edgexai.attach(graph, composite, channels="keep"), x)[1]
    theirs = run(edgexai.attach(single((1, 6, 6, 8), layer), composite, channels="keep"), x)[1]
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_uint8_weights_stay_in_8_bits() -> None:
    graph, q, _ = uint8_layer(113)
    explain = edgexai.attach(graph, "epsilon_plus")
    own = len(graph.tensors)
    large = [t for t in explain.tensors[own:] if t.is_constant and np.prod(t.shape) >= q.size]
    assert large
    assert all(t.dtype == DType.INT8 for t in large)


def test_half_precision_weights_stay_halves() -> None:
    w = RANDOM.normal(size=(16, 3, 3, 8)).astype(np.float16)

    def layer(build: Builder, x: int) -> int:
        return dense_end(build, build.conv(x, build.weight(w), build.const(np.zeros(16, np.float32)), padding="VALID"))

    def single_precision(build: Builder, x: int) -> int:
        full = build.const(w.astype(np.float32))
        return dense_end(build, build.conv(x, full, build.const(np.zeros(16, np.float32)), padding="VALID"))

    x = RANDOM.normal(size=(1, 6, 6, 8)).astype(np.float32)
    explain = edgexai.attach(single((1, 6, 6, 8), layer), "epsilon_plus", channels="keep")
    large = [t for t in explain.tensors if t.is_constant and np.prod(t.shape) == w.size]
    assert {t.dtype for t in large} == {DType.FLOAT16}
    theirs = run(edgexai.attach(single((1, 6, 6, 8), single_precision), "epsilon_plus", channels="keep"), x)[1]
    assert np.abs(run(explain, x)[1] - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_a_large_models_matrices_stand_in_the_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    w1, w2 = (RANDOM.normal(size=s).astype(np.float32) for s in ((256, 1, 1, 512), (512, 1, 1, 256)))
    w3 = RANDOM.normal(size=(300, 512)).astype(np.float32)

    def layer(build: Builder, x: int) -> int:
        y = build.conv(x, build.const(w1), build.const(np.full(256, 0.1, np.float32)), (2, 2), activation="RELU")
        y = build.conv(y, build.const(w2), build.const(np.zeros(512, np.float32)), activation="RELU")  # narrow rows
        y = build.reshape(build.op(OpKind.MEAN, [y, build.const([1, 2])], (1, 512), schema.ReducerOptionsT()), (1, 512))
        return build.dense(y, build.const(w3))

    x = RANDOM.normal(size=(1, 34, 34, 512)).astype(np.float32)  # of both signs: z⁺ has two kernels
    graph = single((1, 34, 34, 512), layer)
    own = len(serialize(graph))
    for composite, kernels in (("epsilon", 0), ("epsilon_plus", 3)):
        explain = edgexai.attach(graph, composite, channels="keep")
        assert len(serialize(explain)) < own + kernels * w1.nbytes + 20_000
        with monkeypatch.context() as small:
            small.setattr("edgexai.relevance.backward.LARGE_FLOATS", 1 << 40)
            copied = edgexai.attach(graph, composite, channels="keep")
        assert len(serialize(copied)) > own + 2 * w1.nbytes + w3.nbytes
        ours, theirs = (run(g, x)[1] for g in (explain, copied))
        assert np.abs(ours - theirs).max() <= 2e-5 * np.abs(theirs).max()
        assert not any(op.kind == OpKind.BATCH_MATMUL for op in copied.ops)


def test_an_lstms_kernels_are_the_models_own() -> None:
    shapes = (FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)
    graph = sequence_lstm(*(RANDOM.normal(size=s) for s in shapes))
    known = {id(t.data) for t in graph.tensors}
    added = [t for t in edgexai.attach(graph, "epsilon").tensors if t.is_constant and id(t.data) not in known]
    backwards = UNITS * (UNITS + FEATURES)  # through the cell's input alone
    assert sum(int(np.prod(t.shape)) for t in added if t.dtype == DType.FLOAT32) < backwards + 8 * UNITS


@pytest.mark.parametrize("count", [5, 4096, 4097, 100_000])
def test_one_index_of_many_is_chosen(count: int) -> None:
    for index in (0, 1, count // 2, count - 1):

        def known(build: Builder, x: int, index: int = index) -> int:
            return build.mul(onehot.fixed(build, index, count), x)

        def found(build: Builder, x: int) -> int:
            return onehot.computed(build, build.cast(x, DType.INT32), count)

        for layer, x in ((known, 1), (found, index)):
            chosen = run(single((1,), layer), np.array([x], np.float32))[0]
            assert chosen.shape == (1, count)
            assert np.flatnonzero(chosen).tolist() == [index]
            assert chosen.max() == 1


def test_a_target_of_millions_costs_thousands_of_bytes() -> None:
    shape = (1, 500, 500, 21)

    def layer(build: Builder, x: int) -> int:
        return build.mul(x, build.const(2.0))

    graph = single(shape, layer)
    for target in ("predicted", 5_000_000):
        assert len(serialize(edgexai.attach(graph, "epsilon", target=target))) < 64_000
    with pytest.raises(ConfigError, match="5250000 is not one of"):
        edgexai.attach(graph, target=5_250_000)


def test_a_depthwise_layer_of_one_channel_goes_back_as_a_convolution() -> None:
    w = RANDOM.normal(size=(1, 5, 4, 16)).astype(np.float32)

    def depthwise(build: Builder, x: int) -> int:
        return dense_end(build, build.depthwise(x, build.const(w), build.const(np.full(16, 0.1, np.float32)), (2, 2)))

    def convolution(build: Builder, x: int) -> int:
        turned = build.const(np.ascontiguousarray(w.transpose(3, 1, 2, 0)))
        return dense_end(build, build.conv(x, turned, build.const(np.full(16, 0.1, np.float32)), (2, 2)))

    x = RANDOM.normal(size=(1, 12, 10, 1)).astype(np.float32)
    for composite in ("epsilon", "epsilon_plus", "epsilon_plus_flat", "gamma(0.25)"):
        explain = [edgexai.attach(single((1, 12, 10, 1), layer), composite) for layer in (depthwise, convolution)]
        ours, theirs = (run(e, x)[1] for e in explain)
        assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()
        assert len(explain[0].ops) == len(explain[1].ops)


@needs_shared
def test_public_uint8_models_stay_small() -> None:
    for model, most in (("mobilenet_v1_025_uint8", 4.0), ("deeplab_dm05_uint8", 4.0)):
        path = SHARED / "cases" / "models" / f"{model}.tflite"
        explain = edgexai.attach(edgexai.load(path))
        assert len(serialize(explain)) <= most * path.stat().st_size
