"""The int8 quantizer and its inverse, against the float network and against TensorFlow's own int8 files."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from models import NETWORKS, golden
from shared import SHARED, needs_shared

import edgexai
from edgexai.compress.measure.accuracy import accuracy, agreement
from edgexai.compress.measure.execute import forward, real
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.int8 import in_float, quantize
from edgexai.compress.quantize.scales import Ports
from edgexai.errors import DataError
from edgexai.graph import Builder, DType, Graph, OpKind, serialize
from edgexai.runtime.interpreter import Interpreter


def batch(graph: Graph, n: int = 40) -> Any:
    return np.random.default_rng(1).normal(size=(n, *graph.tensors[graph.inputs[0]].shape[1:])).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_is_near_float_and_integer_throughout(name: str) -> None:
    graph = edgexai.load(golden(name)[0])
    x = batch(graph)
    small = quantize(graph, x)
    wanted = forward(graph, x)[0]
    ours = real(small, small.outputs[0], forward(small, x)[0])
    assert np.sqrt(np.mean((ours - wanted) ** 2)) < 0.03 * np.std(wanted)
    assert {small.tensors[t].dtype for op in small.ops for t in (op.inputs[0], *op.outputs)} == {DType.INT8}


@pytest.mark.parametrize("name", NETWORKS)
def test_dequantized_int8_is_near_the_float_it_came_from(name: str) -> None:
    graph = edgexai.load(golden(name)[0])
    x = batch(graph)
    back = dequantize(quantize(graph, x))
    assert {t.dtype for t in back.tensors} <= {DType.FLOAT32, DType.INT32}
    wanted = forward(graph, x)[0]
    assert np.sqrt(np.mean((forward(back, x)[0] - wanted) ** 2)) < 0.03 * np.std(wanted)


def test_a_float_graph_dequantizes_to_itself() -> None:
    graph = edgexai.load(golden("cnn")[0])
    assert dequantize(graph) is graph


def test_batches_compute_what_single_samples_do() -> None:
    for name in NETWORKS:
        graph = edgexai.load(golden(name)[0])
        x = batch(graph, 7)
        node = Interpreter(serialize(graph))
        np.testing.assert_allclose(
            forward(graph, x, batch=5)[0], np.concatenate([node.run(one)[0] for one in x]), rtol=1e-4, atol=1e-5
        )


def test_scales_of_weights_are_one_a_channel_and_of_biases_their_product() -> None:
    graph = edgexai.load(golden("dscnn")[0])
    small = quantize(graph, batch(graph))
    for op in small.ops:
        if op.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D):
            x, kernel, bias = (small.tensors[t].quantization for t in op.inputs)
            assert x is not None
            assert kernel is not None
            assert bias is not None
            assert kernel.scale.size == small.tensors[op.outputs[0]].shape[3]
            np.testing.assert_allclose(bias.scale, x.scale * kernel.scale, rtol=1e-6)


def test_inputs_and_outputs_keep_the_quantization_that_is_asked_for() -> None:
    graph = edgexai.load(golden("cnn")[0])
    ports = Ports.of(quantize(graph, batch(graph)))
    again = quantize(graph, batch(graph) * 3, ports)
    for t, wanted in zip((*again.inputs, *again.outputs), (*ports.inputs, *ports.outputs), strict=True):
        quantization = again.tensors[t].quantization
        assert quantization is not None
        assert wanted is not None
        assert (quantization.scale[0], quantization.zero_point[0]) == (wanted.scale[0], wanted.zero_point[0])


def test_an_operator_without_an_int8_form_stays_in_float() -> None:
    graph = edgexai.load(golden("cnn")[0])
    ops = tuple(replace(op, kind=OpKind.L2_POOL_2D) if op.kind == OpKind.MAX_POOL_2D else op for op in graph.ops)
    small = quantize(replace(graph, ops=ops), batch(graph))
    (name,) = in_float(small)
    assert name.startswith("L2_POOL_2D (operator 3")  # behind a DEQUANTIZE


def test_samples_that_do_not_fit_are_refused() -> None:
    graph = edgexai.load(golden("cnn")[0])
    with pytest.raises(DataError, match="takes samples"):
        quantize(graph, np.zeros((3, 5), np.float32))
    with pytest.raises(DataError, match="not finite"):
        quantize(graph, np.full((2, 12, 12, 3), np.nan, np.float32))


@needs_shared
def test_our_int8_is_as_good_as_tensorflows() -> None:
    with np.load(SHARED / "data/cifar10_test.npz") as data:
        x, y = data["x"][:400].astype(np.float32), data["y"][:400]
    with np.load(SHARED / "data/cifar10_train.npz") as data:
        calibration = data["x"][:100].astype(np.float32)
    real_model = edgexai.load(SHARED / "models/ic_float.tflite")
    theirs = edgexai.load(SHARED / "models/ic_int8.tflite")
    ours = quantize(real_model, calibration)
    assert accuracy(ours, x, y) >= accuracy(theirs, x, y) - 0.01
    assert agreement(ours, real_model, x) >= agreement(theirs, real_model, x) - 0.02


@pytest.mark.parametrize("value", [-np.inf, np.finfo(np.float32).min, -1e9])
def test_a_pad_below_everything_sets_no_range(value: float) -> None:
    random = np.random.default_rng(0)
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 8, 8, 3))
    kernel = build.const(random.normal(size=(4, 3, 3, 3)).astype(np.float32))
    y = build.conv(x, kernel, build.const(np.zeros(4, np.float32)))
    table = build.const(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    low = build.const(np.array([value], np.float32))
    y = build.op(OpKind.PADV2, [y, table, low], (1, 10, 10, 4), schema.PadV2OptionsT())
    options = schema.Pool2DOptionsT(padding=1, strideW=2, strideH=2, filterWidth=3, filterHeight=3)
    graph = build.finish([build.op(OpKind.MAX_POOL_2D, [y], (1, 4, 4, 4), options)])
    samples = random.normal(size=(32, 8, 8, 3)).astype(np.float32)
    small = quantize(graph, samples)
    found, wanted = real(small, small.outputs[0], forward(small, samples)[0]), forward(graph, samples)[0]
    assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
