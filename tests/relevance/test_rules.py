"""Every rule on every linear layer, against its slow twin."""

from collections.abc import Callable

import numpy as np
import pytest
import twins
from ai_edge_litert import schema_py_generated as schema
from models import run, single
from numpy.typing import NDArray

from edgexai.graph import Builder, Graph, OpKind
from edgexai.relevance import (
    AlphaBeta,
    Composite,
    Epsilon,
    Flat,
    Gamma,
    Line,
    Rule,
    WSquare,
    ZBox,
    ZPlus,
    attach,
)

RANDOM = np.random.default_rng(7)
SHAPE = (1, 7, 6, 4)


def weights(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(size=shape).astype(np.float32)


def conv(stride=(1, 1), padding="SAME", dilation=(1, 1), kernel=(3, 3), groups: int = 1):
    def layer(b: Builder, x: int) -> int:
        w = weights(6, *kernel, SHAPE[-1] // groups)
        return b.conv(x, b.const(w), b.const(weights(6)), stride, padding, dilation)

    return layer


def depthwise(stride=(1, 1), padding="SAME", dilation=(1, 1), kernel=(3, 3), multiplier: int = 1):
    def layer(b: Builder, x: int) -> int:
        w = weights(1, *kernel, SHAPE[-1] * multiplier)
        return b.depthwise(x, b.const(w), b.const(weights(w.shape[-1])), stride, padding, dilation)

    return layer


def transpose_conv(out: tuple[int, int], stride: tuple[int, int], padding: int):
    def layer(b: Builder, x: int) -> int:
        shape = (1, *out, 3)
        inputs = [b.const(np.array(shape, np.int32)), b.const(weights(3, 3, 3, SHAPE[-1])), x, b.const(weights(3))]
        options = schema.TransposeConvOptionsT(padding=padding, strideH=stride[0], strideW=stride[1])
        return b.op(OpKind.TRANSPOSE_CONV, inputs, shape, options, version=3)

    return layer


def conv3d(stride=(1, 1, 1), padding: int = 0, dilation: int = 1):
    def layer(b: Builder, x: int) -> int:
        volume = b.reshape(x, (1, 7, 6, 2, 2))
        options = schema.Conv3DOptionsT(padding=padding, strideD=stride[0], strideH=stride[1], strideW=stride[2])
        options.dilationDFactor = options.dilationHFactor = dilation
        spans = [dilation * 2 + 1, dilation + 1, 2]
        sizes = zip((7, 6, 2), spans, stride, strict=True)
        out = [-(-n // s) if padding == 0 else -(-(n - span + 1) // s) for n, span, s in sizes]
        inputs = [volume, b.const(weights(3, 2, 2, 2, 3)), b.const(weights(3))]
        return b.op(OpKind.CONV_3D, inputs, (1, *out, 3), options)

    return layer


def dense(b: Builder, x: int) -> int:
    flat = b.reshape(x, (1, int(np.prod(SHAPE))))
    return b.dense(flat, b.const(weights(5, int(np.prod(SHAPE)))), b.const(weights(5)))


LAYERS: dict[str, Callable[[Builder, int], int]] = {
    "conv": conv(),
    "conv_valid": conv(padding="VALID"),
    "conv_stride": conv(stride=(2, 3)),
    "conv_stride_valid": conv(stride=(3, 2), padding="VALID", kernel=(2, 3)),
    "conv_dilated": conv(dilation=(2, 2), padding="VALID"),
    "conv_dilated_same": conv(dilation=(2, 1)),
    "conv_pointwise": conv(kernel=(1, 1)),
    "conv_pointwise_stride": conv(kernel=(1, 1), stride=(2, 2)),
    "conv_grouped": conv(groups=2),
    "conv_even": conv(kernel=(4, 2), stride=(2, 2)),
    "depthwise": depthwise(),
    "depthwise_stride": depthwise(stride=(2, 2)),
    "depthwise_stride_valid": depthwise(stride=(2, 2), padding="VALID", kernel=(2, 3)),
    "depthwise_pointwise_stride": depthwise(stride=(2, 2), kernel=(1, 1)),
    "depthwise_dilated": depthwise(dilation=(2, 2)),
    "depthwise_multiplier": depthwise(multiplier=3),
    "depthwise_multiplier_stride": depthwise(multiplier=2, stride=(2, 2)),
    "transpose_conv": transpose_conv((14, 12), (2, 2), 0),
    "transpose_conv_valid": transpose_conv((9, 8), (1, 1), 1),
    "conv3d": conv3d(),
    "conv3d_stride": conv3d(stride=(2, 2, 1)),
    "conv3d_stride_valid": conv3d(stride=(2, 1, 1), padding=1),
    "conv3d_dilated": conv3d(dilation=2),
    "dense": dense,
}
EPS = 1e-3


def jacobian(graph: Graph) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The matrix (outputs, inputs) and bias of a linear model, from what the runtime computes."""
    size = int(np.prod(SHAPE))
    bias = run(graph, np.zeros(SHAPE, np.float32))[0].reshape(-1).astype(np.float64)
    columns = []
    for i in range(size):
        unit = np.zeros(size, np.float32)
        unit[i] = 1
        columns.append(run(graph, unit.reshape(SHAPE))[0].reshape(-1).astype(np.float64) - bias)
    return np.stack(columns, axis=1), bias


CACHE: dict[str, tuple[Graph, NDArray[np.float64], NDArray[np.float64]]] = {}


def layer_of(name: str) -> tuple[Graph, NDArray[np.float64], NDArray[np.float64]]:
    if name not in CACHE:
        graph = single(SHAPE, LAYERS[name])
        CACHE[name] = (graph, *jacobian(graph))
    return CACHE[name]


RULES: dict[str, tuple[Rule, Callable[..., NDArray[np.float64]]]] = {
    "epsilon": (Epsilon(EPS), twins.epsilon),
    "zplus": (ZPlus(EPS), twins.zplus),
    "alpha_beta": (AlphaBeta(EPS, 2.0, 1.0), lambda *a: twins.alpha_beta(*a, 2.0, 1.0)),
    "gamma": (Gamma(EPS, 0.3), lambda *a: twins.gamma(*a, 0.3)),
    "wsquare": (WSquare(EPS), twins.wsquare),
    "zbox": (ZBox(EPS, -2.0, 3.0), lambda *a: twins.zbox(*a, -2.0, 3.0)),
}


def explained(graph: Graph, rule: Rule, x: NDArray[np.float32], wanted: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
    """Relevance at the input and at the output, for weights over the outputs."""
    explain = attach(graph, Composite("test", (Line(rule),)), target="input", channels="keep")
    logits, relevance, *_ = run(explain, x, wanted[None])
    return relevance.reshape(-1).astype(np.float64), logits.reshape(-1).astype(np.float64) * wanted


@pytest.mark.parametrize("sign", ["positive", "mixed"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layer", LAYERS)
def test_rule_equals_its_twin(layer: str, rule: str, sign: str) -> None:
    graph, w, b = layer_of(layer)
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    x = np.abs(x) if sign == "positive" else x
    wanted = np.random.default_rng(4).normal(size=len(b)).astype(np.float32)
    subject, twin = RULES[rule]
    ours, r = explained(graph, subject, x, wanted)
    theirs = twin(x.reshape(-1).astype(np.float64), w, b, r, EPS)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("layer", LAYERS)
def test_flat_gives_every_input_of_a_window_the_same(layer: str) -> None:
    graph, w, b = layer_of(layer)
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    wanted = np.ones(len(b), np.float32)
    ours, r = explained(graph, Flat(EPS), x, wanted)
    connected = (w != 0).astype(np.float64)
    theirs = twins.flat(x.reshape(-1), w, b, r, EPS, connected)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6"])
@pytest.mark.parametrize("rule", ["epsilon", "zplus", "gamma"])
def test_a_fused_activation_does_not_change_the_pre_activation(rule: str, activation: str) -> None:
    """Relevance behind RELU and RELU6 is divided by what stood in front of them."""
    w, b = weights(6, 3, 3, 4) * 2, weights(6)
    v = weights(3, 7 * 6 * 6)

    def network(fused: str) -> Graph:
        def layer(build: Builder, x: int) -> int:
            y = build.conv(x, build.const(w), build.const(b), activation=fused if fused != "split" else "NONE")
            if fused == "split" and activation != "NONE":
                kind = OpKind.RELU if activation == "RELU" else OpKind.RELU6
                y = build.op(kind, [y], build.shape(y))
            return build.dense(build.reshape(y, (1, 7 * 6 * 6)), build.const(v), build.const(np.zeros(3, np.float32)))

        return single(SHAPE, layer)

    x = np.random.default_rng(5).normal(size=SHAPE).astype(np.float32)
    wanted = np.array([1, 0, -1], np.float32)
    fused, _ = explained(network(activation), RULES[rule][0], x, wanted)
    split, _ = explained(network("split"), RULES[rule][0], x, wanted)
    assert np.abs(fused - split).max() <= 1e-4 * np.abs(split).max()


def test_int8_weights_stay_int8_in_the_file() -> None:
    q = RANDOM.integers(-127, 128, (6, 3, 3, 4)).astype(np.int8)

    def network(b: Builder, x: int) -> int:
        return b.conv(x, b.weight(q), b.const(weights(6)))

    graph = single(SHAPE, network)
    explain = attach(graph, "epsilon_plus", target=0, channels="keep")
    kernels = {t.dtype.name for t in explain.tensors if t.is_constant and len(t.shape) == 4}
    assert kernels == {"INT8"}
