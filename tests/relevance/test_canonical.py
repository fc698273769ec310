"""One layer is one layer, however many operators write it."""

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import run, single
from numpy.typing import NDArray

from edgexai.errors import ConfigError
from edgexai.graph import Builder, DType, Graph, OpKind, Quantization
from edgexai.graph.ir import Tensor
from edgexai.relevance import Composite, Epsilon, Line, Norm, ZPlus, attach, attach_inner, reached

COMPOSITES = [
    "epsilon",
    "epsilon(0.25)",
    "gamma(0.25)",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2_beta1",
    "epsilon_gamma_box(-2, 2)",
    "wsquare_epsilon_plus",
    "edge",
]
Array = NDArray[np.float32]
SHAPE = {"conv": (1, 6, 5, 3), "depthwise": (1, 6, 5, 3), "conv3d": (1, 3, 4, 4, 2), "matmul": (1, 4, 6)}
OUT = {"conv": 4, "depthwise": 3, "conv3d": 4, "matmul": 4}
KERNEL = {"conv": (4, 3, 3, 3), "depthwise": (1, 3, 3, 3), "conv3d": (3, 3, 3, 2, 4), "matmul": (6, 4)}
AXIS = {"conv": 0, "depthwise": 3, "conv3d": 4, "matmul": 1}


def layer(kind: str, b: Builder, x: int, w: Array, bias: Array, pad: bool = False) -> int:
    """One layer as one operator, or with its padding as another."""
    if kind == "matmul":
        turned = np.ascontiguousarray(w.T)
        rows = b.dense(b.reshape(x, (4, 6)), b.const(turned), b.const(bias))
        return b.reshape(rows, (1, 4, 4))
    if pad:
        x = b.pad(x, [(0, 0), *[(1, 1)] * (len(b.shape(x)) - 2), (0, 0)])
    if kind == "conv":
        return b.conv(x, b.const(w), b.const(bias), padding="VALID" if pad else "SAME")
    if kind == "depthwise":
        return b.depthwise(x, b.const(w), b.const(bias), padding="VALID" if pad else "SAME")
    options = schema.Conv3DOptionsT(padding=int(pad), strideD=1, strideH=1, strideW=1)
    options.dilationDFactor = options.dilationHFactor = options.dilationWFactor = 1
    return b.op(OpKind.CONV_3D, [x, b.const(w), b.const(bias)], (1, 3, 4, 4, 4), options)


def binary(b: Builder, kind: OpKind, first: int, second: int) -> int:
    options = {OpKind.SUB: schema.SubOptionsT, OpKind.DIV: schema.DivOptionsT}[kind]()
    return b.op(kind, [first, second], np.broadcast_shapes(b.shape(first), b.shape(second)), options)


