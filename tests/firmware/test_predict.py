"""Generated C predicts as TensorFlow Lite Micro does, bit for bit."""

import tempfile
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import Native, agree, needs
from networks_int8 import Net
from shared import SHARED, needs_shared

from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Op, OpKind, Tensor, load, serialize
from edgexai.runtime.interpreter import Interpreter
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


@needs_shared
@pytest.mark.parametrize(("model", "count"), [("kws", 500), ("ic", 500), ("ad", 500)])
def test_reference_models_on_real_inputs(model: str, count: int, tmp_path: Path) -> None:
    path = SHARED / "models" / f"{model}_int8.tflite"
    micro, native = MicroInterpreter(path), Native(path, tmp_path, "gcc", "-O2")
    if model == "kws":
        xs = np.load(SHARED / "data" / "kws01.npz")["x"][:count]
    elif model == "ic":
        xs = np.load(SHARED / "data" / "cifar10_test.npz")["x"][:count].astype(np.int16) - 128
    else:  # no recordings of machines are at hand
        xs = np.random.default_rng(0).integers(-128, 128, (count, 640))
    assert len(xs) == count
    for x in xs.astype(np.int8).reshape(count, *micro.inputs[0].shape):
        assert np.array_equal(native(x, micro.outputs[0].shape), micro.run(x)[0])


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_layers_with_weights(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    net = Net(random)
    size = st.integers(1, 9)
    x = y = net.map((1, data.draw(size), data.draw(size), data.draw(st.integers(1, 17))))
    for _ in range(data.draw(st.integers(1, 3))):
        rows, columns = net.tensors[y].shape[1:3]
        padding = data.draw(st.integers(0, 1))
        fits = (lambda n: st.integers(1, n)) if padding else (lambda n: st.integers(1, 4))
        kernel = (data.draw(fits(rows)), data.draw(fits(columns)))
        dilation = data.draw(st.integers(1, 2)) if padding == 0 else 1
        stride = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))) if dilation == 1 else (1, 1)
        fused = data.draw(st.sampled_from([0, 1, 3]))
        if data.draw(st.booleans()):
            y = layers.convolution(net, y, data.draw(st.integers(1, 17)), kernel, stride, dilation, padding, fused)
        else:
            y = layers.depthwise(net, y, data.draw(st.integers(1, 2)), kernel, stride[0], dilation, padding, fused)
    flat = net.same(y, (1, int(np.prod(net.tensors[y].shape))))
    y = net.op(OpKind.RESHAPE, [y, net.ints(list(net.tensors[flat].shape))], [flat], schema.ReshapeOptionsT())
    y = layers.dense(net, y, data.draw(st.integers(1, 17)), data.draw(st.sampled_from([0, 1])))
    agree(net.finish(x, y), random)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_random_layers_without_weights(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    net = Net(random)
    shape = (1, *(data.draw(st.integers(2, 6)) for _ in range(2)), data.draw(st.integers(1, 9)))
    x = y = net.map(shape)
    kind = data.draw(st.sampled_from(["ADD", "SUB", "MUL"]))
    other = x
    if data.draw(st.booleans()):
        few = data.draw(st.sampled_from([shape[-1:], (1, 1, 1, shape[-1]), shape, (1,)]))
        other = net.constant(random.integers(-128, 128, few).astype(np.int8), DType.INT8, np.array([0.05]), zero=7)
    y = layers.pair(net, OpKind[kind], y, other, data.draw(st.sampled_from([0, 1, 3])))
    size = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2)))
    pool = data.draw(st.sampled_from([OpKind.AVERAGE_POOL_2D, OpKind.MAX_POOL_2D]))
    if size[0] <= shape[1]:
        y = layers.pool(net, y, pool, size, data.draw(st.integers(1, 2)), data.draw(st.integers(0, 1)), 0)
    _, rows, columns, channels = net.tensors[y].shape
    pads = [[0, 0], *([int(random.integers(0, 3)), int(random.integers(0, 3))] for _ in range(2)), [0, 0]]
    wide = (1, rows + sum(pads[1]), columns + sum(pads[2]), channels)
    y = net.op(OpKind.PAD, [y, net.ints(pads)], [net.same(y, wide)], schema.PadOptionsT(), 2)
    turned = data.draw(st.permutations([1, 2, 3]))
    after = (1, *(wide[a] for a in turned))
    y = net.op(OpKind.TRANSPOSE, [y, net.ints([0, *turned])], [net.same(y, after)], schema.TransposeOptionsT(), 2)
    begin = [0, *(int(random.integers(0, n)) for n in after[1:])]
    part = (1, *(int(random.integers(1, n - b + 1)) for n, b in zip(after[1:], begin[1:], strict=True)))
    cut = net.op(
        OpKind.SLICE, [y, net.ints(begin), net.ints(list(part))], [net.same(y, part)], schema.SliceOptionsT(), 2
    )
    axis = data.draw(st.integers(1, 3))
    joined = list(part)
    joined[axis] *= 2
    options = schema.ConcatenationOptionsT()
    options.axis = axis
    y = net.op(OpKind.CONCATENATION, [cut, cut], [net.same(y, tuple(joined))], options, 2)
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axes = data.draw(st.sampled_from([[1, 2], [1], [3], [1, 2, 3]]))
    left = tuple(1 if a in axes else n for a, n in enumerate(joined))
    y = net.op(OpKind.MEAN, [y, net.ints(axes)], [net.map(left)], options, 2)
    agree(net.finish(x, y), random)


