"""What strides and padding do to maps, in float64: the strip at the border and the checkerboard are not of our making.

A stride of 2 with kernels of 3 reads every second row twice as often as the others, and a shortcut of 1×1 with stride 2
reads it alone; units at a padded border have fewer inputs to share with. Relevance follows, in exact numbers too.
"""

from functools import partial
from typing import Any

import numpy as np
import pytest
from shared import SHARED, needs_shared

import edgexai
from edgexai.compress.quantize.int8 import quantize
from edgexai.graph import Builder, Graph, Op, OpKind, serialize

Array = np.ndarray[Any, np.dtype[np.float64]]


def strided(size: int, bias: float = 0.0) -> Graph:
    """A convolution of ones, 3×3, stride 2, SAME (padded below and right of an even size), and a mean."""
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, size, size, 1))
    ones, zero = build.const(np.ones((1, 3, 3, 1), np.float32)), build.const(np.full(1, bias, np.float32))
    mean = build.sum(build.conv(x, ones, zero, (2, 2), activation="RELU"), (1, 2))
    side = build.const(np.array([[1.0], [-1.0]], np.float32))
    return build.finish([build.dense(mean, side, build.const(np.zeros(2, np.float32)))])


def shares(size: int) -> Array:
    """Relevance of an input of ones by hand: a window's sum is as many parts as it holds places, one for each."""
    found = np.zeros((size, size))
    for row in range(0, size, 2):
        for column in range(0, size, 2):
            found[row : row + 3, column : column + 3] += 1
    return found / found.sum()


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_padding_takes_no_share_and_phases_have_what_windows_read(precision: str) -> None:
    graph = strided(8)
    x = np.ones((1, 8, 8, 1), np.float32)
    if precision == "int8":  # zero is no zero of the integers: the range is that of -0.5 … 1
        graph = quantize(graph, np.linspace(-0.5, 1, 8)[:, None, None, None] * np.ones((8, 8, 8, 1), np.float32))
        quantization = graph.tensors[graph.inputs[0]].quantization
        assert quantization is not None
        assert quantization.zero_point[0] not in (0, -128)
    found = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon_plus")))(x).relevance
    np.testing.assert_allclose(found / found.sum(), shares(8), rtol=1e-5 if precision == "float32" else 1e-2)


def test_places_that_more_windows_read_have_more_relevance() -> None:
    """Even rows are read by two windows, odd ones by one: 4 to 2 to 1 inside."""
    inner = shares(16)[2:-2, 2:-2]
    np.testing.assert_allclose(inner[0::2, 0::2] / inner[1::2, 1::2], 4)
    np.testing.assert_allclose(inner[0::2, 1::2] / inner[1::2, 1::2], 2)


