"""Parts of int8 networks that firmware writes as other operators, and models whose ports are not int8."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import networks_int8 as layers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from networks_int8 import Net
from operator_networks import Part, branch, flat, function, joined, like, table

from edgexai.graph import DType, Graph, OpKind, Quantization


def prelu(net: Net, y: int) -> int:
    slope = net.constant(
        net.random.integers(1, 90, (1, 1, 8)).astype(np.int8), DType.INT8, np.array([0.01], np.float32), zero=0
    )
    shape = net.tensors[y].shape
    return net.op(OpKind.PRELU, [branch(net, y), slope], [net.map(shape, 0.05, -20)])


def extreme(kind: OpKind) -> Part:
    """Of two maps that often are equal, and one value."""

    def part(net: Net, y: int) -> int:
        y = table(net, y, OpKind.RELU)
        other, options = like(net, y, 8), schema.MaximumMinimumOptionsT()
        both = net.op(kind, [y, other], [net.same(y, net.tensors[y].shape)], options)
        q = net.tensors[y].quantization
        assert q is not None
        one = net.constant(np.array(q.zero_point[0] + 9, np.int8), DType.INT8, q.scale, zero=int(q.zero_point[0]))
        return net.op(kind, [one, both], [net.same(y, net.tensors[y].shape)], options)

    return part


def largest(axes: list[int]) -> Part:
    def part(net: Net, y: int) -> int:
        shape = net.tensors[y].shape
        out = tuple(n for a, n in enumerate(shape) if a not in axes)
        return net.op(OpKind.REDUCE_MAX, [y, net.ints(axes)], [net.same(y, out)], schema.ReducerOptionsT(), 2)

    return part


def transposed(padding: int, stride: int) -> Part:
    def part(net: Net, y: int) -> int:
        _, rows, columns, channels = net.tensors[y].shape
        w, b, scale = net.weights((5, 3, 3, channels), 0, 5, y, 9 * channels // stride**2)
        out = (1, *(stride * n if padding == 0 else stride * (n - 1) + 3 for n in (rows, columns)), 5)
        options = schema.TransposeConvOptionsT(padding=padding, strideH=stride, strideW=stride)
        return net.op(OpKind.TRANSPOSE_CONV, [net.ints(list(out)), w, y, b], [net.map(out, scale, 5)], options, 3)

    return part


def to_space(net: Net, y: int) -> int:
    _, rows, columns, _ = net.tensors[y].shape
    finer = net.same(y, (1, 2 * rows, 2 * columns, 2))
    return net.op(OpKind.DEPTH_TO_SPACE, [y], [finer], schema.DepthToSpaceOptionsT(blockSize=2))


def to_depth(net: Net, y: int) -> int:
    _, rows, columns, _ = net.tensors[y].shape
    even = (1, rows // 2 * 2, columns // 2 * 2, 8)
    cut = net.op(OpKind.SLICE, [y, net.ints([0] * 4), net.ints(list(even))], [net.same(y, even)])
    deeper = net.same(y, (1, rows // 2, columns // 2, 32))
    return net.op(OpKind.SPACE_TO_DEPTH, [cut], [deeper], schema.SpaceToDepthOptionsT(blockSize=2))


def nearest(net: Net, y: int) -> int:
    _, rows, columns, _ = net.tensors[y].shape
    size = (1, 2 * rows, 3 * columns, 8)
    options = schema.ResizeNearestNeighborOptionsT()
    return net.op(OpKind.RESIZE_NEAREST_NEIGHBOR, [y, net.ints(list(size[1:3]))], [net.same(y, size)], options, 3)


def packed(net: Net, y: int) -> int:
    shape = net.tensors[y].shape
    options = schema.PackOptionsT(axis=-1, valuesCount=2)
    return net.op(OpKind.PACK, [y, like(net, y, 8)], [net.same(y, (*shape, 2))], options)


def unpacked(net: Net, y: int) -> int:
    shape = net.tensors[y].shape
    rows = [net.same(y, (1, *shape[2:])) for _ in range(shape[1])]
    net.op(OpKind.UNPACK, [y], rows, schema.UnpackOptionsT(axis=1, num=len(rows)))
    return joined(net, y, [rows[2], rows[0]], 2)


def broadcast(net: Net, y: int) -> int:
    wide = (2, *net.tensors[y].shape[1:3], 3, net.tensors[y].shape[3])
    given = net.op(
        OpKind.RESHAPE,
        [y, net.ints([*net.tensors[y].shape[1:3], 1, 8])],
        [net.same(y, (*net.tensors[y].shape[1:3], 1, 8))],
        schema.ReshapeOptionsT(),
    )
    return net.op(OpKind.BROADCAST_TO, [given, net.ints(list(wide))], [net.same(y, wide)])


def real(kind: OpKind, zero: int | None = None, out: tuple[float, int] = (0.02, -70)) -> Part:
    """What a converter makes of a function that it has in float32 alone."""

    def part(net: Net, y: int) -> int:
        near = branch(net, y, int(zero == -128))
        shape = net.tensors[near].shape
        q = net.tensors[near].quantization
        assert q is not None
        q.scale[0] = 0.03
        if zero is not None:
            q.zero_point[0] = zero
        x = net.op(OpKind.DEQUANTIZE, [near], [_port(net, shape, DType.FLOAT32)], schema.DequantizeOptionsT())
        x = net.op(kind, [x], [_port(net, shape, DType.FLOAT32)])
        return net.op(OpKind.QUANTIZE, [x], [net.map(shape, *out)], schema.QuantizeOptionsT())

    return part


def turned(net: Net, y: int) -> int:
    return net.op(OpKind.REVERSE_V2, [y, net.ints([1, 2])], [net.same(y, net.tensors[y].shape)])


PARTS: dict[str, Part] = {
    "ABS": function(OpKind.ABS),
    "ELU": function(OpKind.ELU),
    "PRELU": prelu,
    "MAXIMUM": extreme(OpKind.MAXIMUM),
    "MINIMUM": extreme(OpKind.MINIMUM),
    "REDUCE_MAX": largest([1, 2]),
    "TRANSPOSE_CONV, SAME": transposed(0, 2),
    "TRANSPOSE_CONV, VALID": transposed(1, 3),
    "TRANSPOSE_CONV, stride 1": transposed(0, 1),
    "DEPTH_TO_SPACE": to_space,
    "SPACE_TO_DEPTH": to_depth,
    "RESIZE_NEAREST_NEIGHBOR": nearest,
    "PACK": packed,
    "UNPACK": unpacked,
    "BROADCAST_TO": broadcast,
    "REVERSE_V2": turned,
    "ELU of float32": real(OpKind.ELU),
    "EXP of float32": real(OpKind.EXP, 90, (0.0125, -128)),
    "NEG of float32": real(OpKind.NEG, 0, (0.031, 0)),
    "SQRT of float32": real(OpKind.SQRT, -128, (0.011, -128)),
}
"""What stands between two convolutions."""


def _port(net: Net, shape: tuple[int, ...], dtype: DType, scale: float = 0.0, zero: int = 0) -> int:
    """A map of another type."""
    quantization = Quantization(np.array([scale], np.float32), np.array([zero], np.int64)) if scale else None
    t = net.map(shape)
    net.tensors[t] = replace(net.tensors[t], dtype=dtype, quantization=quantization)
    return t


def _network(net: Net, x: int, y: int) -> int:
    """Two layers behind an int8 map."""
    if len(net.tensors[y].shape) == 4:
        y = layers.convolution(net, y, 6, (3, 2), (1, 1), 1, 0, 1)
    return layers.dense(net, flat(net, y), 5, 0)


def quantized(dtype: DType, scale: float, zero: int, out: bool = False) -> Callable[[Net], Graph]:
    """A QUANTIZE at the beginning, and one to uint8 behind a SOFTMAX at the end."""

    def made(net: Net) -> Graph:
        x = _port(net, (1, 7, 6, 3), dtype, scale, zero)
        y = _network(net, x, net.op(OpKind.QUANTIZE, [x], [net.map((1, 7, 6, 3), 0.02, -5)], schema.QuantizeOptionsT()))
        if out:
            options = schema.SoftmaxOptionsT(beta=1.0)
            y = net.op(OpKind.SOFTMAX, [y], [net.map((1, 5), 1 / 256, -128)], options)
            end = _port(net, (1, 5), DType.UINT8, 1 / 256, 0)
            y = net.op(OpKind.QUANTIZE, [y], [end], schema.QuantizeOptionsT())
        return net.finish(x, y)

    return made


def padded_as_float(net: Net) -> Graph:
    """ZeroPadding2D in front of the QUANTIZE."""
    x = _port(net, (1, 7, 6, 3), DType.FLOAT32)
    amounts = net.ints([[0, 0], [0, 1], [1, 2], [0, 0]])
    padded = net.op(OpKind.PAD, [x, amounts], [_port(net, (1, 8, 9, 3), DType.FLOAT32)], schema.PadOptionsT())
    y = net.op(OpKind.QUANTIZE, [padded], [net.map((1, 8, 9, 3), 0.02, -5)], schema.QuantizeOptionsT())
    return net.finish(x, _network(net, x, y))


def embedded(kind: OpKind, real: bool = False) -> Callable[[Net], Graph]:
    """Rows of a table by the numbers that come in."""

    def made(net: Net) -> Graph:
        shape = (1, 6) if kind == OpKind.GATHER else (6,)
        x = ids = _port(net, shape, DType.FLOAT32 if real else DType.INT32)
        if real:
            ids = net.op(OpKind.CAST, [x], [_port(net, shape, DType.INT32)], schema.CastOptionsT(outDataType=2))
        values = net.random.integers(-128, 128, (20, 4)).astype(np.int8)
        rows = net.constant(values, DType.INT8, np.array([0.05], np.float32), zero=3)
        made = net.same(rows, (*shape, 4))
        inputs = [rows, ids] if kind == OpKind.GATHER else [ids, rows]
        options = schema.GatherOptionsT() if kind == OpKind.GATHER else None
        y = net.op(kind, inputs, [made], options, 2)
        y = net.op(OpKind.RESHAPE, [y, net.ints([1, 1, 6, 4])], [net.same(y, (1, 1, 6, 4))], schema.ReshapeOptionsT())
        return net.finish(x, _network(net, x, y))

    return made


def rescaled(net: Net) -> Graph:
    """A product and a sum with constants in front of the first layer, as Keras' Rescaling is."""
    x = net.map((1, 9, 8, 3), 1.0, -128)
    by = net.constant(np.array(100, np.int8), DType.INT8, np.array([0.0001], np.float32))
    y = net.op(OpKind.MUL, [x, by], [net.map((1, 9, 8, 3), 0.01, -128)], schema.MulOptionsT())
    more = net.constant(np.array(60, np.int8), DType.INT8, np.array([0.01], np.float32))
    y = net.op(OpKind.ADD, [y, more], [net.map((1, 9, 8, 3), 0.013, -128)], schema.AddOptionsT())
    y = layers.convolution(net, y, 6, (2, 2), (1, 1), 1, 0, 1)
    return net.finish(x, _network(net, x, y))


