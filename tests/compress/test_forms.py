"""Every operator that relevance passes goes through the int8 quantizer: in int8, or in float where it has no form."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgexai.cli import main
from edgexai.compress.measure.execute import forward, real
from edgexai.compress.quantize import int8
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.forms import VERSION
from edgexai.compress.quantize.int8 import in_float, quantize
from edgexai.errors import ModelError
from edgexai.graph import Builder, DType, Graph, OpKind, load, save
from edgexai.relevance.table import RELEVANCE

MAP = (1, 4, 4, 4)
Make = Callable[[Builder, int], int]


def unary(kind: OpKind, options: Any = None, shift: float = 0.0, scale: float = 1.0) -> Make:
    """An operator of one map, on ``scale`` · x + ``shift``."""

    def make(b: Builder, x: int) -> int:
        if scale != 1 or shift:
            x = b.add(b.mul(x, b.const([scale])), b.const([shift]))
        return b.op(kind, [x], b.shape(x), options)

    return make


def moved(kind: OpKind, table: Any, shape: tuple[int, ...], options: Any = None) -> Make:
    return lambda b, x: b.op(kind, [x, b.const(np.array(table, np.int32))], shape, options)


def pair(kind: OpKind, options: Any = None) -> Make:
    return lambda b, x: b.op(kind, [x, b.slice(x, (0, 1, 0, 0), (1, 1, 4, 4))], MAP, options)


def layer(bias: bool) -> Make:
    def make(b: Builder, x: int) -> int:
        random = np.random.default_rng(0)
        kernel = b.const(random.normal(size=(5, 3, 3, 4)).astype(np.float32))
        y = b.transpose_conv(x, kernel, (1, 8, 8, 5), (2, 2), "SAME")
        if bias:
            op = b.ops[-1]
            b.ops[-1] = replace(op, inputs=(*op.inputs, b.const(random.normal(size=5).astype(np.float32))), version=3)
        return y

    return make


def parts(kind: OpKind, sizes: list[int]) -> Make:
    def make(b: Builder, x: int) -> int:
        axis, lengths = b.const(np.array([3], np.int32)), b.const(np.array(sizes, np.int32))
        shapes = [(*MAP[:3], n) for n in sizes]
        if kind == OpKind.UNPACK:
            made = b.several(kind, [x], [(1, 4, 4)] * 4, schema.UnpackOptionsT(num=4, axis=3))
        elif kind == OpKind.SPLIT:
            scalar = b.const(np.array(3, np.int32))
            made = b.several(kind, [scalar, x], shapes, schema.SplitOptionsT(numSplits=len(sizes)))
        else:
            options = schema.SplitVOptionsT(numSplits=len(sizes))
            made = b.several(kind, [x, lengths, b.reshape(axis, ())], shapes, options)
        return b.mul(made[1], b.const([2.0]))

    return make


def product(b: Builder, x: int) -> int:
    return b.op(OpKind.BATCH_MATMUL, [x, x], MAP, schema.BatchMatMulOptionsT(adjX=False, adjY=True))


def prelu(b: Builder, x: int) -> int:
    return b.op(OpKind.PRELU, [x, b.const(np.array([[[0.1, 0.4, -0.2, 0.7]]], np.float32))], MAP)


def pack(b: Builder, x: int) -> int:
    return b.op(OpKind.PACK, [x, b.mul(x, b.const([2.0]))], (1, 2, 4, 4, 4), schema.PackOptionsT(valuesCount=2, axis=1))


def chosen(b: Builder, x: int) -> int:
    mask = b.const(np.indices(MAP).sum(axis=0) % 2 == 0)
    return b.op(OpKind.SELECT_V2, [mask, x, b.mul(x, b.const([2.0]))], MAP, schema.SelectV2OptionsT())


def gathered(b: Builder, x: int) -> int:
    options = schema.GatherOptionsT(axis=1)
    return b.op(OpKind.GATHER, [x, b.const(np.array([2, 0], np.int32))], (1, 2, 4, 4), options)


def scattered(b: Builder, x: int) -> int:
    rows = b.reshape(x, (4, 16))
    places, shape = b.const(np.array([[3], [1], [4], [0]], np.int32)), b.const(np.array([6, 16], np.int32))
    return b.op(OpKind.SCATTER_ND, [places, rows, shape], (6, 16), schema.ScatterNdOptionsT())


def highest(b: Builder, x: int) -> int:
    shape, counted = (*MAP[:3], 2), DType.INT32
    two = b.const(np.array(2, np.int32))
    return b.several_typed(OpKind.TOPK_V2, [x, two], [(shape, DType.FLOAT32), (shape, counted)])[0]


FORMS: dict[str, Make] = {
    "ABS": unary(OpKind.ABS),
    "BATCH_MATMUL": product,
    "BROADCAST_TO": lambda b, x: b.op(
        OpKind.BROADCAST_TO, [b.slice(x, (0, 0, 0, 0), (1, 1, 4, 4)), b.const(np.array(MAP, np.int32))], MAP, version=2
    ),
    "DEPTH_TO_SPACE": lambda b, x: b.op(OpKind.DEPTH_TO_SPACE, [x], (1, 8, 8, 1), schema.DepthToSpaceOptionsT(2)),
    "EXP": unary(OpKind.EXP, scale=0.5),
    "GATHER": gathered,
    "GATHER_ND": moved(OpKind.GATHER_ND, [[0, 1], [0, 2]], (2, 4, 4)),
    "GELU": unary(OpKind.GELU, schema.GeluOptionsT(approximate=True)),
    "L2_NORMALIZATION": unary(OpKind.L2_NORMALIZATION, schema.L2NormOptionsT()),
    "LOG": lambda b, x: b.op(OpKind.LOG, [b.add(b.op(OpKind.ABS, [x], MAP), b.const([1.0]))], MAP),
    "MAXIMUM": pair(OpKind.MAXIMUM),
    "MINIMUM": pair(OpKind.MINIMUM),
    "MIRROR_PAD": moved(
        OpKind.MIRROR_PAD, [[0, 0], [1, 1], [1, 1], [0, 0]], (1, 6, 6, 4), schema.MirrorPadOptionsT(mode=0)
    ),
    "PACK": pack,
    "PRELU": prelu,
    "REDUCE_MAX": moved(OpKind.REDUCE_MAX, [1], (1, 4, 4), schema.ReducerOptionsT()),
    "REDUCE_MIN": moved(OpKind.REDUCE_MIN, [1], (1, 4, 4), schema.ReducerOptionsT()),
    "RELU_0_TO_1": unary(OpKind.RELU_0_TO_1),
    "RELU_N1_TO_1": unary(OpKind.RELU_N1_TO_1),
    "REVERSE_V2": moved(OpKind.REVERSE_V2, [1], MAP),
    "RSQRT": lambda b, x: b.op(OpKind.RSQRT, [b.add(b.op(OpKind.ABS, [x], MAP), b.const([1.0]))], MAP),
    "SELECT_V2": chosen,
    "SPACE_TO_DEPTH": lambda b, x: b.op(OpKind.SPACE_TO_DEPTH, [x], (1, 2, 2, 16), schema.SpaceToDepthOptionsT(2)),
    "SPLIT": parts(OpKind.SPLIT, [2, 2]),
    "SPLIT_V": parts(OpKind.SPLIT_V, [1, 3]),
    "SQUARED_DIFFERENCE": pair(OpKind.SQUARED_DIFFERENCE, schema.SquaredDifferenceOptionsT()),
    "TILE": moved(OpKind.TILE, [1, 2, 1, 1], (1, 8, 4, 4)),
    "TOPK_V2": highest,
    "TRANSPOSE_CONV": layer(bias=False),
    "TRANSPOSE_CONV and bias": layer(bias=True),
    "UNPACK": parts(OpKind.UNPACK, [1] * 4),
}
"""Those that quantize once refused; the classical ones are in the networks of `test_int8`."""

KEPT: dict[str, Make] = {
    "ADD_N": lambda b, x: b.op(OpKind.ADD_N, [x, x, b.mul(x, b.const([2.0]))], MAP, schema.AddNOptionsT()),
    "CEIL": unary(OpKind.CEIL, scale=3.0),
    "COS": unary(OpKind.COS),
    "CUMSUM": lambda b, x: b.op(OpKind.CUMSUM, [x, b.const(np.int32(1))], MAP, schema.CumsumOptionsT()),
    "DIV": lambda b, x: b.div(x, b.add(b.op(OpKind.ABS, [x], MAP), b.const([1.0]))),
    "ELU": unary(OpKind.ELU),
    "FLOOR": unary(OpKind.FLOOR, scale=3.0),
    "L2_POOL_2D": lambda b, x: b.op(
        OpKind.L2_POOL_2D, [x], (1, 2, 2, 4), schema.Pool2DOptionsT(1, 2, 2, filterWidth=2, filterHeight=2)
    ),
    "NEG": unary(OpKind.NEG),
    "POW": lambda b, x: b.op(OpKind.POW, [b.op(OpKind.ABS, [x], MAP), b.const([1.5])], MAP),
    "REVERSE_SEQUENCE": lambda b, x: b.op(
        OpKind.REVERSE_SEQUENCE, [x, b.const(np.array([3], np.int32))], MAP, schema.ReverseSequenceOptionsT(seqDim=1)
    ),
    "ROUND": unary(OpKind.ROUND, scale=3.0),
    "SCATTER_ND": scattered,
    "SIN": unary(OpKind.SIN),
    "SQRT": lambda b, x: b.op(OpKind.SQRT, [b.op(OpKind.ABS, [x], MAP)], MAP),
    "SQUARE": unary(OpKind.SQUARE),
}
"""Without an int8 kernel, with one that older runtimes lack, or with a wrong one."""


def network(make: Make) -> Graph:
    """The operator between two layers in int8."""
    random = np.random.default_rng(0)
    b = Builder(Graph((), (), (), ()), prefix="model")
    x = b.input("x", MAP)
    kernel = b.const(random.normal(size=(4, 1, 1, 4)).astype(np.float32))
    y = make(b, b.conv(x, kernel, b.const(np.zeros(4, np.float32))))
    flat = b.reshape(y, (1, int(np.prod(b.shape(y)))))
    table = random.normal(size=(3, b.shape(flat)[1])).astype(np.float32)
    return b.finish([b.dense(flat, b.const(table), b.const(np.zeros(3, np.float32)))])


def samples(count: int = 24) -> Any:
    return np.random.default_rng(1).normal(size=(count, *MAP[1:])).astype(np.float32)


def decibels(graph: Graph, small: Graph, x: Any) -> float:
    """Signal over noise of the outputs."""
    wanted = forward(graph, x)[0]
    found = real(small, small.outputs[0], forward(small, x)[0])
    return float(10 * np.log10(np.mean(wanted**2) / np.mean((found - wanted) ** 2)))


@pytest.mark.parametrize("name", FORMS)
def test_an_operator_with_an_int8_kernel_is_in_int8(name: str) -> None:
    graph, x = network(FORMS[name]), samples()
    small = quantize(graph, x)
    assert in_float(small) == []
    assert decibels(graph, small, x) > 25


@pytest.mark.parametrize("name", KEPT)
def test_an_operator_without_one_stays_in_float_and_is_named(name: str) -> None:
    graph, x = network(KEPT[name]), samples()
    small = quantize(graph, x)
    assert [text.split()[0] for text in in_float(small)] == [name]
    assert {small.tensors[t].dtype for t in (*small.inputs, *small.outputs)} == {DType.INT8}
    assert decibels(graph, small, x) > (15 if name in ("CEIL", "FLOOR", "ROUND") else 25)
    assert {op.kind for op in dequantize(small).ops} == {op.kind for op in graph.ops}


def test_no_operator_that_relevance_passes_is_refused() -> None:
    tried = {name.split()[0] for name in (*FORMS, *KEPT)}
    elsewhere = {  # read or write whole numbers, or are not of one map: in float whenever they give one
        "ARG_MAX ARG_MIN BATCH_TO_SPACE_ND CAST COMPLEX_ABS CONV_3D DEQUANTIZE EMBEDDING_LOOKUP FAKE_QUANT FLOOR_DIV "
        "FLOOR_MOD IF IMAG LOCAL_RESPONSE_NORMALIZATION ONE_HOT QUANTIZE REAL SELECT SIGN SPACE_TO_BATCH_ND "
        "STABLEHLO_COMPOSITE SVDF UNIDIRECTIONAL_SEQUENCE_LSTM WHILE ZEROS_LIKE"
    }
    classical = {kind.name for kind in VERSION}
    assert {kind.name for kind in RELEVANCE} - tried - classical <= set(" ".join(elsewhere).split())


def test_maps_of_a_prescribed_scale_are_rescaled_where_others_meet_them() -> None:
    def make(b: Builder, x: int) -> int:
        return b.concat([b.op(OpKind.LOGISTIC, [x], MAP), b.mul(x, b.const([8.0]))], 3)

    graph, x = network(make), samples()
    small = quantize(graph, x)
    assert [op.kind for op in small.ops].count(OpKind.QUANTIZE) == 1
    assert decibels(graph, small, x) > 25


def test_what_the_runtime_refuses_in_int8_stays_in_float(monkeypatch: pytest.MonkeyPatch) -> None:
    graph, x = network(KEPT["SIN"]), samples()
    monkeypatch.setattr(int8, "has_integers", lambda *_: True)
    monkeypatch.setattr(int8, "version", lambda graph, op: VERSION.get(op.kind, 1))
    small = quantize(graph, x)
    assert [text.split()[0] for text in in_float(small)] == ["SIN"]
    assert decibels(graph, small, x) > 25


def test_what_cannot_be_loaded_is_not_written(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save(network(FORMS["ABS"]), tmp_path / "model.tflite")
    np.savez(tmp_path / "x.npz", x=samples())

    def refuse(graph: Graph) -> None:
        raise ModelError("the runtime cannot load what was made of the model")

    monkeypatch.setattr("edgexai.cli.quantize.try_out", refuse)
    out = tmp_path / "small.tflite"
    assert main(["quantize", str(tmp_path / "model.tflite"), "-o", str(out), "--data", str(tmp_path / "x.npz")]) == 1
    assert not out.exists()


def test_the_command_names_what_stays_in_float(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    save(network(KEPT["ELU"]), tmp_path / "model.tflite")
    np.savez(tmp_path / "x.npz", x=samples())
    out = tmp_path / "small.tflite"
    assert main(["quantize", str(tmp_path / "model.tflite"), "-o", str(out), "--data", str(tmp_path / "x.npz")]) == 0
    assert "ELU (operator" in capsys.readouterr().out
    assert in_float(load(out))