def exact(graph: Graph, x: Array) -> dict[int, Array]:
    """`edge` in float64 with TensorFlow's gradients, for convolutions, sums, a mean and a dense layer: the relevance of
    every map."""
    tf = pytest.importorskip("tensorflow")

    def constant(t: int) -> Any:
        return tf.constant(graph.tensors[t].real.astype(np.float64))

    def conv(op: Op, v: Any, w: Any) -> Any:
        stride = (op.options.strideH, op.options.strideW)
        return tf.nn.conv2d(v, tf.transpose(w, (1, 2, 3, 0)), stride, "SAME" if op.options.padding == 0 else "VALID")

    def pooled(op: Op, v: Any) -> Any:
        return tf.nn.avg_pool2d(v, (op.options.filterHeight, op.options.filterWidth), 1, "VALID")

    def back(f: Any, v: Any, s: Array) -> Array:
        with tf.GradientTape() as tape:
            tape.watch(v)
            y = f(v)
        return np.asarray(tape.gradient(y, v, output_gradients=tf.constant(s)))

    def over(r: Array, z: Array) -> Array:
        return np.where(z != 0, r / np.where(z != 0, z, 1), 0)

    values = {graph.inputs[0]: tf.constant(x)}
    for op in graph.ops:
        v = [values[t] if t in values else constant(t) for t in op.inputs]
        match op.kind:
            case OpKind.CONV_2D:
                y = conv(op, v[0], v[1]) + v[2]
            case OpKind.ADD:
                y = v[0] + v[1]
            case OpKind.AVERAGE_POOL_2D:
                y = pooled(op, v[0])
            case OpKind.RESHAPE:
                y = tf.reshape(v[0], graph.tensors[op.outputs[0]].shape)
            case OpKind.FULLY_CONNECTED:
                y = v[0] @ tf.transpose(v[1]) + v[2]
            case _:
                y = tf.nn.softmax(v[0])
        values[op.outputs[0]] = tf.nn.relu(y) if getattr(op.options, "fusedActivationFunction", 0) == 1 else y
    logits = next(op.inputs[0] for op in graph.ops if op.kind == OpKind.SOFTMAX)
    z = values[logits].numpy()
    found = {logits: (np.eye(z.shape[1])[z.argmax()] - 1 / z.shape[1]) * z}

    def give(t: int, r: Array) -> None:
        found[t] = found.get(t, 0) + r

    first = next(op for op in graph.ops if op.kind == OpKind.CONV_2D)
    for op in reversed(graph.ops):
        if op.outputs[0] not in found:
            continue
        r, v = found[op.outputs[0]], values[op.inputs[0]]
        if op is first:  # flat
            ones = tf.ones_like(constant(op.inputs[1]))
            give(op.inputs[0], back(partial(conv, op, w=ones), v, over(r, conv(op, tf.ones_like(v), ones).numpy())))
        elif op.kind == OpKind.CONV_2D:  # z+ without the bias
            w = constant(op.inputs[1])
            sides = [(tf.nn.relu(v), tf.nn.relu(w)), (-tf.nn.relu(-v), -tf.nn.relu(-w))]
            s = over(r, sum(conv(op, u, k) for u, k in sides).numpy())
            for u, k in sides:
                give(op.inputs[0], u.numpy() * back(partial(conv, op, w=k), u, s))
        elif op.kind == OpKind.ADD:  # by share of what has the sign of the sum
            a, b = (values[t].numpy() for t in op.inputs)
            sign = np.where(a + b < 0, -1, 1)
            a, b = np.maximum(sign * a, 0), np.maximum(sign * b, 0)
            for t, part in zip(op.inputs, (a, b), strict=True):
                give(t, part * over(r, a + b))
        elif op.kind == OpKind.AVERAGE_POOL_2D:
            give(op.inputs[0], v.numpy() * back(partial(pooled, op), v, over(r, pooled(op, v).numpy())))
        elif op.kind == OpKind.RESHAPE:
            give(op.inputs[0], r.reshape(v.shape))
        elif op.kind == OpKind.FULLY_CONNECTED:
            y = values[op.outputs[0]].numpy()
            s = over(r, y + 1e-9 * np.where(y < 0, -1, 1))
            give(op.inputs[0], v.numpy() * (s @ constant(op.inputs[1]).numpy()))
    return found


@needs_shared
def test_the_strip_and_the_checkerboard_of_a_residual_network_are_there_in_float64() -> None:
    graph = edgexai.load(SHARED / "models/ic_float.tflite")
    explain = edgexai.Explainer(serialize(edgexai.attach(graph, channels="keep")))
    with np.load(SHARED / "data/cifar10_test.npz") as data:
        images = data["x"][:5].astype(np.float32)
    strided_map = next(op.inputs[0] for op in graph.ops if getattr(op.options, "strideH", 1) == 2)
    rows, phases = np.zeros(32), np.zeros((2, 2))
    for x in images:
        found = exact(graph, x[None].astype(np.float64))
        right = found[graph.inputs[0]][0]
        assert np.abs(explain(x).relevance - right).max() < 1e-4 * np.abs(right).max()
        here = np.abs(right.sum(axis=-1))
        rows += here.mean(axis=1) / here.mean() / len(images)
        inner = np.abs(found[strided_map][0].sum(axis=-1))[4:-4, 4:-4]
        phases += np.array([[inner[a::2, b::2].mean() for b in (0, 1)] for a in (0, 1)]) / inner.mean() / len(images)
    assert rows[:2].mean() > 1.3 * rows[2:4].mean()
    assert phases[0, 0] > 2 * phases[1, 1]