def from_the_end(net: Net) -> Graph:
    """Keras' Embedding, whose numbers may count from the end."""
    x = _port(net, (1, 6), DType.INT32)
    less = net.op(OpKind.LESS, [x, net.ints(0)], [_port(net, (1, 6), DType.BOOL)], schema.LessOptionsT())
    more = net.op(OpKind.ADD, [x, net.ints(20)], [_port(net, (1, 6), DType.INT32)], schema.AddOptionsT())
    ids = net.op(OpKind.SELECT, [less, more, x], [_port(net, (1, 6), DType.INT32)], schema.SelectOptionsT())
    rows = net.constant(net.random.integers(-128, 128, (20, 4)).astype(np.int8), DType.INT8, np.array([0.05]), zero=3)
    y = net.op(OpKind.GATHER, [rows, ids], [net.same(rows, (1, 6, 4))], schema.GatherOptionsT(), 2)
    return net.finish(x, layers.dense(net, flat(net, y), 5, 0))


def tiled(net: Net) -> Graph:
    """Keras' UpSampling2D."""
    x = net.map((1, 4, 3, 5))
    y = layers.convolution(net, x, 8, (2, 2), (1, 1), 1, 0, 1)
    apart = net.op(
        OpKind.RESHAPE, [y, net.ints([1, 4, 1, 3, 8])], [net.same(y, (1, 4, 1, 3, 8))], schema.ReshapeOptionsT()
    )
    many = net.op(OpKind.TILE, [apart, net.ints([1, 1, 2, 1, 1])], [net.same(y, (1, 4, 2, 3, 8))])
    rows = net.op(OpKind.RESHAPE, [many, net.ints([1, 8, 3, 8])], [net.same(y, (1, 8, 3, 8))], schema.ReshapeOptionsT())
    return net.finish(x, _network(net, x, rows))


