"""Operators that public models have: tables, gathers, sparse weights, memories, composites, and several inputs."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers
from models import run, single
from shared import SHARED, needs_shared

import edgexai
from edgexai.cli import main
from edgexai.errors import ConfigError, DataError, ModelError, UnsupportedOperator
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Tensor, load, serialize
from edgexai.runtime.interpreter import Interpreter

RANDOM = np.random.default_rng(0)
W = RANDOM.normal(size=(3, 4)).astype(np.float32)


def built(inputs: list[tuple[str, tuple[int, ...], DType]], layer: Callable[..., int]) -> Graph:
    build = Builder(Graph((), (), (), ()), prefix="model")
    return build.finish([layer(build, *(build.input(*i) for i in inputs))])


def explained(graph: Graph, *xs: Any, **options: Any) -> Any:
    explainer = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon(1e-9)", channels="keep", **options)))
    e = explainer(xs[0] if len(xs) == 1 else list(xs))
    for ours, theirs in zip(e.outputs, Interpreter(serialize(graph)).run(*xs), strict=True):
        assert np.array_equal(ours, theirs)
    return e


def test_a_token_takes_the_relevance_of_its_row() -> None:
    table = RANDOM.normal(size=(10, 4)).astype(np.float32)

    def layer(build: Builder, ids: int) -> int:
        rows = build.op(OpKind.GATHER, [build.const(table), ids], (1, 5, 4), schema.GatherOptionsT(axis=0))
        mean = build.op(OpKind.MEAN, [rows, build.const([1])], (1, 4), schema.ReducerOptionsT())
        return build.dense(mean, build.const(W))

    ids = np.array([[3, 1, 4, 1, 9]], np.int32)
    e = explained(built([("ids", (1, 5), DType.INT32)], layer), ids)
    right = (table[ids[0]] / 5 * W[e.target]).sum(1)
    assert e.relevance.shape == (5,)
    assert np.allclose(e.relevance, right, rtol=1e-4, atol=1e-6)
    assert e.conservation == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("kind", [DType.INT32, DType.FLOAT32], ids=lambda k: k.name)
def test_a_token_may_count_from_the_end(kind: DType) -> None:
    table = RANDOM.normal(size=(10, 4)).astype(np.float32)

    def layer(build: Builder, x: int) -> int:
        ids = build.cast(x, DType.INT32) if kind == DType.FLOAT32 else x
        below = build.op(OpKind.LESS, [ids, build.const(np.int32(0))], (1, 5), schema.LessOptionsT(), dtype=DType.BOOL)
        up = build.op(OpKind.ADD, [ids, build.const(np.int32(10))], (1, 5), schema.AddOptionsT(), dtype=DType.INT32)
        wrapped = build.op(OpKind.SELECT, [below, up, ids], (1, 5), schema.SelectOptionsT(), dtype=DType.INT32)
        rows = build.op(OpKind.GATHER, [build.const(table), wrapped], (1, 5, 4), schema.GatherOptionsT(axis=0))
        mean = build.op(OpKind.MEAN, [rows, build.const([1])], (1, 4), schema.ReducerOptionsT())
        return build.dense(mean, build.const(W))

    ids = np.array([[3, -1, 4, -10, 9]], np.int32)
    e = explained(built([("ids", (1, 5), kind)], layer), ids.astype(np.float32 if kind == DType.FLOAT32 else np.int32))
    assert np.allclose(e.relevance, (table[ids[0]] / 5 * W[e.target]).sum(1), rtol=1e-4, atol=1e-6)


def test_a_lookup_of_embeddings_is_a_gather() -> None:
    table = RANDOM.normal(size=(10, 4)).astype(np.float32)

    def layer(build: Builder, ids: int) -> int:
        rows = build.op(OpKind.EMBEDDING_LOOKUP, [ids, build.const(table)], (5, 4), None)
        return build.dense(build.reshape(rows, (1, 20)), build.const(np.tile(W, (1, 5))))

    ids = np.array([3, 1, 4, 1, 9], np.int32)
    build = built([("ids", (5,), DType.INT32)], layer)
    explain = edgexai.attach(build, "epsilon(1e-9)")
    *_, relevance, target, _ = run(explain, ids)
    assert np.allclose(relevance, (table[ids] * W[target[0]]).sum(1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [DType.INT32, DType.INT64])
def test_what_computed_indices_picked_goes_back_to_its_place(dtype: DType) -> None:
    def layer(build: Builder, x: int, ids: int) -> int:
        options = schema.GatherOptionsT(axis=1)
        picked = build.op(OpKind.GATHER, [x, ids], (1, 4), options)
        return build.dense(picked, build.const(W))

    x = RANDOM.normal(size=(1, 6)).astype(np.float32)
    ids = np.array([5, 0, 0, 2], np.int32 if dtype == DType.INT32 else np.int64)
    e = explained(built([("x", (1, 6), DType.FLOAT32), ("ids", (4,), dtype)], layer), x, ids)
    right = np.zeros(6)
    np.add.at(right, ids, x[0, ids] * W[e.target])
    assert np.allclose(e.relevance, right, rtol=1e-4, atol=1e-6)
    assert len(e.maps) == 2


def test_gather_nd_goes_back_to_its_places() -> None:
    def layer(build: Builder, x: int) -> int:
        places = build.const(np.array([[0, 1], [2, 0], [0, 1], [1, 1]], np.int32))
        picked = build.op(OpKind.GATHER_ND, [x, places], (4,), schema.GatherNdOptionsT())
        return build.dense(build.reshape(picked, (1, 4)), build.const(W))

    x = RANDOM.normal(size=(3, 2)).astype(np.float32)
    *_, relevance, target, _ = run(edgexai.attach(single((3, 2), layer), "epsilon(1e-9)", channels="keep"), x)
    right = np.zeros((3, 2))
    for (i, j), w in zip([(0, 1), (2, 0), (0, 1), (1, 1)], W[target[0]], strict=True):
        right[i, j] += x[i, j] * w
    assert np.allclose(relevance, right, rtol=1e-4, atol=1e-6)


def test_the_largest_values_go_back_to_their_places() -> None:
    def layer(build: Builder, x: int) -> int:
        for name, dtype in (("values", DType.FLOAT32), ("places", DType.INT32)):
            build.tensors.append(Tensor(name, (1, 4), dtype))
        values = len(build.tensors) - 2
        build.ops.append(Op(OpKind.TOPK_V2, (x, build.const(np.array(4, np.int32))), (values, values + 1)))
        return build.dense(values, build.const(W))

    x = RANDOM.normal(size=(1, 9)).astype(np.float32)
    e = explained(single((1, 9), layer), x)
    order = np.argsort(-x[0])[:4]
    right = np.zeros(9)
    right[order] = x[0, order] * W[e.target]
    assert np.allclose(e.relevance, right, rtol=1e-4, atol=1e-6)


def gradient_times_input(graph: Graph, x: Any, target: int) -> Any:
    """Of a model that is linear near x, by a difference for each value; x times it is what LRP-ε gives."""
    content = Interpreter(serialize(graph))
    before = content.run(x)[0].reshape(-1)[target]
    right = np.zeros(x.size)
    for i in range(x.size):
        moved = x.copy().reshape(-1)
        moved[i] *= 1 + 2**-7
        right[i] = (content.run(moved.reshape(x.shape))[0].reshape(-1)[target] - before) * 2**7
    return right


@pytest.mark.parametrize("rows", [1, 3])
def test_the_largest_of_each_row_go_back(rows: int) -> None:
    def layer(build: Builder, x: int) -> int:
        for name, dtype in (("values", DType.FLOAT32), ("places", DType.INT32)):
            build.tensors.append(Tensor(name, (1, rows, 4), dtype))
        values = len(build.tensors) - 2
        build.ops.append(Op(OpKind.TOPK_V2, (x, build.const(np.array(4, np.int32))), (values, values + 1)))
        return build.dense(build.reshape(values, (1, 4 * rows)), build.const(np.tile(W, (1, rows))))

    x = RANDOM.normal(size=(1, rows, 9)).astype(np.float32)
    graph = single(x.shape, layer)
    e = explained(graph, x)
    assert np.allclose(e.relevance.reshape(-1), gradient_times_input(graph, x, e.target), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("batches", [1, 3])
def test_what_was_picked_anew_in_each_batch_goes_back(batches: int) -> None:
    picks = np.array([[3, 1, 3, 0], [4, 4, 4, 4], [0, 1, 2, 3]], np.int32)[:batches]

    def layer(build: Builder, x: int) -> int:
        options = schema.GatherOptionsT(axis=1, batchDims=1)
        rows = build.op(OpKind.GATHER, [x, build.const(picks)], (batches, 4, 2), options)
        return build.dense(build.reshape(rows, (1, 8 * batches)), build.const(np.tile(W, (1, 2 * batches))))

    x = RANDOM.normal(size=(batches, 5, 2)).astype(np.float32)
    graph = single(x.shape, layer)
    e = explained(graph, x)
    assert np.allclose(e.relevance.reshape(-1), gradient_times_input(graph, x, e.target), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_share_out(exclusive: bool, reverse: bool) -> None:
    def layer(build: Builder, x: int) -> int:
        options = schema.CumsumOptionsT(exclusive=exclusive, reverse=reverse)
        sums = build.op(OpKind.CUMSUM, [x, build.const(np.int32(1))], (1, 4), options)
        return build.dense(sums, build.const(W))

    x = RANDOM.uniform(1, 2, (1, 4)).astype(np.float32)
    graph = single((1, 4), layer)
    e = explained(graph, x)
    assert np.allclose(e.relevance.reshape(-1), gradient_times_input(graph, x, e.target), rtol=1e-2, atol=1e-3)


def test_a_reversed_beginning_goes_back() -> None:
    def layer(build: Builder, x: int) -> int:
        options = schema.ReverseSequenceOptionsT(seqDim=1, batchDim=0)
        turned = build.op(OpKind.REVERSE_SEQUENCE, [x, build.const(np.array([3], np.int32))], (1, 4), options)
        return build.dense(turned, build.const(W))

    x = RANDOM.normal(size=(1, 4)).astype(np.float32)
    graph = single((1, 4), layer)
    e = explained(graph, x)
    assert np.allclose(e.relevance.reshape(-1), gradient_times_input(graph, x, e.target), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", [DType.UINT8, DType.INT8, DType.INT32], ids=lambda k: k.name)
def test_whole_numbers_without_a_scale_are_what_they_are(kind: DType) -> None:
    """Raw pixels, cast and scaled inside the model."""

    def layer(build: Builder, x: int) -> int:
        return build.dense(build.mul(build.cast(x, DType.FLOAT32), build.const(1 / 255)), build.const(W))

    x = np.array([[3, 100, 0, 77]], {DType.UINT8: np.uint8, DType.INT8: np.int8, DType.INT32: np.int32}[kind])
    e = explained(built([("x", (1, 4), kind)], layer), x)
    assert np.allclose(e.relevance.reshape(-1), x[0] / 255 * W[e.target], rtol=1e-4, atol=1e-6)


def test_steps_take_no_relevance_and_say_so() -> None:
    def layer(build: Builder, x: int) -> int:
        return build.dense(build.add(x, build.op(OpKind.FLOOR, [x], (1, 4))), build.const(W))

    explain = edgexai.attach(single((1, 4), layer), "epsilon")
    (note,) = edgexai.Explainer(serialize(explain)).metadata.notes
    assert "FLOOR (operator 0" in note

    def nothing_else(build: Builder, x: int) -> int:
        return build.dense(build.op(OpKind.FLOOR, [x], (1, 4)), build.const(W))

    with pytest.raises(ConfigError, match=r"no relevance reaches the input .*FLOOR"):
        edgexai.attach(single((1, 4), nothing_else))


def sparse(array: Any) -> Tensor:
    """A matrix by rows, compressed within each row."""
    rows, columns = np.nonzero(array)
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(array)))])
    dims = [
        schema.DimensionMetadataT(format=0, denseSize=array.shape[0]),
        schema.DimensionMetadataT(
            format=1,
            arraySegmentsType=1,
            arraySegments=schema.Int32VectorT(values=ends.astype(np.int32)),
            arrayIndicesType=1,
            arrayIndices=schema.Int32VectorT(values=columns.astype(np.int32)),
        ),
    ]
    rest = schema.TensorT(
        sparsity=schema.SparsityParametersT(traversalOrder=np.array([0, 1], np.int32), dimMetadata=dims)
    )
    return Tensor("w", array.shape, DType.FLOAT32, array[rows, columns].view(np.uint8), rest=rest)


def test_sparse_weights_are_read() -> None:
    w = np.where(RANDOM.random((3, 4)) < 0.5, W, 0).astype(np.float32)
    tensor = sparse(w)
    assert np.array_equal(tensor.array, w)

    def layer(build: Builder, x: int) -> int:
        build.tensors.append(tensor)
        full = build.op(OpKind.DENSIFY, [len(build.tensors) - 1], (3, 4), schema.DensifyOptionsT())
        return build.dense(x, full)

    graph = load(serialize(single((1, 4), layer)))
    x = RANDOM.normal(size=(1, 4)).astype(np.float32)
    e = explained(graph, x)
    assert np.allclose(e.relevance, x[0] * w[e.target], rtol=1e-4, atol=1e-6)


def test_sparse_weights_that_contradict_themselves_are_refused() -> None:
    tensor = sparse(np.eye(4, dtype=np.float32))
    for change in (
        {"shape": (2, 4)},
        {"shape": (1 << 20, 1 << 10)},
        {"data": tensor.data[:-4]},  # type: ignore[index]
    ):
        with pytest.raises(ModelError, match="sparse"):
            _ = replace(tensor, **change).array
    tensor.rest.sparsity.dimMetadata[1].arraySegments.values = np.array([0, 1 << 30, -5, 2, 4], np.int32)
    with pytest.raises(ModelError, match="sparse"):
        _ = tensor.array


def test_a_memory_keeps_what_is_about_the_steps_before() -> None:
    features, units, memory = 5, 4, 3
    wf = RANDOM.normal(size=(units, features)).astype(np.float32)
    wt = RANDOM.normal(size=(units, memory)).astype(np.float32)
    bias = RANDOM.normal(size=units).astype(np.float32)

    def layer(build: Builder, x: int) -> int:
        build.tensors.append(Tensor("memory", (1, units * memory), DType.FLOAT32, is_variable=True))
        kept = len(build.tensors) - 1
        inputs = [x, build.const(wf), build.const(wt), build.const(bias), kept]
        y = build.op(OpKind.SVDF, inputs, (1, units), schema.SVDFOptionsT(rank=1))
        return build.dense(y, build.const(W))

    explainer = edgexai.Explainer(serialize(edgexai.attach(single((1, features), layer), "epsilon(1e-9)")))
    xs = RANDOM.normal(size=(memory + 2, 1, features)).astype(np.float32)
    heard = np.stack([np.zeros(units)] * (memory - 1) + [x[0] @ wf.T for x in xs])
    for t, x in enumerate(xs):
        e = explainer(x)
        window = heard[t : t + memory]
        y = bias + (window * wt.T).sum(0)
        logits = W @ y
        assert np.allclose(e.outputs[0], logits, atol=1e-4)
        right = x[0] * ((W[e.target] * wt[:, -1]) @ wf)
        past = (W[e.target] * (window[:-1] * wt.T[:-1]).sum(0)).sum()
        assert np.allclose(e.relevance, right, rtol=1e-3, atol=1e-4)
        assert e.state == pytest.approx(past, rel=1e-3, abs=1e-4)
        assert e.conservation == pytest.approx(1 - (W[e.target] @ bias) / e.score, rel=1e-3)


def test_a_composite_operator_is_its_parts() -> None:
    part = single((1, 4), lambda build, x: build.relu(build.dense(x, build.const(np.eye(4, dtype=np.float32) * 2))))

    def layer(build: Builder, x: int) -> int:
        y = build.op(OpKind.RESHAPE, [x, build.const([1, 4])], (1, 4), schema.ReshapeOptionsT(newShape=[1, 4]))
        build.tensors.append(Tensor("y", (1, 4)))
        told = schema.StableHLOCompositeOptionsT(
            name="edgexai.test",
            decompositionSubgraphIndex=1,
            compositeAttributes=np.frombuffer(flexbuffers.Dumps({}), np.uint8),
        )
        rest = schema.OperatorT(
            builtinOptions2Type=schema.BuiltinOptions2.StableHLOCompositeOptions, builtinOptions2=told
        )
        build.ops.append(Op(OpKind.STABLEHLO_COMPOSITE, (y,), (len(build.tensors) - 1,), rest=rest))
        return build.dense(build.ops[-1].outputs[0], build.const(W))

    graph = replace(single((1, 4), layer), subgraphs=(part,))
    x = RANDOM.normal(size=(1, 4)).astype(np.float32)
    e = explained(graph, x)
    assert np.allclose(e.relevance, np.maximum(2 * x[0], 0) * W[e.target], rtol=1e-4, atol=1e-6)


def transposed_bias(custom: bool) -> Graph:
    w = np.random.default_rng(1).normal(size=(2, 2, 2, 3)).astype(np.float32)
    b = np.array([0.1, -0.2], np.float32)

    def layer(build: Builder, x: int) -> int:
        if not custom:
            y = build.transpose_conv(x, build.const(w), (1, 8, 8, 2), (2, 2), "SAME")
            op = build.ops.pop()
            build.ops.append(replace(op, inputs=(*op.inputs, build.const(b)), version=3))
            return y
        inputs = (x, build.const(w), build.const(b))
        build.tensors.append(Tensor("y", (1, 8, 8, 2)))
        options = np.frombuffer(np.array([1, 2, 2], "<i4").tobytes(), np.uint8)
        op = Op(
            OpKind.CUSTOM,
            inputs,
            (len(build.tensors) - 1,),
            custom="Convolution2DTransposeBias",
            rest=schema.OperatorT(customOptions=options),
        )
        build.ops.append(op)
        return op.outputs[0]

    return single((1, 4, 4, 3), layer)


def test_the_transposed_convolution_of_mediapipe_is_the_builtin_one() -> None:
    x = RANDOM.normal(size=(1, 4, 4, 3)).astype(np.float32)
    found = [run(edgexai.attach(transposed_bias(c), "epsilon_plus", channels="keep"), x) for c in (True, False)]
    assert np.allclose(found[0][1], found[1][1], atol=1e-5)
    assert found[0][2] == found[1][2]


def two_inputs() -> Graph:
    def layer(build: Builder, a: int, b: int) -> int:
        joined = build.concat([a, build.reshape(build.op(OpKind.NEG, [b], (1, 2), schema.NegOptionsT()), (1, 2))], 1)
        return build.dense(joined, build.const(W))

    return built([("a", (1, 2), DType.FLOAT32), ("b", (1, 2), DType.FLOAT32)], layer)


def test_every_input_has_its_map() -> None:
    a, b = RANDOM.normal(size=(2, 1, 2)).astype(np.float32)
    e = explained(two_inputs(), a, b)
    assert np.allclose(e.relevance, a[0] * W[e.target, :2], rtol=1e-4)
    assert np.allclose(e.more[0], -b[0] * W[e.target, 2:], rtol=1e-4)
    assert e.conservation == pytest.approx(1, rel=1e-4)


def test_several_inputs_go_by_order_or_by_name() -> None:
    a, b = RANDOM.normal(size=(2, 1, 2)).astype(np.float32)
    explainer = edgexai.Explainer(serialize(edgexai.attach(two_inputs())))
    by_order, by_name = explainer([a, b]), explainer({"b": b, "a": a})
    assert all(np.array_equal(m, n) for m, n in zip(by_order.maps, by_name.maps, strict=True))
    with pytest.raises(DataError, match="takes 2 inputs"):
        explainer(a)
    with pytest.raises(DataError, match="takes inputs 'a', 'b', not 'a'"):
        explainer({"a": a})


def test_an_input_that_does_not_matter_has_a_map_of_zeros() -> None:
    graph = built(
        [("x", (1, 4), DType.FLOAT32), ("flag", (1,), DType.BOOL)],
        lambda build, x, flag: build.dense(x, build.const(W)),
    )
    e = explained(graph, RANDOM.normal(size=(1, 4)).astype(np.float32), np.array([True]))
    assert np.array_equal(e.more[0], np.zeros(())) or not e.more[0].any()


def test_one_input_is_as_it_was() -> None:
    graph = edgexai.attach(single((1, 4), lambda build, x: build.dense(x, build.const(W))))
    assert [graph.tensors[t].name for t in graph.outputs][1:] == ["relevance", "target", "score"]
    assert b'"outputs"' not in graph.metadata["edgexai"]


def test_a_refusal_names_the_grids_that_help() -> None:
    def layer(build: Builder, x: int) -> int:
        y = build.op(OpKind.MATRIX_DIAG, [x], (1, 8, 8, 2))
        y = build.conv(y, build.const(np.ones((2, 1, 1, 2), np.float32)), build.const(np.zeros(2, np.float32)), (2, 2))
        return build.dense(build.reshape(y, (1, 32)), build.const(np.ones((3, 32), np.float32)))

    graph = single((1, 8, 8, 2), layer)
    with pytest.raises(UnsupportedOperator, match="stop above it with grid=8x8 or 4x4") as refused:
        edgexai.attach(graph)
    assert "MATRIX_DIAG (operator 0" in str(refused.value)
    for grid in ((8, 8), (4, 4)):
        edgexai.attach(graph, grid=grid)
    end = single((1, 4), lambda build, x: build.op(OpKind.MATRIX_DIAG, [x], (1, 4)))
    with pytest.raises(UnsupportedOperator, match="a grid cannot help"):
        edgexai.attach(end)


@needs_shared
@pytest.mark.parametrize("model", ["speech_lstm_int8", "mnist_lstm_int8", "three_inputs", "face_detection_sparse"])
def test_public_models_that_were_refused_predict_as_before(model: str) -> None:
    path = SHARED / "cases" / "models" / f"{model}.tflite"
    graph = edgexai.load(path)
    source, explainer = Interpreter(path), edgexai.Explainer(serialize(edgexai.attach(graph)))
    for _ in range(2):
        xs = [
            RANDOM.random(p.shape, np.float32)
            if p.dtype == np.float32
            else RANDOM.integers(np.iinfo(p.dtype).min, np.iinfo(p.dtype).max, p.shape).astype(p.dtype)
            for p in source.inputs
        ]
        e = explainer(xs)
        for ours, theirs in zip(e.outputs, source.run(*xs), strict=True):
            assert np.array_equal(ours, theirs)
        assert all(np.isfinite(m).all() for m in e.maps)


def test_the_command_explains_several_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, explainer, data = tmp_path / "m.tflite", tmp_path / "e.tflite", tmp_path / "x.npz"
    edgexai.save(two_inputs(), model)
    a, b = RANDOM.normal(size=(2, 3, 2)).astype(np.float32)
    assert main(["attach", str(model), "-o", str(explainer)]) == 0
    np.savez(data, x=a)
    assert main(["explain", str(explainer), "--data", str(data)]) != 0
    assert "needs x_1 of 3 samples" in capsys.readouterr().err
    np.savez(data, x=a, x_1=b)
    assert main(["explain", str(explainer), "--data", str(data), "--json"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    e = edgexai.Explainer(explainer)([a[2], b[2]])
    assert np.allclose(said["relevance_1"], e.more[0])


def test_the_command_says_where_no_relevance_goes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def layer(build: Builder, x: int) -> int:
        return build.dense(build.add(x, build.op(OpKind.FLOOR, [x], (1, 4))), build.const(W))

    edgexai.save(single((1, 4), layer), tmp_path / "m.tflite")
    assert main(["attach", str(tmp_path / "m.tflite"), "-o", str(tmp_path / "e.tflite")]) == 0
    assert "no relevance goes through FLOOR" in capsys.readouterr().out
