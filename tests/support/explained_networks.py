"""Random networks that take every way back of relevance, and a MobileNet."""

from math import prod

import networks_int8 as layers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from networks_int8 import Net

from edgexai.graph import Graph, OpKind


def residual(net: Net, x: int, fused: int) -> int:
    """A block with a linear branch, added to what came in."""
    channels = net.tensors[x].shape[-1]
    y = layers.depthwise(net, x, 2, (3, 3), 1, 1, 0, 3)
    y = layers.convolution(net, y, channels, (1, 1), (1, 1), 1, 0, 0)
    return layers.pair(net, OpKind.ADD, x, y, fused)


def padded(net: Net, x: int, rows: int, columns: int) -> int:
    """One row on top, two at the bottom, one column at the right, all zero."""
    _, r, c, channels = net.tensors[x].shape
    amounts = net.ints([[0, 0], [1, rows - 1], [0, columns], [0, 0]])
    return net.op(OpKind.PAD, [x, amounts], [net.same(x, (1, r + rows, c + columns, channels))], schema.PadOptionsT())


def network(seed: int) -> Graph:
    """A network that takes every way back, with shapes, strides, paddings and activations that the seed draws."""
    random = np.random.default_rng(seed)
    net = Net(random)
    x = net.map((1, int(random.integers(7, 12)), int(random.integers(6, 10)), int(random.integers(1, 5))))
    y = padded(net, x, 3, 1) if seed % 2 else x
    stride = (int(random.integers(1, 3)), 1)
    y = layers.convolution(net, y, int(random.integers(2, 14)), (3, 2), stride, 1, seed % 2, int(random.choice([1, 3])))
    y = residual(net, y, int(random.choice([0, 1])))
    if seed % 3 == 0:
        y = layers.pool(net, y, OpKind.MAX_POOL_2D, (2, 2), int(random.integers(1, 3)), 1, 0)
    y = layers.depthwise(net, y, 1, (2, 3), int(random.integers(1, 3)), 1, 0, int(random.choice([1, 3])))
    y = layers.convolution(net, y, int(random.integers(2, 20)), (2, 2), (1, 1), int(random.integers(1, 3)), 0, 1)
    if seed % 3 == 1:
        y = layers.pool(net, y, OpKind.AVERAGE_POOL_2D, (3, 2), int(random.integers(1, 3)), 0, 0)
    flat = net.same(y, (1, prod(net.tensors[y].shape)))
    y = net.op(OpKind.RESHAPE, [y, net.ints([1, -1])], [flat], schema.ReshapeOptionsT())
    y = layers.dense(net, layers.dense(net, y, 9, 1), 5, 0)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return net.finish(x, net.op(OpKind.SOFTMAX, [y], [net.map((1, 5), 1 / 256, -128)], options, 2))


def signed() -> Graph:
    """Maps of both signs, few of whose pixels meet the weights of layers: their rows are read as they are."""
    net = Net(np.random.default_rng(4))
    x = net.map((1, 7, 6, 3))
    y = layers.convolution(net, x, 10, (3, 3), (2, 2), 1, 0, 0)
    y = layers.convolution(net, y, 7, (2, 2), (2, 1), 1, 1, 0)
    y = layers.convolution(net, y, 9, (1, 1), (1, 1), 1, 0, 0)
    flat = net.same(y, (1, prod(net.tensors[y].shape)))
    y = net.op(OpKind.RESHAPE, [y, net.ints([1, -1])], [flat], schema.ReshapeOptionsT())
    return net.finish(x, layers.dense(net, y, 5, 0))


def mobilenet(width: int = 8) -> Graph:
    """MobileNet V1 ×0.25 at 96×96 as person detection uses it, with random weights."""
    net = Net(np.random.default_rng(11))
    x = net.map((1, 96, 96, 3), 1 / 255, -128)
    y = layers.convolution(net, x, width, (3, 3), (2, 2), 1, 0, 1)
    for out, stride in zip(
        (2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32), (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1), strict=True
    ):
        y = layers.depthwise(net, y, 1, (3, 3), stride, 1, 0, 1)
        y = layers.convolution(net, y, out * width, (1, 1), (1, 1), 1, 0, 1)
    y = layers.pool(net, y, OpKind.AVERAGE_POOL_2D, (3, 3), 1, 1, 0)
    flat = net.same(y, (1, prod(net.tensors[y].shape)))
    y = layers.dense(net, net.op(OpKind.RESHAPE, [y, net.ints([1, -1])], [flat], schema.ReshapeOptionsT()), 2, 0)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return net.finish(x, net.op(OpKind.SOFTMAX, [y], [net.map((1, 2), 1 / 256, -128)], options, 2))
