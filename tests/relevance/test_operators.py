"""Operators that are not layers: LRP-ε with a vanishing stabilizer is gradient × input on what is linear."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import run, single
from numpy.typing import NDArray

from edgexai.graph import Builder, DType, OpKind
from edgexai.relevance import attach

SHAPE = (1, 6, 4, 8)
RANDOM = np.random.default_rng(11)


def op(kind: OpKind, shape: Sequence[int], options: object = None, *constants: object, first: bool = True):
    """An operator of x and constants."""

    def layer(b: Builder, x: int) -> int:
        fixed = [b.const(np.asarray(c)) for c in constants]
        return b.op(kind, [x, *fixed] if first else [*fixed, x], shape, options)

    return layer


def i32(*values: object) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def pool(
    kind: OpKind, size: tuple[int, int], stride: tuple[int, int], padding: int, out: tuple[int, int], fused: int = 0
):
    options = schema.Pool2DOptionsT(
        padding=padding, strideH=stride[0], strideW=stride[1], filterHeight=size[0], filterWidth=size[1]
    )
    options.fusedActivationFunction = fused
    return op(kind, (1, *out, 8), options)


def several(kind: OpKind, shapes: list[tuple[int, ...]], options: object, *constants: object, keep: Sequence[int]):
    """An operator with several outputs, of which some go on."""
    from edgexai.graph import Op, Tensor

    def layer(b: Builder, x: int) -> int:
        fixed = [b.const(np.asarray(c)) for c in constants]
        outs = []
        for k, shape in enumerate(shapes):
            b.tensors.append(Tensor(f"piece{k}", shape))
            outs.append(len(b.tensors) - 1)
        b.ops.append(Op(kind, (*fixed, x) if kind == OpKind.SPLIT else (x, *fixed), tuple(outs), options))
        total = None
        for k in keep:
            scaled = b.mul(outs[k], b.const(float(k + 1)))
            total = scaled if total is None else b.add(total, scaled)
        assert total is not None
        return total

    return layer


def resize(kind: OpKind, options: Callable[..., object], out: tuple[int, int], aligned: bool, half: bool):
    return op(kind, (1, *out, 8), options(alignCorners=aligned, halfPixelCenters=half), i32(*out))


BILINEAR, NEAREST = OpKind.RESIZE_BILINEAR, OpKind.RESIZE_NEAREST_NEIGHBOR
STRIDED = schema.StridedSliceOptionsT
LINEAR: dict[str, Callable[[Builder, int], int]] = {
    "add_constant_free": lambda b, x: b.add(x, b.mul(x, b.const(0.5))),
    "subtract_two_maps": lambda b, x: b.sub(x, b.mul(x, b.const(np.float32(RANDOM.normal(size=SHAPE))))),
    "add_broadcast_map": lambda b, x: b.add(x, b.sum(x, [1, 2], keep_dims=True)),
    "mul_constant": lambda b, x: b.mul(x, b.const(np.float32(RANDOM.normal(size=8)))),
    "div_constant": lambda b, x: b.div(x, b.const(np.float32(RANDOM.normal(size=8) + 3))),
    "negate": op(OpKind.NEG, SHAPE),
    "mean": op(OpKind.MEAN, (1, 8), schema.ReducerOptionsT(), i32(1, 2)),
    "mean_keep": op(OpKind.MEAN, (1, 6, 1, 8), schema.ReducerOptionsT(keepDims=True), i32(-2)),
    "sum": lambda b, x: b.sum(x, [3]),
    "average_pool": pool(OpKind.AVERAGE_POOL_2D, (2, 2), (2, 2), 1, (3, 2)),
    "average_pool_overlapping": pool(OpKind.AVERAGE_POOL_2D, (3, 2), (1, 1), 1, (4, 3)),
    "average_pool_same": pool(OpKind.AVERAGE_POOL_2D, (3, 3), (2, 2), 0, (3, 2)),
    "max_pool": pool(OpKind.MAX_POOL_2D, (2, 2), (2, 2), 1, (3, 2)),
    "max_pool_overlapping": pool(OpKind.MAX_POOL_2D, (3, 2), (1, 1), 1, (4, 3)),
    "max_pool_same": pool(OpKind.MAX_POOL_2D, (3, 3), (2, 2), 0, (3, 2)),
    "max_pool_relu": pool(OpKind.MAX_POOL_2D, (2, 1), (2, 1), 1, (3, 4), fused=1),  # some windows are cut off whole
    "max_pool_overlapping_relu": pool(OpKind.MAX_POOL_2D, (2, 1), (1, 1), 1, (5, 4), fused=1),
    "reduce_max": op(OpKind.REDUCE_MAX, (1, 8), schema.ReducerOptionsT(), i32(1, 2)),
    "reduce_min_keep": op(OpKind.REDUCE_MIN, (1, 6, 1, 8), schema.ReducerOptionsT(keepDims=True), i32(2)),
    "maximum_of_two": lambda b, x: b.op(
        OpKind.MAXIMUM, [x, b.mul(x, b.const(-0.7))], SHAPE, schema.MaximumMinimumOptionsT()
    ),
    "maximum_broadcast": lambda b, x: b.op(
        OpKind.MAXIMUM, [b.sum(x, [2], keep_dims=True), x], SHAPE, schema.MaximumMinimumOptionsT()
    ),
    "minimum_of_constant": lambda b, x: b.minimum(b.const(0.3 * RANDOM.normal(size=8)), x),
    "select_constant": lambda b, x: b.op(
        OpKind.SELECT_V2,
        [b.const(RANDOM.integers(0, 2, (4, 1)).astype(bool)), x, b.mul(x, b.const(2.0))],
        SHAPE,
        schema.SelectV2OptionsT(),
    ),
    "select_computed": lambda b, x: b.op(
        OpKind.SELECT_V2,
        [
            b.op(OpKind.GREATER, [x, b.const(0.1)], SHAPE, schema.GreaterOptionsT(), dtype=DType.BOOL),
            x,
            b.sum(x, [3], keep_dims=True),
        ],
        SHAPE,
        schema.SelectV2OptionsT(),
    ),
    "tile": op(OpKind.TILE, (1, 12, 4, 24), schema.TileOptionsT(), i32(1, 2, 1, 3)),
    "broadcast_to": lambda b, x: b.op(
        OpKind.BROADCAST_TO,
        [b.sum(x, [2], keep_dims=True), b.const(i32(*SHAPE))],
        SHAPE,
        schema.BroadcastToOptionsT(),
        2,
    ),
    "reshape": lambda b, x: b.reshape(x, (1, 24, 8)),
    "transpose": lambda b, x: b.transpose(x, (0, 3, 1, 2)),
    "pad": lambda b, x: b.pad(x, [(0, 0), (1, 2), (0, 1), (2, 0)]),
    "mirror_pad": op(
        OpKind.MIRROR_PAD, (1, 9, 6, 8), schema.MirrorPadOptionsT(mode=0), i32([0, 0], [1, 2], [1, 1], [0, 0])
    ),
    "mirror_pad_symmetric": op(
        OpKind.MIRROR_PAD, (1, 9, 6, 8), schema.MirrorPadOptionsT(mode=1), i32([0, 0], [1, 2], [1, 1], [0, 0])
    ),
    "slice": op(OpKind.SLICE, (1, 3, 4, 5), schema.SliceOptionsT(), i32(0, 2, 0, 1), i32(1, 3, -1, 5)),
    "strided_slice": op(
        OpKind.STRIDED_SLICE, (1, 3, 2, 8), STRIDED(), i32(0, 0, 1, 0), i32(1, 6, 4, 8), i32(1, 2, 2, 1)
    ),
    "strided_slice_crop": op(
        OpKind.STRIDED_SLICE,
        (1, 4, 4, 8),
        STRIDED(beginMask=13, endMask=13),
        i32(0, 1, 0, 0),
        i32(0, 5, 0, 0),
        i32(1, 1, 1, 1),
    ),
    "strided_slice_shrink": op(
        OpKind.STRIDED_SLICE,
        (1, 4, 8),
        STRIDED(beginMask=13, endMask=13, shrinkAxisMask=2),
        i32(0, 3, 0, 0),
        i32(0, 4, 0, 0),
        i32(1, 1, 1, 1),
    ),
    "gather": op(OpKind.GATHER, (1, 6, 3, 8), schema.GatherOptionsT(axis=2), i32(3, 0, 3)),
    "reverse": op(OpKind.REVERSE_V2, SHAPE, schema.ReverseV2OptionsT(), i32(1)),
    "resize_bilinear": resize(BILINEAR, schema.ResizeBilinearOptionsT, (9, 7), False, True),
    "resize_bilinear_aligned": resize(BILINEAR, schema.ResizeBilinearOptionsT, (11, 4), True, False),
    "resize_bilinear_down": resize(BILINEAR, schema.ResizeBilinearOptionsT, (3, 3), False, False),
    "resize_nearest": resize(NEAREST, schema.ResizeNearestNeighborOptionsT, (12, 8), False, False),
    "resize_nearest_half": resize(NEAREST, schema.ResizeNearestNeighborOptionsT, (9, 10), False, True),
    "space_to_depth": op(OpKind.SPACE_TO_DEPTH, (1, 3, 2, 32), schema.SpaceToDepthOptionsT(blockSize=2)),
    "depth_to_space": op(OpKind.DEPTH_TO_SPACE, (1, 12, 8, 2), schema.DepthToSpaceOptionsT(blockSize=2)),
    "space_to_batch": op(
        OpKind.SPACE_TO_BATCH_ND, (4, 4, 2, 8), schema.SpaceToBatchNDOptionsT(), i32(2, 2), i32([1, 1], [0, 0])
    ),
    "concatenation": lambda b, x: b.concat([x, b.mul(x, b.const(2.0)), b.slice(x, (0, 0, 0, 0), (1, 6, 4, 3))], 3),
    "pack": lambda b, x: b.op(
        OpKind.PACK, [x, b.mul(x, b.const(3.0))], (1, 2, 6, 4, 8), schema.PackOptionsT(valuesCount=2, axis=1)
    ),
    "unpack": several(OpKind.UNPACK, [(1, 6, 8)] * 4, schema.UnpackOptionsT(num=4, axis=2), keep=[0, 2, 3]),
    "split": several(OpKind.SPLIT, [(1, 6, 4, 4)] * 2, schema.SplitOptionsT(numSplits=2), i32(3)[0], keep=[0, 1]),
    "relu": lambda b, x: b.relu(x),
    "leaky_relu": op(OpKind.LEAKY_RELU, SHAPE, schema.LeakyReluOptionsT(alpha=0.1)),
    "prelu": op(OpKind.PRELU, SHAPE, None, np.float32(RANDOM.uniform(size=(1, 1, 8)))),
    "transpose_conv": lambda b, x: b.transpose_conv(
        x, b.const(np.float32(np.random.default_rng(1).normal(size=(3, 3, 3, 8)))), (1, 12, 8, 3), (2, 2), "SAME"
    ),
    "batch_matmul_constant": lambda b, x: b.op(
        OpKind.BATCH_MATMUL,
        [x, b.const(np.float32(np.random.default_rng(1).normal(size=(8, 5))))],
        (1, 6, 4, 5),
        schema.BatchMatMulOptionsT(),
    ),
}


def with_head(layer: Callable[[Builder, int], int]) -> Callable[[Builder, int], int]:
    def network(b: Builder, x: int) -> int:
        y = layer(b, x)
        size = int(np.prod(b.shape(y)))
        head = np.random.default_rng(2).normal(size=(3, size)).astype(np.float32)
        return b.dense(b.reshape(y, (1, size)), b.const(head), b.const(np.zeros(3, np.float32)))

    return network


@pytest.mark.parametrize("name", LINEAR)
def test_epsilon_is_gradient_times_input(name: str) -> None:
    graph = single(SHAPE, with_head(LINEAR[name]))
    x = np.random.default_rng(6).normal(size=SHAPE).astype(np.float32)
    explain = attach(graph, "epsilon(1e-9)", target=1, channels="keep")
    ours = run(explain, x)[1].reshape(-1)
    # piecewise linear without bias: the difference quotient of a step inside the piece is the gradient
    step = 1e-3
    theirs = np.zeros(x.size)
    for i in range(x.size):
        up, down = (x.reshape(-1).copy() for _ in range(2))
        up[i] += step
        down[i] -= step
        high, low = (float(run_cached(graph, v.reshape(SHAPE))[0][0, 1]) for v in (up, down))
        theirs[i] = (high - low) / (2 * step) * x.reshape(-1)[i]
    assert np.abs(ours - theirs).max() <= 2e-2 * np.abs(theirs).max()
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


_LOADED: dict[int, object] = {}


def run_cached(graph, x):  # one interpreter a graph: the difference quotient runs it hundreds of times
    from edgexai.graph import serialize
    from edgexai.runtime.interpreter import Interpreter

    if id(graph) not in _LOADED:
        _LOADED.clear()
        _LOADED[id(graph)] = (graph, Interpreter(serialize(graph)))
    return _LOADED[id(graph)][1].run(x)


def test_a_gate_takes_no_relevance() -> None:
    """x · σ(dense(x)): the signal keeps all, so that relevance of the product adds up to its value."""
    w = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)

    def network(b: Builder, x: int) -> int:
        gate = b.op(OpKind.LOGISTIC, [b.dense(x, b.const(w), b.const(np.ones(4, np.float32)))], (1, 4))
        return b.mul(x, gate)

    x = np.array([[1.0, -2.0, 3.0, 0.5]], np.float32)
    logits, relevance, *_ = run(attach(single((1, 4), network), "epsilon", target=2), x)
    assert np.allclose(relevance[0], np.where(np.arange(4) == 2, logits[0], 0), atol=1e-6)


def test_a_squared_difference_is_shared_as_the_difference() -> None:
    c = np.float32([0.5, -1.0, 2.0, 0.0])

    def network(b: Builder, x: int) -> int:
        return b.op(OpKind.SQUARED_DIFFERENCE, [b.const(c), x], (1, 4), schema.SquaredDifferenceOptionsT())

    x = np.array([[1.0, -2.0, 3.0, 0.5]], np.float32)
    logits, relevance, *_ = run(attach(single((1, 4), network), "epsilon", target=2), x)
    assert relevance[0] == pytest.approx(np.where(np.arange(4) == 2, -x[0] / (c - x[0]) * logits[0], 0), rel=1e-4)


@pytest.mark.parametrize("kind", ["SQUARE", "SQRT", "EXP", "LOG", "POW"])
def test_an_elementwise_function_hands_relevance_on(kind: str) -> None:
    def network(b: Builder, x: int) -> int:
        inputs = [x, b.const(np.float32(3))] if kind == "POW" else [x]
        return b.op(OpKind[kind], inputs, (1, 4))

    x = np.array([[1.5, 0.2, 3.0, 0.5]], np.float32)
    logits, relevance, *_ = run(attach(single((1, 4), network), "epsilon", target=1), x)
    assert relevance[0] == pytest.approx(np.where(np.arange(4) == 1, logits[0], 0), rel=1e-5)


@pytest.mark.parametrize(("padding", "stride", "out"), [(1, (2, 2), (3, 2)), (0, (1, 1), (6, 4)), (0, (2, 2), (3, 2))])
def test_an_l2_pool_shares_by_squares(padding: int, stride: tuple[int, int], out: tuple[int, int]) -> None:
    """R_i = x_i² / Σ x² R over each window, written out."""
    size = (2, 2) if padding else (3, 3)
    graph = single(SHAPE, pool(OpKind.L2_POOL_2D, size, stride, padding, out))
    x = np.random.default_rng(6).normal(size=SHAPE).astype(np.float32)
    ones = np.ones(int(np.prod(out)) * 8, np.float32)
    y, relevance, *_ = run(attach(graph, "epsilon", target="input", channels="keep"), x, ones[None])
    before = [max(0, (o - 1) * s + k - n) // 2 for o, s, k, n in zip(out, stride, size, SHAPE[1:3], strict=True)]
    expected = np.zeros(SHAPE)
    for i in range(out[0]):
        for j in range(out[1]):
            top, left = (max(0, at * s - b) for at, s, b in zip((i, j), stride, before, strict=True))
            ends = (at * s - b + k for at, s, b, k in zip((i, j), stride, before, size, strict=True))
            window = (0, slice(top, next(ends)), slice(left, next(ends)))
            squares = np.float64(x[window]) ** 2
            expected[window] += squares / squares.sum((0, 1)) * y[0, i, j]
    assert np.abs(relevance - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("activation", [1, 3])
def test_a_pool_that_is_cut_off_compares_what_it_was_before(activation: int) -> None:
    """A window of values below zero had no largest one: shares of nothing are no numbers."""
    options = schema.Pool2DOptionsT(padding=1, strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    options.fusedActivationFunction = activation
    graph = single(SHAPE, op(OpKind.MAX_POOL_2D, (1, 3, 2, 8), options))
    x = np.random.default_rng(8).normal(0, 5, SHAPE).astype(np.float32)
    x[0, :2, :2] = -1
    y, relevance, *_ = run(attach(graph, "epsilon", target="input", channels="keep"), x, np.ones((1, 48), np.float32))
    windows = x.reshape(3, 2, 2, 2, 8)
    wins = windows == windows.max((1, 3), keepdims=True)
    expected = (wins / wins.sum((1, 3), keepdims=True) * y.reshape(3, 1, 2, 1, 8)).reshape(SHAPE)
    assert np.allclose(relevance, expected, atol=1e-6)


def test_attention_shares_by_attnlrp() -> None:
    """softmax(q kᵀ) v with q = x A, k = x B, v = x C, against the formulas written out."""
    random = np.random.default_rng(5)
    n, d = 5, 4
    a, b_, c, head = (random.normal(size=s).astype(np.float32) for s in ((d, d), (d, d), (d, d), (2, n * d)))

    def network(b: Builder, x: int) -> int:
        zeros = b.const(np.zeros(d, np.float32))
        rows = b.reshape(x, (n, d))
        q, k, v = (b.reshape(b.dense(rows, b.const(w), zeros), (1, n, d)) for w in (a, b_, c))
        scores = b.op(OpKind.BATCH_MATMUL, [q, k], (1, n, n), schema.BatchMatMulOptionsT(adjY=True))
        weights = b.op(OpKind.SOFTMAX, [scores], (1, n, n), schema.SoftmaxOptionsT(beta=1.0))
        y = b.op(OpKind.BATCH_MATMUL, [weights, v], (1, n, d), schema.BatchMatMulOptionsT())
        return b.dense(b.reshape(y, (1, n * d)), b.const(head), b.const(np.zeros(2, np.float32)))

    graph = single((1, n, d), network)
    x = random.normal(size=(1, n, d)).astype(np.float32)
    ours = run(attach(graph, "epsilon", target=1, channels="keep"), x)[1][0]

    x64 = x[0].astype(np.float64)
    q, k, v = x64 @ a.T, x64 @ b_.T, x64 @ c.T
    scores = q @ k.T
    s = np.exp(scores - scores.max(1, keepdims=True))
    s /= s.sum(1, keepdims=True)
    y = s @ v
    r_y = y * head[1].reshape(n, d)
    share = r_y / y / 2
    r_s, r_v = s * (share @ v.T), v * (s.T @ share)
    r_scores = scores * (r_s - s * r_s.sum(1, keepdims=True))
    share = r_scores / scores / 2
    r_q, r_k = q * (share @ k), k * (share.T @ q)
    theirs = sum(x64 * ((r / z) @ w) for r, z, w in ((r_q, q, a), (r_k, k, b_), (r_v, v, c)))
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ["selu", "softplus", "mish"])
def test_an_activation_in_several_operators_is_one_activation(name: str) -> None:
    """R passes f(x) unchanged, however the converter writes f."""

    def one(b: Builder, kind: str, x: int) -> int:
        return b.op(OpKind[kind], [x], b.shape(x))

    def softplus(b: Builder, x: int) -> int:
        return one(b, "LOG", b.add(one(b, "EXP", x), b.const(1.0)))

    def network(b: Builder, x: int) -> int:
        if name == "softplus":
            return softplus(b, x)
        if name == "mish":
            return b.mul(x, one(b, "TANH", softplus(b, x)))
        above = b.op(OpKind.GREATER, [x, b.const(0.0)], (1, 4), schema.GreaterOptionsT(), dtype=DType.BOOL)
        below = b.mul(b.sub(one(b, "EXP", x), b.const(1.0)), b.const(1.7581))
        return b.op(OpKind.SELECT, [above, b.mul(x, b.const(1.0507)), below], (1, 4), schema.SelectOptionsT())

    x = np.array([[1.5, -0.2, 3.0, -0.001]], np.float32)
    for target in (1, 3):
        logits, relevance, *_ = run(attach(single((1, 4), network), "epsilon", target=target), x)
        assert relevance[0] == pytest.approx(np.where(np.arange(4) == target, logits[0], 0), rel=1e-5)


def test_a_choice_that_is_fixed_masks_relevance() -> None:
    """Attention's causal mask: scores that were replaced by a constant take nothing."""
    keep = np.array([[True, False, True, False]])

    def network(b: Builder, x: int) -> int:
        return b.op(OpKind.SELECT_V2, [b.const(keep), x, b.const(np.float32(-9))], (1, 4), schema.SelectV2OptionsT())

    x = np.array([[1.5, -0.2, 3.0, 0.5]], np.float32)
    explain = attach(single((1, 4), network), "epsilon", target="input")
    _, relevance, *_ = run(explain, x, np.ones((1, 4), np.float32))
    assert np.array_equal(relevance[0], np.where(keep[0], x[0], 0))
