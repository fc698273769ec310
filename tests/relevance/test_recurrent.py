"""LSTM and GRU, unrolled, as loops and as one operator, against a twin written from Arras et al. (2017)."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from models import run
from numpy.typing import NDArray
from sequence_lstm import FEATURES, TIME, UNITS, sequence_lstm

import edgexai
from edgexai.errors import UnsupportedOperator
from edgexai.graph import Graph, Op, OpKind, serialize
from edgexai.graph.signatures import with_predict

keras = pytest.importorskip("keras", reason="Keras makes the recurrent models")
Array = NDArray[np.float64]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def split(part: Array, total: Array, r: Array) -> Array:
    """The share of one summand."""
    return np.where(part == 0, 0, part / np.where(total == 0, 1, total)) * r


def linear(x: Array, w: Array, total: Array, r: Array) -> Array:
    """R_i = Σ_j x_i w_ij / z_j R_j."""
    return x * (w @ np.where(total == 0, 0, r / np.where(total == 0, 1, total)))


def twin_lstm(x: Array, w: Array, u: Array, b: Array, r: Array, clip: float = np.inf) -> tuple[Array, Array]:
    """Last h of an LSTM (gates i, f, g, o), and the relevance of x for the relevance r of that h."""
    n = u.shape[0]
    h, c, trace = np.zeros(n), np.zeros(n), []
    for xt in x:
        z = xt @ w + h @ u + b
        i, f, g, o = sigmoid(z[:n]), sigmoid(z[n : 2 * n]), np.tanh(z[2 * n : 3 * n]), sigmoid(z[3 * n :])
        trace.append((h, c, z[2 * n : 3 * n], i * g, f * c))
        c = np.clip(f * c + i * g, -clip, clip)
        h = o * np.tanh(c)
    rx, rc, rh = np.zeros_like(x), np.zeros(n), r
    for t in reversed(range(len(x))):
        before, _, zg, new, kept = trace[t]
        rc = rc + rh  # the output gate takes none
        rg, rc = split(new, new + kept, rc), split(kept, new + kept, rc)
        cell = slice(2 * n, 3 * n)
        rx[t] = linear(x[t], w[:, cell], zg, rg)
        rh = linear(before, u[:, cell], zg, rg)
    return h, rx


def twin_gru(x: Array, w: Array, u: Array, b: Array, r: Array) -> tuple[Array, Array]:
    """The same of a GRU (gates z, r, h) whose reset gate comes after the product; b is (2, 3 n)."""
    n = u.shape[0]
    h, trace = np.zeros(n), []
    for xt in x:
        a, q = xt @ w + b[0], h @ u + b[1]
        z, reset = sigmoid(a[:n] + q[:n]), sigmoid(a[n : 2 * n] + q[n : 2 * n])
        inner = a[2 * n :] + reset * q[2 * n :]
        new, kept = (1 - z) * np.tanh(inner), z * h
        trace.append((h, inner, reset, q[2 * n :], new, kept, a[n : 2 * n] + q[n : 2 * n]))
        h = new + kept
    rx, rh = np.zeros_like(x), r
    for t in reversed(range(len(x))):
        before, inner, reset, q, new, kept, gate = trace[t]
        rn, rk = split(new, new + kept, rh), split(kept, new + kept, rh)
        rx[t] = linear(x[t], w[:, 2 * n :], inner, rn)
        rq = split(reset * q, inner, rn)
        if t == 0:  # h is zero, q the bias alone: a gate times a constant is a signal
            rx[t] += linear(x[t], w[:, n : 2 * n], gate, rq)
        rh = rk + linear(before, u[:, 2 * n :], q, rq)
    return h, rx


def built(layer: Any, bias: bool = True) -> tuple[Any, Graph]:
    """A recurrent layer with random biases and a dense one, and its .tflite."""
    from converters import from_keras

    model = keras.Sequential(
        [keras.Input((TIME, FEATURES), batch_size=None), layer, keras.layers.Dense(3, use_bias=False)]
    )
    random = np.random.default_rng(3)
    for w in layer.weights:
        if "bias" in w.path:
            w.assign(random.normal(size=w.shape) * 0.5 * bias)
    return model, edgexai.load(from_keras(model))


@pytest.mark.parametrize("unroll", [True, False])
@pytest.mark.parametrize(("kind", "twin"), [("LSTM", twin_lstm), ("GRU", twin_gru)])
def test_relevance_is_the_twins(kind: str, twin: Any, unroll: bool) -> None:
    keras.utils.set_random_seed(1)
    layer = getattr(keras.layers, kind)(UNITS, unroll=unroll)
    model, graph = built(layer)
    assert any(op.kind == OpKind.WHILE for op in graph.ops) is not unroll
    explain = edgexai.attach(graph, "epsilon(1e-9)", channels="keep")
    w, u, b = (np.float64(v) for v in layer.get_weights())
    dense = np.float64(model.layers[-1].get_weights()[0])
    for x in np.random.default_rng(5).normal(size=(4, TIME, FEATURES)):
        logits, relevance, target, score = run(explain, x.astype(np.float32))
        assert np.array_equal(logits, run(graph, x.astype(np.float32))[0])
        h, _ = twin(x, w, u, b, np.zeros(UNITS))
        assert score[0] == pytest.approx((h @ dense)[target[0]], rel=1e-5)
        _, expected = twin(x, w, u, b, h * dense[:, target[0]])
        # single precision through seven steps of denominators, some of them small
        assert np.abs(relevance[0] - expected).max() <= 5e-4 * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_without_biases_nothing_is_lost(kind: str) -> None:
    keras.utils.set_random_seed(2)
    _, graph = built(keras.layers.Bidirectional(getattr(keras.layers, kind)(UNITS)), bias=False)
    explain = edgexai.attach(graph, "epsilon(1e-9)", channels="keep")
    for x in np.random.default_rng(6).normal(size=(4, TIME, FEATURES)).astype(np.float32):
        _, relevance, _, score = run(explain, x)
        assert relevance.sum() == pytest.approx(score[0], rel=1e-3)


def test_stacked_layers_hand_relevance_on() -> None:
    keras.utils.set_random_seed(3)
    layers = [keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.GRU(UNITS)]
    _, graph = built(keras.Sequential(layers), bias=False)
    x = np.random.default_rng(7).normal(size=(TIME, FEATURES)).astype(np.float32)
    _, relevance, _, score = run(edgexai.attach(graph, "epsilon(1e-9)", channels="keep"), x)
    assert relevance.sum() == pytest.approx(score[0], rel=1e-3)


def test_the_fused_operator_is_the_twins() -> None:
    random = np.random.default_rng(8)
    w, u, b = (random.normal(size=s) * 0.5 for s in ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), 4 * UNITS))
    graph = sequence_lstm(w, u, b)
    x = random.normal(size=(TIME, FEATURES))
    logits, relevance, target, _ = run(edgexai.attach(graph, "epsilon(1e-9)", channels="keep"), x.astype(np.float32))
    assert np.array_equal(logits, run(graph, x.astype(np.float32))[0])
    h, _ = twin_lstm(x, w, u, b, np.zeros(UNITS))
    _, expected = twin_lstm(x, w, u, b, h * np.eye(UNITS)[target[0]])
    assert np.abs(logits[0] - h).max() < 1e-5
    assert np.abs(relevance[0] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_a_second_sequence_begins_without_the_state_of_the_first() -> None:
    random = np.random.default_rng(0)
    w, u, b = (random.normal(size=shape) for shape in ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)))
    graph = sequence_lstm(w, u, b)
    content = serialize(with_predict(edgexai.attach(graph, "epsilon(1e-9)"), graph))
    x, other = random.normal(size=(2, TIME, FEATURES)).astype(np.float32)
    explainer = edgexai.Explainer(content)
    first = explainer(x)
    explainer(other)
    again = edgexai.Explainer(content)
    again.predict(other)
    for e in (explainer(x), again(x)):
        assert np.array_equal(e.outputs[0], first.outputs[0])
        assert np.array_equal(e.relevance, first.relevance)
    explainer.predict(other)
    assert np.array_equal(explainer.predict(x)[0], first.outputs[0])


@pytest.mark.parametrize("clip", [0.4, 10.0])
def test_a_clipped_cell_hands_its_relevance_on(clip: float) -> None:
    random = np.random.default_rng(8)
    w, u, b = (random.normal(size=s) for s in ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), 4 * UNITS))
    graph = sequence_lstm(w, u, b, cellClip=clip)
    x = random.normal(size=(TIME, FEATURES))
    logits, relevance, target, _ = run(edgexai.attach(graph, "epsilon(1e-9)", channels="keep"), x.astype(np.float32))
    h, _ = twin_lstm(x, w, u, b, np.zeros(UNITS), clip)
    _, expected = twin_lstm(x, w, u, b, h * np.eye(UNITS)[target[0]], clip)
    assert np.abs(logits[0] - h).max() < 1e-5
    assert np.abs(relevance[0] - expected).max() <= 1e-4 * np.abs(expected).max()


def test_coupled_gates_are_refused() -> None:
    random = np.random.default_rng(8)
    shapes = ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), 4 * UNITS)
    graph = sequence_lstm(*(random.normal(size=s) for s in shapes))
    op = graph.ops[0]
    coupled = replace(op, inputs=(op.inputs[0], -1, *op.inputs[2:]))
    with pytest.raises(UnsupportedOperator, match=r"coupled gates.*UNIDIRECTIONAL_SEQUENCE_LSTM \(operator 0"):
        edgexai.attach(replace(graph, ops=(coupled, *graph.ops[1:])))


def test_what_a_loop_cannot_carry_is_named_inside_it() -> None:
    _, graph = built(keras.layers.LSTM(UNITS))
    loop = next(op for op in graph.ops if op.kind == OpKind.WHILE)
    at = loop.options.bodySubgraphIndex - 1
    body = graph.subgraphs[at]
    ops = tuple(Op(OpKind.MATRIX_DIAG, op.inputs, op.outputs) if op.kind == OpKind.TANH else op for op in body.ops)
    subgraphs = tuple(replace(s, ops=ops) if i == at else s for i, s in enumerate(graph.subgraphs))
    with pytest.raises(UnsupportedOperator, match=r"MATRIX_DIAG inside WHILE \(operator 1"):
        edgexai.attach(replace(graph, subgraphs=subgraphs))
