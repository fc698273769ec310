"""A float32 Graph as a TensorFlow function whose weights can be trained, and the way back into the graph."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.repair.least_squares import is_grouped
from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Graph, Op, OpKind


def tensorflow() -> Any:
    """The module, without its start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tf = import_module("tensorflow")
    tf.get_logger().setLevel("ERROR")
    return tf


@dataclass(frozen=True)
class Trainable:
    """``variables`` by the index of the constant that each stands for; call with a batch (N, …) of inputs.

    A variable is a constant divided by its scale, a power of two near its root mean square: steps of one size suit
    all, also the first layer's weights where inputs go up to 255. Kernels of convolutions are matrices
    (output channels, all else), the form in which Muon trains them.
    """

    graph: Graph
    variables: Mapping[int, Any]
    scales: Mapping[int, float]

    def __call__(self, x: Any, tensors: Sequence[int]) -> list[Any]:
        """Values (N, …) of some tensors as TensorFlow's."""
        tf = tensorflow()
        values: dict[int, Any] = {self.graph.inputs[0]: x}
        for t, variable in self.variables.items():
            values[t] = variable * self.scales[t]
        for i, op in enumerate(self.graph.ops):
            values[op.outputs[0]] = FORWARD[op.kind](tf, self.graph, op, values)
            if i == len(self.graph.ops) - 1 or all(t in values for t in tensors):
                break
        return [values[t] for t in tensors]

    def trained(self) -> Graph:
        """The graph with the variables' present values."""
        tensors = list(self.graph.tensors)
        for t, variable in self.variables.items():
            data = (
                np.ascontiguousarray((variable.numpy() * self.scales[t]).astype(np.float32)).reshape(-1).view(np.uint8)
            )
            tensors[t] = replace(tensors[t], data=data)
        return replace(self.graph, tensors=tuple(tensors))


def trainable(graph: Graph) -> Trainable:
    """A trainable copy of a float32 graph; UnsupportedOperator for what has no gradient here."""
    tf = tensorflow()
    for i, op in enumerate(graph.ops):
        uneven = op.kind == OpKind.DEPTHWISE_CONV_2D and op.options.strideH != op.options.strideW
        if op.kind not in FORWARD or uneven or is_grouped(graph, op):  # TensorFlow has no gradients of these on a CPU
            raise UnsupportedOperator(f"{graph.describe(i)} cannot be trained; repair without distillation")
    constants = {
        t
        for op in graph.ops
        for t in op.inputs
        if t >= 0 and graph.tensors[t].is_constant and graph.tensors[t].dtype == DType.FLOAT32
    }
    scales = {t: _scale(graph.tensors[t].array) for t in sorted(constants)}
    kernels = {op.inputs[1] for op in graph.ops if op.kind == OpKind.CONV_2D}
    values = {t: graph.tensors[t].array / s for t, s in scales.items()}
    matrices = {t: v.reshape(len(v), -1) if t in kernels else v for t, v in values.items()}
    return Trainable(graph, {t: tf.Variable(v) for t, v in matrices.items()}, scales)


def _scale(values: NDArray[np.float32]) -> float:
    size = float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0


Values = Mapping[int, Any]


def _activated(tf: Any, op: Op, y: Any) -> Any:
    code = int(getattr(op.options, "fusedActivationFunction", 0))
    match code:
        case 1:
            return tf.nn.relu(y)
        case 2:
            return tf.clip_by_value(y, -1.0, 1.0)
        case 3:
            return tf.nn.relu6(y)
        case 4:
            return tf.tanh(y)
    return y


def _padding(op: Op) -> str:
    return "SAME" if op.options.padding == 0 else "VALID"


def _with_bias(op: Op, y: Any, values: Values) -> Any:
    return y + values[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] >= 0 else y


