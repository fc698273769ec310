"""Every number type that a converter writes: prediction bit-exact, relevance close to the float model's."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgexai
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Quantization, Tensor, serialize
from edgexai.runtime.interpreter import Interpreter

tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow makes the models of these types")

RANDOM = np.random.default_rng(0)
SAMPLES = RANDOM.uniform(0, 1, (64, 12, 12, 2)).astype(np.float32)


@cache
def frozen() -> Any:
    """A small network with every fused activation, its variables turned into constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tensorflow.keras.utils.set_random_seed(0)
    layers = tensorflow.keras.layers
    model = tensorflow.keras.Sequential(
        [
            tensorflow.keras.Input((12, 12, 2)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu6"),
            layers.Conv2D(12, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    function = tensorflow.function(lambda x: model(x, training=False))
    return convert_variables_to_constants_v2(
        function.get_concrete_function(tensorflow.TensorSpec((1, 12, 12, 2), tensorflow.float32))
    )


@cache
def converted(kind: str) -> bytes:
    lite = tensorflow.lite
    converter = lite.TFLiteConverter.from_concrete_functions([frozen()])
    if kind != "float32":
        converter.optimizations = [lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tensorflow.float16]
    if kind in ("int8", "int8_float_ends", "int16x8"):
        converter.representative_dataset = lambda: ([x[None]] for x in SAMPLES)
    if kind == "int16x8":
        converter.target_spec.supported_ops = [lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    if kind == "int8":
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    return bytes(converter.convert())


def relevances(model: bytes, composite: str) -> tuple[NDArray[Any], bool]:
    explainer = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(model), composite, target=2)))
    source = Interpreter(model)
    found = [explainer(x) for x in SAMPLES[:16]]
    exact = all(np.array_equal(e.outputs[0], source.run(x)[0]) for e, x in zip(found, SAMPLES, strict=False))
    return np.stack([e.relevance.ravel() for e in found]), exact


@pytest.mark.parametrize(
    ("kind", "least"),
    [("float16", 0.9999), ("dynamic_range", 0.99), ("int8", 0.98), ("int8_float_ends", 0.98), ("int16x8", 0.99)],
)
@pytest.mark.parametrize("composite", ["epsilon", "edge", "gamma(0.25)"])
def test_relevance_follows_the_float_model(kind: str, least: float, composite: str) -> None:
    theirs, _ = relevances(converted("float32"), composite)
    ours, exact = relevances(converted(kind), composite)
    assert exact
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(ours, theirs, strict=True)]) >= least


def uint8(name: str, shape: tuple[int, ...], data: Any, dtype: DType, scale: float, zero: int) -> Tensor:
    raw = None if data is None else np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return Tensor(name, shape, dtype, raw, Quantization(np.array([scale], np.float32), np.array([zero], np.int64)))


OLD = {
    "dense": ((1, 10), (3, 10), (1, 3)),
    "conv": ((1, 6, 5, 2), (3, 3, 3, 2), (1, 6, 5, 3)),
    "depthwise": ((1, 6, 5, 3), (1, 3, 3, 3), (1, 6, 5, 3)),
}


@pytest.mark.parametrize("layer", OLD)
def test_an_old_uint8_graph_with_asymmetric_weights(layer: str) -> None:
    """Weights q in 0 … 255 with a zero point, as the first quantized converters wrote them, against the real values."""
    shape, kernel, out = OLD[layer]
    weight_zero, weight_scale = 131, 0.02
    q = RANDOM.integers(0, 256, kernel).astype(np.uint8)
    bias = np.array([5, -7, 11], np.int32)
    kind = {"dense": "FULLY_CONNECTED", "conv": "CONV_2D", "depthwise": "DEPTHWISE_CONV_2D"}[layer]
    graph = Graph(
        (
            uint8("x", shape, None, DType.UINT8, 0.01, 100),
            uint8("w", kernel, q, DType.UINT8, weight_scale, weight_zero),
            uint8("b", (3,), bias, DType.INT32, 0.01 * weight_scale, 0),
            uint8("y", out, None, DType.UINT8, 0.2, 128),
        ),
        (Op(OpKind[kind], (0, 1, 2), (3,), _options(layer)),),
        (0,),
        (3,),
    )
    real_w = (q.astype(np.float32) - weight_zero) * np.float32(weight_scale)
    twin = Builder(Graph((), (), (), ()))
    port = twin.input("x", shape)
    constants = twin.const(real_w), twin.const(np.float32(bias * 0.01 * weight_scale))
    twin_graph = twin.finish([getattr(twin, layer)(port, *constants)])
    file = serialize(edgexai.attach(graph, "epsilon", target="input", channels="keep"))
    explainer = edgexai.Explainer(file)
    reference = edgexai.Explainer(serialize(edgexai.attach(twin_graph, "epsilon", target="input", channels="keep")))
    x = RANDOM.integers(0, 256, shape).astype(np.uint8)
    wanted = RANDOM.integers(0, 2, int(np.prod(out))).astype(np.float32)
    e = explainer(x, wanted)
    theirs = reference((x.astype(np.float32) - 100) * np.float32(0.01), wanted)
    assert np.array_equal(e.outputs[0], Interpreter(serialize(graph)).run(x)[0])
    assert e.score == pytest.approx(theirs.score, abs=0.2 * float(wanted.sum()))
    assert np.abs(e.relevance - theirs.relevance).max() <= 1e-4 * np.abs(theirs.relevance).max()


def _options(layer: str) -> Any:
    shape, kernel, _ = OLD[layer]
    build = Builder(Graph((), (), (), ()))
    x = build.input("x", shape)
    getattr(build, layer)(x, build.const(np.ones(kernel, np.float32)), build.const(np.zeros(3, np.float32)))
    return build.ops[-1].options
