"""Random int8 layers as graphs: scales, zero points, shapes, strides and paddings that a converter might write."""

from dataclasses import dataclass, field

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor, verify


@dataclass
class Net:
    """A graph that grows; ``random`` draws weights and scales."""

    random: np.random.Generator
    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)

    def map(self, shape: tuple[int, ...], scale: float | None = None, zero: int | None = None) -> int:
        scale = float(self.random.uniform(0.01, 0.2)) if scale is None else scale
        zero = int(self.random.choice([-128, int(self.random.integers(-128, 128))])) if zero is None else zero
        quantization = Quantization(np.array([scale], np.float32), np.array([zero], np.int64))
        self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, DType.INT8, None, quantization))
        return len(self.tensors) - 1

    def constant(
        self, values: NDArray, dtype: DType, scale: NDArray | None = None, axis: int = 0, zero: int = 0
    ) -> int:
        quantization = None
        if scale is not None:
            quantization = Quantization(scale.astype(np.float32), np.full(scale.size, zero, np.int64), axis)
        data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
        self.tensors.append(Tensor(f"c{len(self.tensors)}", values.shape, dtype, data, quantization))
        return len(self.tensors) - 1

    def ints(self, values: list) -> int:
        return self.constant(np.array(values, np.int32), DType.INT32)

    def op(self, kind: OpKind, inputs: list[int], outputs: list[int], options=None, version: int = 1) -> int:
        self.ops.append(Op(kind, tuple(inputs), tuple(outputs), options, version))
        return outputs[0]

    def same(self, x: int, shape: tuple[int, ...]) -> int:
        """A new map with the quantization of another."""
        q = self.tensors[x].quantization
        assert q is not None
        return self.map(shape, float(q.scale[0]), int(q.zero_point[0]))

    def weights(self, shape: tuple[int, ...], axis: int, channels: int, x: int, fan: int) -> tuple[int, int, float]:
        """Weights and bias, and an output scale that uses most of int8."""
        q = self.random.integers(-127, 128, shape).astype(np.int8)
        scale = self.random.uniform(0.001, 0.02, channels).astype(np.float32)
        given = self.tensors[x].quantization
        assert given is not None
        bias = self.random.integers(-4000, 4000, channels).astype(np.int32)
        w = self.constant(q, DType.INT8, scale, axis)
        b = self.constant(bias, DType.INT32, scale * given.scale[0])
        return w, b, float(given.scale[0] * scale.mean() * 73 * 73 * np.sqrt(fan) / 60)

    def finish(self, x: int, y: int) -> Graph:
        graph = Graph(tuple(self.tensors), tuple(self.ops), (x,), (y,))
        verify(graph)
        return graph


def center(net: Net, fused: int) -> int:
    """A zero point that leaves an output room on the side where its values lie."""
    return -128 if fused else int(net.random.integers(-40, 40))


def window(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    span = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == 0 else (size - span) // stride + 1


def convolution(
    net: Net,
    x: int,
    out: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: int,
    padding: int,
    fused: int,
) -> int:
    _, rows, columns, channels = net.tensors[x].shape
    w, b, scale = net.weights((out, *kernel, channels), 0, out, x, kernel[0] * kernel[1] * channels)
    shape = (
        1,
        window(rows, kernel[0], stride[0], dilation, padding),
        window(columns, kernel[1], stride[1], dilation, padding),
        out,
    )
    options = schema.Conv2DOptionsT()
    options.padding, options.fusedActivationFunction = padding, fused
    options.strideH, options.strideW = stride
    options.dilationHFactor = options.dilationWFactor = dilation
    return net.op(OpKind.CONV_2D, [x, w, b], [net.map(shape, scale, center(net, fused))], options, 3)


def depthwise(
    net: Net, x: int, times: int, kernel: tuple[int, int], stride: int, dilation: int, padding: int, fused: int
) -> int:
    _, rows, columns, channels = net.tensors[x].shape
    out = channels * times
    w, b, scale = net.weights((1, *kernel, out), 3, out, x, kernel[0] * kernel[1])
    shape = (
        1,
        window(rows, kernel[0], stride, dilation, padding),
        window(columns, kernel[1], stride, dilation, padding),
        out,
    )
    options = schema.DepthwiseConv2DOptionsT()
    options.padding, options.fusedActivationFunction, options.depthMultiplier = padding, fused, times
    options.strideH = options.strideW = stride
    options.dilationHFactor = options.dilationWFactor = dilation
    return net.op(OpKind.DEPTHWISE_CONV_2D, [x, w, b], [net.map(shape, scale, center(net, fused))], options, 3)


def dense(net: Net, x: int, out: int, fused: int) -> int:
    inside = net.tensors[x].shape[-1]
    q = net.random.integers(-127, 128, (out, inside)).astype(np.int8)
    scale = np.array([net.random.uniform(0.001, 0.02)], np.float32)
    given = net.tensors[x].quantization
    assert given is not None
    w = net.constant(q, DType.INT8, scale)
    b = net.constant(net.random.integers(-4000, 4000, out).astype(np.int32), DType.INT32, scale * given.scale[0])
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = fused
    y = net.map(
        (*net.tensors[x].shape[:-1], out),
        float(given.scale[0] * scale[0] * 73 * 73 * np.sqrt(inside) / 60),
        center(net, fused),
    )
    return net.op(OpKind.FULLY_CONNECTED, [x, w, b], [y], options, 4)


def pool(net: Net, x: int, kind: OpKind, size: tuple[int, int], stride: int, padding: int, fused: int) -> int:
    _, rows, columns, channels = net.tensors[x].shape
    shape = (1, window(rows, size[0], stride, 1, padding), window(columns, size[1], stride, 1, padding), channels)
    options = schema.Pool2DOptionsT()
    options.padding, options.fusedActivationFunction = padding, fused
    options.strideH = options.strideW = stride
    options.filterHeight, options.filterWidth = size
    return net.op(kind, [x], [net.same(x, shape)], options, 2)


def pair(net: Net, kind: OpKind, a: int, b: int, fused: int) -> int:
    options = {OpKind.ADD: schema.AddOptionsT, OpKind.SUB: schema.SubOptionsT, OpKind.MUL: schema.MulOptionsT}[kind]()
    options.fusedActivationFunction = fused
    u, v = (float(q.scale[0]) for t in (a, b) if (q := net.tensors[t].quantization) is not None)
    drawn = float(net.random.uniform(0.7, 2))
    scale = 40 * drawn * u * v if kind == OpKind.MUL else drawn * max(u, v)
    return net.op(kind, [a, b], [net.map(net.tensors[a].shape, scale, center(net, fused))], options, 2)


def classifier(columns: int = 7) -> Graph:
    """A small classifier that can be explained: convolutions, a shortcut, a pool, a dense layer."""
    net = Net(np.random.default_rng(3))
    x = net.map((1, 9, columns, 3))
    y = convolution(net, x, 13, (3, 3), (2, 1), 1, 0, 1)
    y = depthwise(net, y, 1, (3, 3), 1, 1, 0, 1)
    z = convolution(net, y, 13, (1, 1), (1, 1), 1, 0, 0)
    y = pair(net, OpKind.ADD, y, z, 1)
    y = pool(net, y, OpKind.AVERAGE_POOL_2D, (2, 2), 1, 1, 0)
    flat = net.same(y, (1, 4 * (columns - 1) * 13))
    y = net.op(OpKind.RESHAPE, [y, net.ints([1, 4 * (columns - 1) * 13])], [flat], schema.ReshapeOptionsT())
    return net.finish(x, dense(net, y, 6, 0))
