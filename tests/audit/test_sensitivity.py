"""Class sensitivity and randomization of a composite, on networks where the answer is known."""

import numpy as np
import pytest
from models import golden, single

import edgexai
from edgexai.audit.quality import all_randomized, between_classes, histogram_entropy, randomized, top_randomized
from edgexai.graph import Builder, Graph, OpKind

RANDOM = np.random.default_rng(0)


def network(w: np.ndarray) -> Graph:
    return single((1, 6, 6, 2), lambda b, x: _layers(b, x, w))


def _layers(b: Builder, x: int, w: np.ndarray) -> int:
    first = np.random.default_rng(1).normal(size=(5, 3, 3, 2)).astype(np.float32)
    y = b.conv(x, b.const(first), b.const(np.zeros(5, np.float32)), padding="VALID", activation="RELU")
    return b.dense(b.reshape(y, (1, 80)), b.const(w.astype(np.float32)), b.const(np.zeros(len(w), np.float32)))


def test_classes_of_the_same_weights_have_the_same_map() -> None:
    row = RANDOM.normal(size=80)
    x = RANDOM.normal(size=(4, 6, 6, 2)).astype(np.float32)
    assert between_classes(network(np.stack([row, row * 0.5])), x, "epsilon") == pytest.approx(1, abs=1e-4)
    assert between_classes(network(np.stack([row, -row])), x, "epsilon") == pytest.approx(-1, abs=1e-4)


def test_shuffling_keeps_what_weights_there_are() -> None:
    graph = edgexai.load(golden("cnn")[0])
    other, top = randomized(graph, 3), randomized(graph, 3, top=True)
    moved = [a is not b for a, b in zip(graph.tensors, top.tensors, strict=True)]
    dense = [op for op in graph.ops if op.kind == OpKind.FULLY_CONNECTED][-1]
    assert [i for i, m in enumerate(moved) if m] == [dense.inputs[1]]
    for a, b in zip(graph.tensors, other.tensors, strict=True):
        assert a.data is None or sorted(a.data.tobytes()) == sorted(b.data.tobytes())


def test_maps_change_with_the_weights_that_they_explain() -> None:
    path, known = golden("cnn")
    graph, x = edgexai.load(path), known["x"]
    assert np.median(top_randomized(graph, x, "epsilon")) < 0.9
    assert all_randomized(graph, x, "epsilon").shape == (len(x),)
    assert np.isfinite(all_randomized(graph, x, "epsilon_plus")).all()


def test_entropy_is_that_of_the_histogram() -> None:
    assert histogram_entropy(np.zeros((1, 4, 4))) == 0
    assert histogram_entropy(np.linspace(0, 1, 10_000)[None]) == pytest.approx(np.log(100), rel=1e-3)
