"""The backward pass in integers: the prediction stays, the map is nearly the same, the kernels are int8."""

import numpy as np
import pytest
from models import run, single
from numpy.typing import NDArray
from shared import SHARED, needs_shared

import edgexai
from edgexai.compress.quantize.int8 import quantize
from edgexai.errors import ConfigError
from edgexai.graph import Builder, DType, Graph, OpKind, serialize
from edgexai.runtime.interpreter import Interpreter

RANDOM = np.random.default_rng(0)
SAMPLES = RANDOM.normal(size=(32, 12, 12, 3)).astype(np.float32)


def weights(*shape: int) -> NDArray[np.float32]:
    return (RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def model() -> Graph:
    """int8: 3×3, strided 3×3, 1×1 and dense, all large enough to be left int8."""
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 12, 12, 3))
    for out, into, size, stride in ((32, 3, 3, 1), (32, 32, 3, 2), (48, 32, 1, 1)):
        bias = build.const(RANDOM.normal(size=out).astype(np.float32) * 0.1)
        x = build.conv(x, build.const(weights(out, size, size, into)), bias, (stride, stride), activation="RELU")
    flat = build.reshape(x, (1, 6 * 6 * 48))
    return quantize(build.finish([build.dense(flat, build.const(weights(5, 6 * 6 * 48)))]), SAMPLES)


@pytest.mark.parametrize("composite", ["epsilon", "edge", "epsilon_plus_flat"])
def test_prediction_is_exact_and_the_map_nearly_the_same(composite: str) -> None:
    graph = model()
    source = Interpreter(serialize(graph))
    exact, quick = (
        edgexai.Explainer(serialize(edgexai.attach(graph, composite, precision=p))) for p in ("float32", "int8")
    )
    likeness = []
    for x in SAMPLES:
        ours, theirs = quick(x), exact(x)
        assert np.array_equal(ours.outputs[0], source.run(x)[0])
        assert (ours.target, ours.score) == (theirs.target, theirs.score)
        likeness.append(np.corrcoef(ours.relevance.ravel(), theirs.relevance.ravel())[0, 1])
    assert np.median(likeness) > 0.999


@needs_shared
@pytest.mark.parametrize(("model", "data"), [("kws", "kws01"), ("ic", "cifar10_test")])
@pytest.mark.parametrize("composite", ["epsilon", "edge"])
def test_maps_of_real_inputs_are_nearly_the_same(model: str, data: str, composite: str) -> None:
    graph = edgexai.load(SHARED / "models" / f"{model}_int8.tflite")
    exact, quick = (
        edgexai.Explainer(serialize(edgexai.attach(graph, composite, precision=p))) for p in ("float32", "int8")
    )
    with np.load(SHARED / "data" / f"{data}.npz") as arrays:
        samples = arrays["x"][:40].reshape(40, *exact.input.shape[1:])
    samples = samples.astype(np.float32) if samples.dtype == np.uint8 else samples
    likeness = [np.corrcoef(quick(x).relevance.ravel(), exact(x).relevance.ravel())[0, 1] for x in samples]
    assert np.median(likeness) > 0.999


def test_convolutions_read_their_kernels_as_int8() -> None:
    graph = model()
    quick = edgexai.attach(graph, "epsilon", precision="int8")
    kernels = [
        quick.tensors[op.inputs[1]].dtype
        for op in quick.ops[len(graph.ops) :]
        if op.kind in (OpKind.CONV_2D, OpKind.FULLY_CONNECTED) and np.prod(quick.tensors[op.inputs[1]].shape) >= 1024
    ]
    assert len(kernels) == 3
    assert set(kernels) == {DType.INT8}
    assert not any(op.kind == OpKind.TRANSPOSE_CONV for op in quick.ops)


def test_a_precision_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="int4"):
        edgexai.attach(model(), precision="int4")


def test_both_sides_of_an_input_are_one_convolution() -> None:
    random = np.random.default_rng(3)
    w = random.integers(-127, 128, (32, 4, 4, 2)).astype(np.int8)

    def layer(build: Builder, x: int) -> int:
        y = build.conv(x, build.weight(w), build.const(np.zeros(32, np.float32)), (2, 2), activation="RELU")
        return build.dense(build.reshape(y, (1, 2048)), build.const(random.normal(size=(3, 2048)).astype(np.float32)))

    graph = single((1, 16, 16, 2), layer)
    x = random.normal(size=(1, 16, 16, 2)).astype(np.float32)
    for composite in ("epsilon_plus", "gamma", "epsilon_alpha2_beta1"):
        floats, integers = (edgexai.attach(graph, composite, channels="keep", precision=p) for p in ("float32", "int8"))
        wide = [op for op in integers.ops if op.kind == OpKind.CONV_2D and integers.tensors[op.inputs[0]].shape[3] == 4]
        assert wide
        right = run(floats, x)[1]
        assert np.abs(run(integers, x)[1] - right).max() <= 0.05 * np.abs(right).max()
