"""Refit to the answers: derivatives against finite differences, and leads that come nearer on samples not fitted."""

from dataclasses import replace

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.compress.repair.answers import (
    Layer,
    conjugate,
    derivatives,
    directions,
    layers_of,
    lead,
    logits,
    mixtures_of,
    opposed,
    refit_leads,
)
from edgexai.compress.repair.least_squares import with_weights
from edgexai.graph import Graph, OpKind


def case(name: str, n: int) -> tuple[Graph, np.ndarray]:
    graph = edgexai.load(golden(name)[0])
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    return graph, np.random.default_rng(3).normal(size=(n, *shape)).astype(np.float32)


def shaken(graph: Graph, by: float) -> Graph:
    """The graph with its linear layers' weights disturbed."""
    random = np.random.default_rng(5)
    for i, op in enumerate(graph.ops):
        if op.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED):
            kernel, bias = (graph.tensors[t].array for t in op.inputs[1:3])
            graph = with_weights(graph, i, kernel * (1 + by * random.normal(size=kernel.shape)), bias)
    return graph


def moved(graph: Graph, layer: Layer, output: int, tap: int, by: float) -> Graph:
    """The graph with one weight changed, or with the last tap a bias."""
    op = graph.ops[layer.op]
    kernel, bias = (graph.tensors[t].array for t in op.inputs[1:3])
    step = np.zeros(layer.shape, np.float32)
    step[output, tap] = by
    turned = step[:, :-1].T if op.kind == OpKind.DEPTHWISE_CONV_2D else step[:, :-1]
    return with_weights(graph, layer.op, kernel + turned.reshape(kernel.shape), bias + step[:, -1])


@pytest.mark.parametrize("name", ["dscnn", "resnet", "mlp"])
def test_derivatives_are_those_of_finite_differences(name: str) -> None:
    graph, x = case(name, 3)
    sides = directions(logits(graph, x))
    layers = layers_of(graph, x)
    plain = [replace(a, white=np.broadcast_to(np.eye(a.shape[1], dtype="f4"), a.white.shape)) for a in layers]
    slopes = derivatives(graph, plain, x, sides)
    end = 0
    for layer in layers:
        for output, tap in ((0, 0), (layer.shape[0] - 1, 1), (0, layer.shape[1] - 1)):
            up, down = (lead(logits(moved(graph, layer, output, tap, by), x), sides) for by in (1e-3, -1e-3))
            expected = (up - down).ravel() / 2e-3
            found = slopes[:, end + output * layer.shape[1] + tap]
            assert np.median(np.abs(found - expected)) < 0.02 * np.abs(expected).max() + 2e-3
        end += layer.size
    assert end == slopes.shape[1]


def test_conjugate_gradients_find_the_least_squares_solution() -> None:
    random = np.random.default_rng(0)
    matrix, wanted = random.normal(size=(40, 6)).astype(np.float32), random.normal(size=40).astype(np.float32)
    expected = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    np.testing.assert_allclose(conjugate(matrix, wanted, 20), expected, atol=1e-4)
    assert not conjugate(matrix, np.zeros(40, np.float32), 3).any()


@pytest.mark.parametrize("is_opposed", [False, True])
@pytest.mark.parametrize("name", ["dscnn", "resnet"])
def test_leads_come_nearer_also_on_samples_that_were_not_fitted(name: str, is_opposed: bool) -> None:
    graph, x = case(name, 200)
    wanted, sides = logits(graph, x), directions(logits(graph, x))
    worse = shaken(graph, 0.2)

    def distance(other: Graph, part: slice) -> float:
        return float(np.square(lead(wanted, sides) - lead(logits(other, x), sides))[part].sum())

    better = refit_leads(worse, graph, lambda count: x[:150], is_opposed)
    assert distance(better, slice(150)) < 0.5 * distance(worse, slice(150))
    assert distance(better, slice(150, None)) < 0.8 * distance(worse, slice(150, None))
    assert [t.shape for t in better.tensors[: len(graph.tensors)]] == [t.shape for t in graph.tensors]


@pytest.mark.parametrize("name", ["dscnn", "resnet"])
def test_opposed_samples_are_those_where_two_models_differ_more(name: str) -> None:
    graph, x = case(name, 60)
    other, far = shaken(graph, 0.2), np.full_like(x, 0.05)
    moved = opposed(other, graph, x, far)
    np.testing.assert_allclose(np.abs(moved - x), far, atol=1e-6)
    sides = directions(logits(graph, x))
    before, after, away = (
        float(np.square(lead(logits(other, at) - logits(graph, at), sides)).sum()) for at in (x, moved, 2 * x - moved)
    )
    assert after > 1.1 * before > 1.1 * 1.02 * away


def test_mixtures_are_new_each_time() -> None:
    graph, x = case("resnet", 20)
    draw, _ = mixtures_of(graph, x)
    first, second = draw(30), draw(30)
    assert first.shape == (30, *x.shape[1:])
    assert not np.isclose(first, second).all(axis=(1, 2, 3)).any()