def _conv(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    shape = graph.tensors[op.inputs[1]].shape
    kernel = tf.reshape(tf.transpose(values[op.inputs[1]]), (*shape[1:], shape[0]))
    o = op.options
    dilation = [o.dilationHFactor, o.dilationWFactor]
    y = tf.nn.conv2d(values[op.inputs[0]], kernel, [o.strideH, o.strideW], _padding(op), dilations=dilation)
    return _activated(tf, op, _with_bias(op, y, values))


def _depthwise(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    _, height, width, out = graph.tensors[op.inputs[1]].shape
    channels = graph.tensors[op.inputs[0]].shape[-1]
    kernel = tf.reshape(values[op.inputs[1]], (height, width, channels, out // channels))
    o = op.options
    stride, dilation = [1, o.strideH, o.strideW, 1], [o.dilationHFactor, o.dilationWFactor]
    y = tf.nn.depthwise_conv2d(values[op.inputs[0]], kernel, stride, _padding(op), dilations=dilation)
    return _activated(tf, op, _with_bias(op, y, values))


def _dense(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    kernel = values[op.inputs[1]]
    flat = tf.reshape(values[op.inputs[0]], (-1, graph.tensors[op.inputs[1]].shape[1]))
    y = _with_bias(op, tf.matmul(flat, kernel, transpose_b=True), values)
    return tf.reshape(_activated(tf, op, y), (-1, *graph.tensors[op.outputs[0]].shape[1:]))


def _pool(kind: str) -> Callable[[Any, Graph, Op, Values], Any]:
    def pool(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
        o = op.options
        function = tf.nn.avg_pool2d if kind == "avg" else tf.nn.max_pool2d
        size, stride = [o.filterHeight, o.filterWidth], [o.strideH, o.strideW]
        return _activated(tf, op, function(values[op.inputs[0]], size, stride, _padding(op)))

    return pool


def _reduce(name: str) -> Callable[[Any, Graph, Op, Values], Any]:
    def reduce(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
        axes = np.atleast_1d(graph.tensors[op.inputs[1]].array).tolist()
        return getattr(tf, name)(values[op.inputs[0]], axis=axes, keepdims=bool(op.options.keepDims))

    return reduce


def _reshape(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    return tf.reshape(values[op.inputs[0]], (-1, *graph.tensors[op.outputs[0]].shape[1:]))


def _operand(graph: Graph, t: int, values: Values) -> Any:
    return values[t] if t in values else graph.tensors[t].array


def _elementwise(name: str) -> Callable[[Any, Graph, Op, Values], Any]:
    def elementwise(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
        a, b = (_operand(graph, t, values) for t in op.inputs[:2])
        return _activated(tf, op, getattr(tf, name)(a, b))

    return elementwise


def _unary(function: Callable[[Any, Any], Any]) -> Callable[[Any, Graph, Op, Values], Any]:
    return lambda tf, graph, op, values: function(tf, values[op.inputs[0]])


def _concatenate(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    return _activated(tf, op, tf.concat([values[t] for t in op.inputs], op.options.axis))


def _pad(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    return tf.pad(values[op.inputs[0]], graph.tensors[op.inputs[1]].array)


def _transpose(tf: Any, graph: Graph, op: Op, values: Values) -> Any:
    return tf.transpose(values[op.inputs[0]], graph.tensors[op.inputs[1]].array)


FORWARD: Mapping[OpKind, Callable[[Any, Graph, Op, Values], Any]] = {
    OpKind.ADD: _elementwise("add"),
    OpKind.AVERAGE_POOL_2D: _pool("avg"),
    OpKind.CONCATENATION: _concatenate,
    OpKind.CONV_2D: _conv,
    OpKind.DEPTHWISE_CONV_2D: _depthwise,
    OpKind.ELU: _unary(lambda tf, x: tf.nn.elu(x)),
    OpKind.EXPAND_DIMS: _reshape,
    OpKind.FULLY_CONNECTED: _dense,
    OpKind.HARD_SWISH: _unary(lambda tf, x: x * tf.nn.relu6(x + 3.0) / 6.0),
    OpKind.LOGISTIC: _unary(lambda tf, x: tf.sigmoid(x)),
    OpKind.MAX_POOL_2D: _pool("max"),
    OpKind.MEAN: _reduce("reduce_mean"),
    OpKind.MUL: _elementwise("multiply"),
    OpKind.PAD: _pad,
    OpKind.RELU: _unary(lambda tf, x: tf.nn.relu(x)),
    OpKind.RELU6: _unary(lambda tf, x: tf.nn.relu6(x)),
    OpKind.RESHAPE: _reshape,
    OpKind.SOFTMAX: _unary(lambda tf, x: tf.nn.softmax(x)),
    OpKind.SQUEEZE: _reshape,
    OpKind.SUB: _elementwise("subtract"),
    OpKind.SUM: _reduce("reduce_sum"),
    OpKind.TANH: _unary(lambda tf, x: tf.tanh(x)),
    OpKind.TRANSPOSE: _transpose,
}
"""Every operator that can be trained through."""
