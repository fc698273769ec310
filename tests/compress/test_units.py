"""Coupled units of converted Keras models: heads, LSTM units, concatenations, flattened maps; against masked twins."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from models import run
from sequence_lstm import FEATURES, TIME, UNITS, sequence_lstm

import edgexai
from edgexai.compress.channels.coupling import couple
from edgexai.compress.channels.labels import FROZEN
from edgexai.compress.measure.execute import forward
from edgexai.compress.measure.macs import total_macs
from edgexai.compress.measure.profile import profile_relevance
from edgexai.compress.prune.shrink import shrink
from edgexai.compress.quantize.int8 import quantize
from edgexai.graph import Graph, OpKind, serialize

keras = pytest.importorskip("keras", reason="Keras makes the models")


def chain() -> Any:
    layers = keras.layers
    return [layers.Conv2D(6, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(5, 3), layers.Flatten()]


def residual() -> Any:
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(7, 3, padding="same", activation="relu")(x)
    x = layers.Add()([x, layers.Conv2D(6, 3, padding="same")(y)])
    return inputs, layers.GlobalAveragePooling2D()(layers.ReLU()(x))


def joined() -> Any:
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 2))
    a = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = layers.DepthwiseConv2D(3, padding="same", activation="relu")(layers.Conv2D(5, 1, activation="relu")(x))
    return inputs, layers.Flatten()(layers.Conv2D(3, 3)(layers.Concatenate()([a, b])))


def attention() -> Any:
    layers = keras.layers
    x = inputs = keras.Input((6, 8))
    x = layers.Dense(12)(x)
    x = layers.Add()([x, layers.MultiHeadAttention(3, 4)(x, x)])
    return inputs, layers.GlobalAveragePooling1D()(x)


def recurrent() -> Any:
    layers = keras.layers
    x = inputs = keras.Input((5, 4))
    x = layers.LSTM(6, unroll=True, return_sequences=True)(x)
    return inputs, layers.LSTM(7, unroll=True)(x)


def flat() -> Any:
    x = inputs = keras.Input((12, 12, 2))
    for layer in chain():
        x = layer(x)
    return inputs, x


MODELS: dict[str, tuple[Callable[[], Any], list[int]]] = {
    "flat": (flat, [5, 6]),
    "residual": (residual, [6, 7]),
    "joined": (joined, [3, 4, 5]),
    "attention": (attention, [3, 12]),
    "recurrent": (recurrent, [6, 7]),
}
"""Each model, and how many units are free to go in each of its groups."""


@cache
def converted(name: str) -> Graph:
    from converters import from_keras

    keras.utils.set_random_seed(1)
    inputs, x = MODELS[name][0]()
    model = keras.Model(inputs, keras.layers.Dense(4)(x))
    random = np.random.default_rng(2)
    for w in model.weights:
        if "bias" in w.path:
            w.assign(0.3 * random.normal(size=w.shape))
    return edgexai.load(from_keras(model))


def samples(graph: Graph, n: int = 4) -> Any:
    return np.random.default_rng(5).normal(size=(n, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)


def thinned(graph: Graph) -> tuple[Any, Any]:
    coupling = couple(graph)
    keep = np.ones(coupling.size, bool)
    for group in coupling.groups:
        keep[group.labels[1::3]] = False
    return coupling, keep


def deafened(graph: Graph, keep: Any) -> Graph:
    """The graph in its old size with weights of zero wherever a unit is read that goes: the twin of a pruned one."""
    coupling = couple(graph)
    tensors, ops = list(graph.tensors), list(graph.ops)
    for i, labels in coupling.reads.items():
        kernel = graph.tensors[ops[i].inputs[1]]
        values = kernel.array.copy()
        values[..., ~keep[labels]] = 0
        tensors.append(replace(kernel, data=np.ascontiguousarray(values).reshape(-1).view(np.uint8)))
        ops[i] = replace(ops[i], inputs=(ops[i].inputs[0], len(tensors) - 1, *ops[i].inputs[2:]))
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


@pytest.mark.parametrize("name", MODELS)
def test_units_go_physically_and_the_rest_computes_what_the_masked_model_does(name: str) -> None:
    graph = converted(name)
    coupling, keep = thinned(graph)
    assert FROZEN not in np.concatenate([g.labels for g in coupling.groups])
    assert sorted(len(g.labels) for g in coupling.groups) == sorted(MODELS[name][1])
    small = shrink(graph, coupling, keep)
    assert len(serialize(small)) < len(serialize(graph))
    assert total_macs(small) < total_macs(graph)
    x = samples(graph)
    wanted = forward(deafened(graph, keep), x)[0]
    np.testing.assert_allclose(forward(small, x)[0], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["flat", "residual", "joined"])
def test_int8_survivors_keep_every_bit(name: str) -> None:
    graph = quantize(converted(name), samples(converted(name), 20))
    coupling, keep = thinned(graph)
    small = shrink(graph, coupling, keep)
    for op, cut in zip(graph.ops, small.ops, strict=True):
        if op.kind not in (OpKind.CONV_2D, OpKind.FULLY_CONNECTED):
            continue
        line = coupling.lines.get(op.outputs[0])
        old, new = (g.tensors[o.inputs[1]] for g, o in ((graph, op), (small, cut)))
        wanted = old.array if line is None else old.array[keep[line.labels]]
        reads = coupling.reads[graph.ops.index(op)]
        np.testing.assert_array_equal(new.array, wanted[..., keep[reads]])
        assert set(new.quantization.scale) <= set(old.quantization.scale)
    x = samples(graph)
    np.testing.assert_array_equal(forward(small, x)[0], forward(deafened(graph, keep), x)[0])


@pytest.mark.parametrize("name", ["attention", "recurrent"])
def test_heads_and_lstm_units_go_by_relevance_to_a_budget(name: str) -> None:
    graph = converted(name)
    x = samples(graph, 6)
    small = edgexai.prune(graph, profile_relevance(graph, x), 0.7, repair="bias")
    assert total_macs(small) <= 0.7 * total_macs(graph)
    assert run(small, x[:1])[0].shape == (1, 4)


def test_fused_lstm_units_go_with_their_gates_and_states() -> None:
    random = np.random.default_rng(8)
    graph = sequence_lstm(*(random.normal(size=s) for s in ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), 4 * UNITS)))
    last = graph.ops[-1]
    reader = graph.tensors[last.inputs[1]]
    coupling = couple(graph)
    (group,) = (g for g in coupling.groups if graph.ops[0].outputs[0] in g.tensors)
    assert len(group.labels) == UNITS
    keep = np.ones(coupling.size, bool)
    keep[group.labels[1]] = False
    small = shrink(graph, coupling, keep)
    assert small.tensors[small.ops[0].outputs[0]].shape == (1, TIME, UNITS - 1)
    x = random.normal(size=(1, TIME, FEATURES)).astype(np.float32)
    silent = list(graph.tensors)
    for n in range(5, 9):  # nobody hears the unit
        kernel = silent[graph.ops[0].inputs[n]]
        values = kernel.array.copy()
        values[:, 1] = 0
        silent[graph.ops[0].inputs[n]] = replace(kernel, data=values.reshape(-1).view(np.uint8))
    values = reader.array.copy()
    values[:, 1] = 0
    silent[last.inputs[1]] = replace(reader, data=values.reshape(-1).view(np.uint8))
    wanted = run(replace(graph, tensors=tuple(silent)), x)[0]
    np.testing.assert_allclose(run(small, x)[0], wanted, rtol=1e-4, atol=1e-5)
