"""Layers whose weights are computed, sums of many maps and scattered ones, by formulas written out."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import run, single

import edgexai
from edgexai.graph import Builder, DType, Graph, OpKind, serialize

RANDOM = np.random.default_rng(5)
W = RANDOM.normal(size=(3, 4)).astype(np.float32)


def test_weights_that_are_an_input_take_half() -> None:
    build = Builder(Graph((), (), (), ()), prefix="model")
    x, w = build.input("x", (1, 4)), build.input("w", (3, 4))
    graph = build.finish([build.dense(x, w)])
    explainer = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon(1e-9)", channels="keep")))
    a = RANDOM.normal(size=(1, 4)).astype(np.float32)
    e = explainer([a, W])
    right = a[0] * W[e.target] / 2
    assert np.allclose(e.relevance, right, rtol=1e-4, atol=1e-6)
    assert np.isclose(sum(m.sum() for m in e.maps), e.score, rtol=1e-4)


def test_weights_that_are_computed_from_constants_are_constants() -> None:
    def computed(build: Builder, x: int) -> int:
        turned = build.transpose(build.const(np.ascontiguousarray(W.T / 2)), (1, 0))
        return build.dense(x, build.add(turned, turned))

    x = RANDOM.normal(size=(1, 4)).astype(np.float32)
    for composite in ("epsilon", "epsilon_plus"):
        ours = run(edgexai.attach(single((1, 4), computed), composite), x)
        theirs = run(edgexai.attach(single((1, 4), lambda b, t: b.dense(t, b.const(W))), composite), x)
        assert np.allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-6)


def test_a_constant_on_the_left_leaves_all_to_the_right() -> None:
    left = RANDOM.normal(size=(2, 3)).astype(np.float32)

    def layer(build: Builder, x: int) -> int:
        y = build.op(OpKind.BATCH_MATMUL, [build.const(left), x], (2, 2), schema.BatchMatMulOptionsT())
        return build.reshape(y, (1, 4))

    x = RANDOM.normal(size=(3, 2)).astype(np.float32)
    explain = edgexai.attach(single((3, 2), layer), "epsilon(1e-9)", channels="keep")
    logits, relevance, target, score = run(explain, x)
    row, column = divmod(int(target[0]), 2)
    right = np.zeros((3, 2))
    right[:, column] = left[row] * x[:, column]
    assert np.allclose(relevance.reshape(3, 2), right, rtol=1e-4, atol=1e-6)
    assert score[0] == pytest.approx(logits[0, target[0]])


def test_each_of_many_summands_takes_its_share() -> None:
    def layer(build: Builder, x: int) -> int:
        parts = [x, build.mul(x, build.const(2.0)), build.const(np.ones((1, 4), np.float32))]
        return build.dense(build.op(OpKind.ADD_N, parts, (1, 4), schema.AddNOptionsT()), build.const(W))

    x = RANDOM.normal(size=(1, 4)).astype(np.float32)
    *_, relevance, target, _ = run(edgexai.attach(single((1, 4), layer), "epsilon(1e-9)"), x)
    assert np.allclose(relevance[0], 3 * x[0] * W[target[0]], rtol=1e-4, atol=1e-6)


def test_what_is_scattered_takes_what_arrived_at_its_place() -> None:
    places = np.array([[3], [0], [2]], np.int32)

    def layer(build: Builder, x: int) -> int:
        inputs = [build.const(places), build.reshape(x, (3,)), build.const([4])]
        y = build.op(OpKind.SCATTER_ND, inputs, (4,), schema.ScatterNdOptionsT())
        return build.dense(build.reshape(y, (1, 4)), build.const(W))

    x = RANDOM.normal(size=(1, 3)).astype(np.float32)
    *_, relevance, target, _ = run(edgexai.attach(single((1, 3), layer), "epsilon(1e-9)"), x)
    assert np.allclose(relevance[0], x[0] * W[target[0], places[:, 0]], rtol=1e-4, atol=1e-6)


def test_a_mask_of_whole_numbers_breaks_nothing() -> None:
    """A mask of whole numbers that only chooses is explained with what it multiplies, and nothing breaks."""

    def layer(build: Builder, x: int, mask: int) -> int:
        kept = build.cast(mask, DType.FLOAT32)
        return build.dense(build.mul(x, kept), build.const(W))

    build = Builder(Graph((), (), (), ()), prefix="model")
    x, mask = build.input("x", (1, 4)), build.input("mask", (1, 4), DType.INT32)
    graph = build.finish([layer(build, x, mask)])
    e = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon")))(
        [RANDOM.normal(size=(1, 4)).astype(np.float32), np.array([[1, 0, 1, 1]], np.int32)]
    )
    assert np.isclose(sum(m.sum() for m in e.maps), e.score, rtol=1e-3)
    assert e.relevance[1] == 0
