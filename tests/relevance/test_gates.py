"""In signal · gate the signal takes all, whatever wrote the gate; an activation is one, however it is written."""

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import run, single
from numpy.typing import NDArray

from edgexai.graph import Builder, Graph, OpKind
from edgexai.relevance import attach
from edgexai.relevance.reading.bounds import bounds

Array = NDArray[np.float64]
RANDOM = np.random.default_rng(11)
SHAPE = (1, 4, 4, 3)
FIRST = RANDOM.normal(size=(5, 1, 1, 3)).astype(np.float32)
SQUEEZE = RANDOM.normal(size=(5, 1, 1, 5)).astype(np.float32)
LAST = RANDOM.normal(size=(2, 5)).astype(np.float32)


def hard_sigmoid(b: Builder, z: int) -> int:
    """As TensorFlow's converter writes it: the +3 in the convolution's bias, RELU6 fused, then a factor of 1/6."""
    bias = b.const(np.full(5, 3, np.float32))
    return b.mul(b.conv(z, b.const(SQUEEZE), bias, activation="RELU6"), b.const(np.float32(1 / 6)))


def clipped(b: Builder, z: int) -> int:
    """hard_sigmoid(z) = max(min(0.2 z + 0.5, 1), 0)."""
    y = b.add(b.mul(squeezed(b, z), b.const(np.float32(0.2))), b.const(np.float32(0.5)))
    y = b.minimum(y, b.const(np.float32(1)))
    return b.op(OpKind.MAXIMUM, [y, b.const(np.float32(0))], b.shape(y), schema.MaximumMinimumOptionsT())


def logistic(b: Builder, z: int) -> int:
    return b.op(OpKind.LOGISTIC, [squeezed(b, z)], b.shape(z))


def squeezed(b: Builder, z: int) -> int:
    return b.conv(z, b.const(SQUEEZE), b.const(np.zeros(5, np.float32)))


def unscaled(b: Builder, z: int) -> int:
    return b.conv(z, b.const(SQUEEZE), b.const(np.full(5, 3, np.float32)), activation="RELU6")


def hard_swish(b: Builder, x: int) -> int:
    return b.op(OpKind.HARD_SWISH, [x], b.shape(x))


def swish(b: Builder, x: int) -> int:
    return b.mul(x, b.op(OpKind.LOGISTIC, [x], b.shape(x)))


def relu(b: Builder, x: int) -> int:
    return b.relu(x)


def network(signal: Callable[[Builder, int], int], gate: Callable[[Builder, int], int] | None) -> Graph:
    """c = W x; s = signal(c); h = s · gate(mean of s); the logits are V · mean of h."""

    def layers(b: Builder, x: int) -> int:
        s = signal(b, b.conv(x, b.const(FIRST), b.const(np.zeros(5, np.float32))))
        axes = b.const(np.array([1, 2], np.int32))
        options = schema.ReducerOptionsT(keepDims=True)
        if gate is not None:
            s = b.mul(s, gate(b, b.op(OpKind.MEAN, [s, axes], (1, 1, 1, 5), options)))
        mean = b.reshape(b.op(OpKind.MEAN, [s, axes], (1, 1, 1, 5), options), (1, 5))
        return b.dense(mean, b.const(LAST), b.const(np.zeros(2, np.float32)))

    return single(SHAPE, layers)


def right(x: Array, act: Callable[[Array], Array], gate: Callable[[Array], Array] | None) -> Array:
    w, v = FIRST[:, 0, 0].astype(np.float64), LAST.astype(np.float64)
    c = x[0] @ w.T
    s = act(c)
    h = s if gate is None else s * gate(s.mean((0, 1)) @ SQUEEZE[:, 0, 0].T.astype(np.float64))
    r = h * v[1] / 16  # of the signal, and unchanged in front of the activation
    return x[0] * ((r / c) @ w)


SIGNALS: dict[str, tuple[Callable[[Builder, int], int], Callable[[Array], Array]]] = {
    "hard swish": (hard_swish, lambda c: c * np.clip(c + 3, 0, 6) / 6),
    "swish": (swish, lambda c: c / (1 + np.exp(-c))),
    "relu": (relu, lambda c: np.maximum(c, 0)),
}
GATES: dict[str, tuple[Callable[[Builder, int], int], Callable[[Array], Array]]] = {
    "hard sigmoid": (hard_sigmoid, lambda z: np.clip(z + 3, 0, 6) / 6),
    "clipped": (clipped, lambda z: np.clip(0.2 * z + 0.5, 0, 1)),
    "logistic": (logistic, lambda z: 1 / (1 + np.exp(-z))),
    "unscaled": (unscaled, lambda z: np.clip(z + 3, 0, 6)),
}


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("signal", SIGNALS)
def test_the_signal_takes_all(signal: str, gate: str) -> None:
    graph = network(SIGNALS[signal][0], GATES[gate][0])
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    ours = run(attach(graph, "epsilon(1e-9)", target=1, channels="keep"), x)[1][0]
    theirs = right(x.astype(np.float64), SIGNALS[signal][1], GATES[gate][1])
    assert np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()


def celu(b: Builder, x: int) -> int:
    below = b.op(OpKind.EXP, [b.minimum(x, b.const(np.float32(0)))], b.shape(x))
    return b.add(b.relu(x), b.sub(below, b.const(np.float32(1))))


def squareplus(b: Builder, x: int) -> int:
    root = b.op(OpKind.SQRT, [b.add(b.mul(x, x), b.const(np.float32(4)))], b.shape(x))
    return b.mul(b.add(x, root), b.const(np.float32(0.5)))


def tanhshrink(b: Builder, x: int) -> int:
    return b.sub(x, b.op(OpKind.TANH, [x], b.shape(x)))


WRITTEN: dict[str, tuple[Callable[[Builder, int], int], Callable[[Array], Array]]] = {
    "celu": (celu, lambda c: np.where(c > 0, c, np.expm1(np.minimum(c, 0)))),
    "squareplus": (squareplus, lambda c: (c + np.sqrt(c * c + 4)) / 2),
    "tanhshrink": (tanhshrink, lambda c: c - np.tanh(c)),
    "swish": SIGNALS["swish"],
}


@pytest.mark.parametrize("activation", WRITTEN)
def test_an_activation_in_several_operators_hands_relevance_on(activation: str) -> None:
    x = np.random.default_rng(3).normal(size=SHAPE).astype(np.float32)
    graph = network(WRITTEN[activation][0], None)
    ours = run(attach(graph, "epsilon(1e-9)", target=1, channels="keep"), x)[1][0]
    theirs = right(x.astype(np.float64), WRITTEN[activation][1], None)
    assert np.abs(ours - theirs).max() <= 1e-3 * np.abs(theirs).max()


@pytest.mark.parametrize("gate", GATES)
def test_bounds_hold_whatever_comes_in(gate: str) -> None:
    graph = single((1, 1, 1, 5), GATES[gate][0])
    low, high = bounds(graph, graph.producers(), graph.outputs[0])
    for seed in range(20):
        x = (np.random.default_rng(seed).normal(size=(1, 1, 1, 5)) * 10).astype(np.float32)
        y = run(graph, x)[0]
        assert low - 1e-6 <= y.min() <= y.max() <= high + 1e-6