PORTS: dict[str, Callable[[Net], Graph]] = {
    "uint8": quantized(DType.UINT8, 0.02, 123),
    "uint8, also out": quantized(DType.UINT8, 0.019, 128, out=True),
    "int16": quantized(DType.INT16, 0.00007, 0),
    "PAD of float32": padded_as_float,
    "GATHER": embedded(OpKind.GATHER),
    "GATHER, CAST": embedded(OpKind.GATHER, real=True),
    "EMBEDDING_LOOKUP": embedded(OpKind.EMBEDDING_LOOKUP),
}


def drawn(graph: Graph, random: np.random.Generator) -> np.ndarray:
    """An input of a model, of its type."""
    tensor = graph.tensors[graph.inputs[0]]
    if any(op.kind in (OpKind.GATHER, OpKind.EMBEDDING_LOOKUP) for op in graph.ops):
        return random.integers(0, 20, tensor.shape).astype("f4" if tensor.dtype == DType.FLOAT32 else "i4")
    if tensor.dtype == DType.FLOAT32:
        return random.normal(0, 0.8, tensor.shape).clip(-2, 2).astype(np.float32)
    kind = np.dtype({DType.UINT8: "u1", DType.INT16: "i2"}.get(tensor.dtype, "i1"))
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    return random.integers(least, most, prod(tensor.shape), endpoint=True).astype(kind).reshape(tensor.shape)
