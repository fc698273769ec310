"""Small int8 networks of operators that no public model at hand has, so that their kernels are counted too."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor


@dataclass
class _Net:
    """A graph that grows, with weights drawn at random."""

    random: np.random.Generator
    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)

    def map(self, shape: tuple[int, ...], dtype: DType = DType.INT8, scale: float = 0.05, zero: int = -5) -> int:
        q = (
            Quantization(np.array([scale], np.float32), np.array([zero], np.int64))
            if dtype in (DType.INT8, DType.INT16)
            else None
        )
        self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, dtype, None, q))
        return len(self.tensors) - 1

    def constant(self, values: NDArray[Any], scale: float = 0.0, zero: int = 0) -> int:
        t = self.map(values.shape, DType.INT8 if scale else DType.INT32, scale, zero)
        data = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
        self.tensors[t] = replace(self.tensors[t], data=data)
        return t

    def ints(self, values: list[Any]) -> int:
        return self.constant(np.array(values, np.int32))

    def op(self, kind: OpKind, inputs: list[int], output: int, options: Any = None, version: int = 2) -> int:
        self.ops.append(Op(kind, tuple(inputs), (output,), options, version))
        return output

    def weights(self, *shape: int) -> int:
        return self.constant(self.random.integers(-127, 128, shape).astype(np.int8), 0.01)

    def dense(self, x: int, out: int) -> int:
        w = self.weights(out, self.tensors[x].shape[-1])
        y = self.map((*self.tensors[x].shape[:-1], out), scale=0.3)
        return self.op(OpKind.FULLY_CONNECTED, [x, w], y, schema.FullyConnectedOptionsT(keepNumDims=True))

    def convolution(self, x: int, out: int, kernel: int, stride: int, depthwise: bool = False) -> int:
        _, rows, columns, channels = self.tensors[x].shape
        w = self.weights(*((1, kernel, kernel, channels) if depthwise else (out, kernel, kernel, channels)))
        bias = self.constant(np.zeros(channels if depthwise else out, np.int32))
        shape = (1, -(-rows // stride), -(-columns // stride), channels if depthwise else out)
        kind = OpKind.DEPTHWISE_CONV_2D if depthwise else OpKind.CONV_2D
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        options.dilationHFactor = options.dilationWFactor = options.fusedActivationFunction = 1
        if depthwise:
            options.depthMultiplier = 1
        return self.op(kind, [x, w, bias], self.map(shape, scale=0.3, zero=-128), options, 3)

    def flat(self, x: int) -> int:
        shape = (1, int(np.prod(self.tensors[x].shape)))
        y = self.map(shape, scale=0.3)
        self.tensors[y] = replace(self.tensors[x], name=f"t{y}", shape=shape)
        return self.op(OpKind.RESHAPE, [x, self.ints(list(shape))], y, schema.ReshapeOptionsT())

    def finish(self, x: int, y: int) -> Graph:
        return Graph(tuple(self.tensors), tuple(self.ops), (x,), (y,))


def embedding() -> Graph:
    """Numbers in float32, rows of a table, their mean."""
    net = _Net(np.random.default_rng(0))
    x = net.map((1, 12), DType.FLOAT32)
    ids = net.op(OpKind.CAST, [x], net.map((1, 12), DType.INT32), schema.CastOptionsT())
    table = net.constant(net.random.integers(-128, 128, (60, 16)).astype(np.int8), 0.05, -5)
    y = net.op(OpKind.GATHER, [table, ids], net.map((1, 12, 16)), schema.GatherOptionsT())
    return net.finish(x, net.dense(net.flat(y), 6))


def attention() -> Graph:
    """Two heads of a transformer, with its normalization."""
    net = _Net(np.random.default_rng(1))
    x = net.map((1, 20, 16), zero=-128)
    heads = []
    for _ in range(3):
        y = net.map((1, 20, 2, 8), scale=0.3)
        y = net.op(OpKind.RESHAPE, [net.dense(x, 16), net.ints([1, 20, 2, 8])], y, schema.ReshapeOptionsT())
        turned = net.map((1, 2, 20, 8), scale=0.3)
        heads.append(net.op(OpKind.TRANSPOSE, [y, net.ints([0, 2, 1, 3])], turned, schema.TransposeOptionsT()))
    near = net.map((1, 2, 20, 20), scale=0.1)
    near = net.op(OpKind.BATCH_MATMUL, heads[:2], near, schema.BatchMatMulOptionsT(adjY=True))
    shares = net.map((1, 2, 20, 20), scale=1 / 256, zero=-128)
    shares = net.op(OpKind.SOFTMAX, [near], shares, schema.SoftmaxOptionsT(beta=1.0))
    y = net.op(OpKind.BATCH_MATMUL, [shares, heads[2]], net.map((1, 2, 20, 8), scale=0.2), schema.BatchMatMulOptionsT())
    y = net.op(OpKind.L2_NORMALIZATION, [y], net.map((1, 2, 20, 8), scale=1 / 128, zero=0), schema.L2NormOptionsT())
    y = net.dense(net.flat(y), 6)
    return net.finish(x, net.op(OpKind.DEQUANTIZE, [y], net.map((1, 6), DType.FLOAT32), schema.DequantizeOptionsT()))


def segmentation() -> Graph:
    """Windows of several sizes, a map that is resized, and joined with what it came from."""
    net = _Net(np.random.default_rng(2))
    x = net.map((1, 20, 18, 3), zero=-128)
    near = net.convolution(x, 12, 3, 2)
    far = net.convolution(net.convolution(net.convolution(near, 12, 3, 2, True), 20, 1, 1), 12, 3, 1)
    _, rows, columns, channels = net.tensors[near].shape
    y = net.map((1, rows, columns, channels), scale=0.3, zero=-128)
    y = net.op(OpKind.RESIZE_BILINEAR, [far, net.ints([rows, columns])], y, schema.ResizeBilinearOptionsT(), 3)
    y = net.op(OpKind.ADD, [y, near], net.map((1, rows, columns, channels), scale=0.4, zero=-128), schema.AddOptionsT())
    y = net.convolution(net.convolution(y, 12, 5, 2, True), 8, 1, 1)
    y = net.dense(net.flat(y), 6)
    return net.finish(
        x, net.op(OpKind.QUANTIZE, [y], net.map((1, 6), DType.INT16, 0.001, 0), schema.QuantizeOptionsT())
    )


def functions() -> Graph:
    """What is done to single values, and pools, sums and extremes along axes."""
    net = _Net(np.random.default_rng(3))
    x = net.map((1, 18, 16, 2), zero=-128)
    y = net.convolution(x, 12, 3, 1)
    shape = net.tensors[y].shape
    slope = net.constant(net.random.integers(1, 90, (1, 1, 12)).astype(np.int8), 0.01)
    y = net.op(OpKind.PRELU, [y, slope], net.map(shape, scale=0.3))
    other = net.op(OpKind.HARD_SWISH, [y], net.map(shape, scale=0.3), schema.HardSwishOptionsT())
    y = net.op(OpKind.MAXIMUM, [y, other], net.map(shape, scale=0.3), schema.MaximumMinimumOptionsT())
    gate = net.op(OpKind.LOGISTIC, [other], net.map(shape, scale=1 / 256, zero=-128))
    y = net.op(OpKind.MUL, [y, gate], net.map(shape, scale=0.3), schema.MulOptionsT())
    y = net.op(OpKind.SUB, [y, other], net.map(shape, scale=0.3), schema.SubOptionsT())
    pool = schema.Pool2DOptionsT(padding=1, strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    y = net.op(OpKind.MAX_POOL_2D, [y], net.map((1, 9, 8, 12), scale=0.3), pool)
    y = net.op(OpKind.MEAN, [y, net.ints([1])], net.map((1, 8, 12), scale=0.3), schema.ReducerOptionsT())
    apart = net.op(
        OpKind.RESHAPE, [y, net.ints([1, 8, 1, 12])], net.map((1, 8, 1, 12), scale=0.3), schema.ReshapeOptionsT()
    )
    y = net.op(OpKind.REDUCE_MAX, [apart, net.ints([1, 2])], net.map((1, 12), scale=0.3), schema.ReducerOptionsT())
    return net.finish(x, net.dense(y, 6))


def sums() -> Graph:
    """A map and its mean, cut off on both sides."""
    net = _Net(np.random.default_rng(6))
    x = net.map((1, 12, 12, 8))
    y = net.convolution(x, 16, 3, 2)
    options = schema.ReducerOptionsT(keepDims=True)
    few = net.op(OpKind.MEAN, [y, net.ints([1, 2])], net.map((1, 1, 1, 16), scale=0.3), options)
    added = schema.AddOptionsT(fusedActivationFunction=3)
    y = net.op(OpKind.ADD, [y, few], net.map((1, 6, 6, 16), scale=6 / 255, zero=-128), added)
    return net.finish(x, net.dense(net.flat(y), 6))


def extremes() -> Graph:
    """What has no way back, in front of an ARG_MIN."""
    net = _Net(np.random.default_rng(4))
    x = net.map((1, 30, 24))
    few = net.op(OpKind.MEAN, [x, net.ints([2])], net.map((1, 30, 1)), schema.ReducerOptionsT(keepDims=True))
    y = net.op(OpKind.SQUARED_DIFFERENCE, [x, few], net.map((1, 30, 24), scale=0.4, zero=-128))
    y = net.op(OpKind.REDUCE_MIN, [y, net.ints([1])], net.map((1, 24), scale=0.4, zero=-128), schema.ReducerOptionsT())
    ends = net.map((1,), DType.INT32)
    return net.finish(x, net.op(OpKind.ARG_MIN, [y, net.ints([1])], ends, schema.ArgMinOptionsT(outputType=2)))


def largest() -> Graph:
    """A float32 input and an ARG_MAX."""
    net = _Net(np.random.default_rng(5))
    x = net.map((1, 64), DType.FLOAT32)
    y = net.op(OpKind.QUANTIZE, [x], net.map((1, 64), scale=1.0), schema.QuantizeOptionsT())
    y = net.dense(net.dense(y, 32), 10)
    return net.finish(
        x, net.op(OpKind.ARG_MAX, [y, net.ints([1])], net.map((1,), DType.INT32), schema.ArgMaxOptionsT(outputType=2))
    )


NETWORKS = {
    "embedding": embedding,
    "attention": attention,
    "segmentation": segmentation,
    "functions": functions,
    "sums": sums,
    "largest": largest,
    "extremes": extremes,
}
PREDICTED = {"extremes"}
"""Of which nothing is explained."""