FUNCTIONS = {
    "LOGISTIC": (1 / 256, -128, None),
    "TANH": (1 / 128, 0, None),
    "HARD_SWISH": (None, None, schema.HardSwishOptionsT),
    "RELU": (None, None, None),
    "RELU6": (0.03, 5, None),
    "ABS": (None, None, schema.AbsOptionsT),
    "ELU": (None, None, None),
    "QUANTIZE": (None, None, schema.QuantizeOptionsT),
    "LEAKY_RELU": (None, None, schema.LeakyReluOptionsT),
    "RSQRT": (None, None, None),
    "L2_NORMALIZATION": (1 / 128, 0, schema.L2NormOptionsT),
    "NEG": (0.03, 0, schema.NegOptionsT),
    "EXP": (None, None, schema.ExpOptionsT),
    "LOG": (None, None, None),
    "SQRT": (None, None, None),
    "GELU": (None, None, schema.GeluOptionsT),
}
LITERT = {"NEG", "EXP", "LOG", "SQRT", "GELU"}
"""Which TensorFlow Lite Micro has in float32 alone, or not at all."""
POSITIVE = {"LOG", "SQRT", "RSQRT"}


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_every_int8(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    net = Net(random)
    scale, zero, options = FUNCTIONS[name]
    same, positive = (scale, zero) if name in ("RELU6", "NEG") else (), (None, -128) if name in POSITIVE else ()
    x = net.map((1, 256), *(same or positive))
    made = None if options is None else options()
    if name == "LEAKY_RELU":
        made.alpha = float(random.uniform(0.01, 0.9))
    if name == "GELU":
        made.approximate = bool(random.integers(2))
    graph = net.finish(x, net.op(OpKind[name], [x], [net.map((1, 256), scale, zero)], made, 1))
    micro = (Interpreter if name in LITERT else MicroInterpreter)(serialize(graph))
    with tempfile.TemporaryDirectory() as folder:
        every = np.arange(-128, 128).astype(np.int8)[None]
        assert np.array_equal(Native(graph, Path(folder))(every, (1, 256)), micro.run(every)[0])


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 40), beta=st.sampled_from([0.5, 1.0, 2.0]))
def test_softmax(seed: int, classes: int, beta: float) -> None:
    net = Net(np.random.default_rng(seed))
    options = schema.SoftmaxOptionsT()
    options.beta = beta
    x = net.map((2, classes))
    y = net.op(OpKind.SOFTMAX, [x], [net.map((2, classes), 1 / 256, -128)], options, 2)
    agree(net.finish(x, y), net.random, 10)


def test_float_inputs_and_outputs(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(1))
    net.tensors.append(Tensor("x", (1, 64), DType.FLOAT32))
    q = net.op(OpKind.QUANTIZE, [0], [net.map((1, 64), 0.05, 3)], schema.QuantizeOptionsT())
    y = layers.dense(net, q, 5, 0)
    net.tensors.append(Tensor("y", (1, 5), DType.FLOAT32))
    net.op(OpKind.DEQUANTIZE, [y], [len(net.tensors) - 1], schema.DequantizeOptionsT(), 2)
    graph = net.finish(0, len(net.tensors) - 1)
    micro, native = MicroInterpreter(serialize(graph)), Native(graph, tmp_path)
    for _ in range(5):
        x = net.random.normal(0, 4, (1, 64)).astype(np.float32)
        assert np.array_equal(native(x, (1, 5), np.float32), micro.run(x)[0])


@needs_shared
def test_what_is_not_covered_is_refused_by_number_and_name(tmp_path: Path) -> None:
    graph = load(SHARED / "cases" / "models" / "audio_classifier_waveform.tflite")
    with pytest.raises(UnsupportedOperator, match=r"GATHER \(operator 1, "):
        Native(graph, tmp_path)


def test_an_operator_without_a_kernel_is_refused(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(0))
    x = net.map((1, 4))
    net.ops.append(Op(OpKind.CUMSUM, (x, net.ints(1)), (net.map((1, 4)),)))
    with pytest.raises(UnsupportedOperator, match=r"CUMSUM \(operator 0, "):
        Native(net.finish(x, 2), tmp_path)


def test_a_limit_that_only_litert_knows(tmp_path: Path) -> None:
    """RELU_N1_TO_1 has no kernel in TensorFlow Lite Micro."""
    net = Net(np.random.default_rng(0))
    x = net.map((1, 256), 0.02, 7)
    graph = net.finish(x, net.op(OpKind.RELU_N1_TO_1, [x], [net.same(x, (1, 256))]))
    every = np.arange(-128, 128).astype(np.int8)[None]
    (right,) = Interpreter(serialize(graph)).run(every)
    assert np.array_equal(Native(graph, tmp_path)(every, (1, 256)), right)
    assert (right.min(), right.max()) == (7 - 50, 7 + 50)