def split(kind: str, b: Builder, x: int, w: Array, bias: Array, pieces: list[tuple[str, int]], pad: bool) -> int:
    """The same layer with its scale and bias in further operators, undone from the last to the first."""
    random = np.random.default_rng(5)
    along = [1] * w.ndim
    along[AXIS[kind]] = -1
    tail: list[tuple[str, Array]] = []
    for piece, number in reversed(pieces):
        c = random.uniform(0.5, 2, OUT[kind] if number % 2 else 1).astype(np.float32)
        c *= -1 if piece in ("mul", "div") and number % 3 == 0 else 1
        tail.append((piece, c))
        match piece:
            case "add":
                bias = bias - c
            case "sub":
                bias = bias + c
            case "from":
                w, bias = -w, c - bias
            case "mul":
                w, bias = w / c.reshape(along if c.size > 1 else ()), bias / c
            case "div":
                w, bias = w * c.reshape(along if c.size > 1 else ()), bias * c
    bare = bias if len(pieces) % 2 else np.zeros_like(bias)
    left = bias - bare
    if kind == "matmul":
        options = schema.BatchMatMulOptionsT(adjX=False, adjY=False)
        y = b.op(OpKind.BATCH_MATMUL, [x, b.const(np.float32(w))], (1, 4, 4), options)
        y, left = y, bias
    else:
        y = layer(kind, b, x, np.float32(w), np.float32(bare), pad)
    whole = b.shape(y)
    if left.any():
        y = b.add(y, b.const(np.float32(left)))
    for number, (piece, c) in enumerate(reversed(tail)):
        k = b.const(c)
        if number == 0:
            y = b.reshape(y, (1, -(-int(np.prod(whole)) // whole[-1]), whole[-1]))
        match piece:
            case "add":
                y = b.add(k, y) if number else b.add(y, k)
            case "sub":
                y = binary(b, OpKind.SUB, y, k)
            case "from":
                y = binary(b, OpKind.SUB, k, y)
            case "mul":
                y = b.mul(y, k)
            case "div":
                y = binary(b, OpKind.DIV, y, k)
    return b.reshape(y, whole)


def network(kind: str, first: Callable[[Builder, int], int]) -> Graph:
    def layers(b: Builder, x: int) -> int:
        y = b.relu(first(b, x))
        size = int(np.prod(b.shape(y)))
        w = np.random.default_rng(2).normal(size=(3, size)).astype(np.float32)
        return b.dense(b.reshape(y, (1, size)), b.const(w), b.const(np.float32([0.1, -0.1, 0.2])))

    return single(SHAPE[kind], layers)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(list(SHAPE)),
    st.sampled_from(COMPOSITES),
    st.lists(st.tuples(st.sampled_from(["add", "sub", "from", "mul", "div"]), st.integers(0, 11)), max_size=4),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_any_split_of_a_layer_gives_the_same_map(
    kind: str, composite: str, pieces: list[tuple[str, int]], pad: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    w = random.normal(size=KERNEL[kind]).astype(np.float32)
    bias = random.normal(size=OUT[kind]).astype(np.float32)
    one = network(kind, lambda b, x: layer(kind, b, x, w, bias))
    several = network(kind, lambda b, x: split(kind, b, x, w, bias, pieces, pad))
    x = random.normal(size=SHAPE[kind]).astype(np.float32)
    ours, theirs = (run(attach(g, composite, target=1, channels="keep"), x)[1] for g in (several, one))
    assert np.abs(ours - theirs).max() <= 3e-4 * np.abs(theirs).max()


def test_the_int8_steps_of_a_layer_are_one_layer() -> None:
    """CONV_2D in int8, DEQUANTIZE, ADD of the bias: the weights stay int8, and ε divides by the whole sum."""
    random = np.random.default_rng(0)
    q = random.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    bias = random.normal(size=4).astype(np.float32)

    def written(apart: bool) -> Callable[[Builder, int], int]:
        def first(b: Builder, x: int) -> int:
            scale = np.float32([0.01, 0.02, 0.03, 0.04])
            data = q.reshape(-1).view(np.uint8)
            quantization = Quantization(scale, np.zeros(4, np.int64), 0)
            kernel = b.kept(Tensor("w", q.shape, DType.INT8, data, quantization))
            real = b.dequantize(kernel)
            y = b.conv(x, real, b.const(np.zeros(4, np.float32) if apart else bias))
            return b.add(b.mul(y, b.const(np.float32(1))), b.const(bias)) if apart else y

        return first

    x = random.normal(size=SHAPE["conv"]).astype(np.float32)
    graphs = [attach(network("conv", written(apart)), "epsilon_plus", target=0) for apart in (True, False)]
    a, b = (run(g, x)[1] for g in graphs)
    assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
    kernels = [t for t in graphs[0].tensors if t.is_constant and len(t.shape) == 4 and t.dtype != DType.INT8]
    assert not kernels


def test_what_somebody_asks_for_is_not_folded_away() -> None:
    graph = network("conv", lambda b, x: b.add(layer("conv", b, x, _ones(), np.zeros(4, np.float32)), b.const(1.0)))
    inner = graph.ops[0].outputs[0]
    assert reached(graph, [inner]) == [inner]
    x = np.ones(SHAPE["conv"], np.float32)
    assert run(attach_inner(graph, [inner], target=0), x)[0].shape == (1, 6, 5, 4)


def _ones() -> Array:
    return np.ones(KERNEL["conv"], np.float32)


@pytest.mark.parametrize("size", [5, 3, 2, 1])
def test_a_kernel_larger_than_its_map_takes_the_composites_rule(size: int) -> None:
    random = np.random.default_rng(size)
    w = random.normal(size=(3, 3, 3, 2)).astype(np.float32)
    graph = single((1, size, size, 2), lambda b, x: b.conv(x, b.const(w), b.const(np.float32([0.3, -0.2, 0.1]))))
    x = random.normal(size=(1, size, size, 2)).astype(np.float32)
    outputs, ours, *_ = run(attach(graph, "epsilon_plus", target="input", channels="keep"), x, _all(size))
    padded, r = np.pad(x[0], ((1, 1), (1, 1), (0, 0))).astype(np.float64), outputs[0].astype(np.float64)
    theirs = np.zeros_like(padded)
    kernel = w.transpose(1, 2, 3, 0).astype(np.float64)
    for i in range(size):
        for j in range(size):
            c = np.maximum(padded[i : i + 3, j : j + 3, :, None] * kernel, 0)
            z = c.sum((0, 1, 2)) + np.maximum([0.3, -0.2, 0.1], 0) + 1e-6
            theirs[i : i + 3, j : j + 3] += (c * (r[i, j] / z)).sum(-1)
    theirs = theirs[1:-1, 1:-1]
    assert np.abs(ours[0] - theirs).max() <= 1e-4 * np.abs(theirs).max()


def _all(size: int) -> Array:
    return np.ones((1, size * size * 3), np.float32)


def test_a_composite_that_says_nothing_of_a_layer_is_refused() -> None:
    graph = network("conv", lambda b, x: layer("conv", b, x, _ones(), np.zeros(4, np.float32)))
    with pytest.raises(ConfigError, match=r"'mine' says nothing of FULLY_CONNECTED \(operator \d"):
        attach(graph, Composite("mine", (Line(ZPlus(), first=True), Line(Norm(), frozenset({OpKind.ADD})))))
    attach(graph, Composite("mine", (Line(ZPlus(), first=True), Line(Epsilon()))))
