"""Parts of int8 networks with RESIZE_BILINEAR, BATCH_MATMUL, SVDF, normalizations and functions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from networks_int8 import Net
from operator_networks import Part, branch, reshaped

from edgexai.graph import DType, OpKind, Quantization


def resize(net: Net, x: int, rows: int, columns: int, half: bool = False, aligned: bool = False) -> int:
    y = net.same(x, (1, rows, columns, net.tensors[x].shape[3]))
    options = schema.ResizeBilinearOptionsT(halfPixelCenters=half, alignCorners=aligned)
    return net.op(OpKind.RESIZE_BILINEAR, [x, net.ints([rows, columns])], [y], options, 3)


def resized(half: bool, aligned: bool, times: float) -> Part:
    def part(net: Net, y: int) -> int:
        _, rows, columns, _ = net.tensors[y].shape
        return resize(net, y, int(times * rows), int(times * columns) + 1, half, aligned)

    return part


def matmul(net: Net, a: int, b: int, adjoint: tuple[bool, bool] = (False, False)) -> int:
    """A product of matrices whose output scale uses most of int8."""
    left, right = net.tensors[a].shape, net.tensors[b].shape
    depth = left[-2 if adjoint[0] else -1]
    rows, columns = left[-1 if adjoint[0] else -2], right[-2 if adjoint[1] else -1]
    scales = [net.tensors[t].quantization.scale[0] for t in (a, b)]  # type: ignore[union-attr]
    shape = (*np.broadcast_shapes(left[:-2], right[:-2]), rows, columns)
    y = net.map(shape, float(scales[0] * scales[1] * 73 * 73 * np.sqrt(depth) / 60), int(net.random.integers(-40, 40)))
    options = schema.BatchMatMulOptionsT(adjX=adjoint[0], adjY=adjoint[1])
    return net.op(OpKind.BATCH_MATMUL, [a, b], [y], options, 2)


def matrix(net: Net, shape: Sequence[int], zero: int = 0) -> int:
    values = net.random.integers(-128, 128, tuple(shape)).astype(np.int8)
    return net.constant(values, DType.INT8, np.array([0.01], np.float32), zero=zero)


def product(zero: int, adjoint: tuple[bool, bool] = (False, False)) -> Part:
    """A map's rows times a constant matrix."""

    def part(net: Net, y: int) -> int:
        _, rows, columns, channels = net.tensors[y].shape
        x = reshaped(net, y, (1, rows * columns, channels))
        inside = rows * columns if adjoint[0] else channels
        return matmul(net, x, matrix(net, (5, inside) if adjoint[1] else (inside, 5), zero), adjoint)

    return part


def attention(net: Net, y: int) -> int:
    """Queries, keys and values of two heads."""
    _, rows, columns, _ = net.tensors[y].shape
    count = rows * columns
    heads = []
    for _ in range(3):
        q = reshaped(net, branch(net, y), (1, count, 2, 4))
        turned = net.same(q, (1, 2, count, 4))
        heads.append(net.op(OpKind.TRANSPOSE, [q, net.ints([0, 2, 1, 3])], [turned], schema.TransposeOptionsT(), 2))
    near = matmul(net, heads[0], heads[1], (False, True))
    tensor = net.tensors[near]
    assert tensor.quantization is not None
    made = net.map(tensor.shape, 1 / 256, -128)
    tensor.quantization.scale[0] *= 60 / tensor.quantization.scale[0] / 900  # so that some are looked at more
    weights = net.op(OpKind.SOFTMAX, [near], [made], schema.SoftmaxOptionsT(beta=1.0), 2)
    y = matmul(net, weights, heads[2])
    q = net.tensors[heads[2]].quantization
    there = net.tensors[y].quantization
    assert q is not None
    assert there is not None
    there.scale[0] = q.scale[0] * 0.7
    return y


def outer(net: Net, y: int) -> int:
    """A map times itself, its channels side by side."""
    _, rows, columns, channels = net.tensors[y].shape
    x = reshaped(net, y, (1, rows * columns, channels))
    return matmul(net, x, reshaped(net, branch(net, y), (rows * columns, channels)), (True, False))


def svdf(net: Net, x: int, units: int, rank: int, memory: int, fused: int, wide: bool) -> int:
    inputs, filters = net.tensors[x].shape[1], units * rank
    kind, numpy = (DType.INT16, np.int16) if wide else (DType.INT8, np.int8)
    features = net.constant(
        net.random.integers(-127, 128, (filters, inputs)).astype(np.int8), DType.INT8, np.array([0.01])
    )
    most = 32767 if wide else 127
    given = net.tensors[x].quantization
    assert given is not None
    spread = float(given.scale[0]) * 0.01 * 73 * 73 * np.sqrt(inputs)
    scale = np.float32(spread / (12000 if wide else 45))
    times = net.constant(
        net.random.integers(-most, most + 1, (filters, memory)).astype(numpy), kind, np.array([1.0 / most])
    )
    bias = net.constant(
        net.random.integers(-2000, 2000, units).astype(np.int32), DType.INT32, np.array([scale / np.float32(most)])
    )
    quantization = Quantization(
        np.array([scale], np.float32), np.array([0 if wide else net.random.integers(-50, 50)], np.int64)
    )
    state = net.map((1, filters * memory))
    net.tensors[state] = replace(net.tensors[state], dtype=kind, quantization=quantization, is_variable=True)
    zero = -128 if fused else int(net.random.integers(-20, 20))
    y = net.map((1, units), float(spread * 0.6 * np.sqrt(rank * memory) / 60), zero)
    options = schema.SVDFOptionsT(rank=rank, fusedActivationFunction=fused)
    return net.op(OpKind.SVDF, [x, features, times, bias, state], [y], options, 3)


def unit_length(net: Net, y: int) -> int:
    near = branch(net, y)
    made = net.map(net.tensors[near].shape, 1 / 128, 0)
    return net.op(OpKind.L2_NORMALIZATION, [near], [made], schema.L2NormOptionsT())


def normalized(net: Net, y: int) -> int:
    """Less the mean of channels, over the root of their variance, as a layer's normalization is written."""
    shape = net.tensors[y].shape
    one = (*shape[:3], 1)
    axes = net.ints([3])
    middle = net.op(OpKind.MEAN, [y, axes], [net.map(one, 0.02, 3)], schema.ReducerOptionsT(keepDims=True), 2)
    q = net.tensors[y].quantization
    assert q is not None
    scale = float(q.scale[0])
    apart = net.op(OpKind.SQUARED_DIFFERENCE, [y, middle], [net.map(shape, 40 * scale**2, -128)])
    wide = net.op(
        OpKind.MEAN, [apart, axes], [net.map(one, 20 * scale**2, -128)], schema.ReducerOptionsT(keepDims=True), 2
    )
    root = net.op(OpKind.RSQRT, [wide], [net.map(one, 0.002 / scale, -128)])
    less = net.op(OpKind.SUB, [y, middle], [net.map(shape, 1.5 * scale, 0)], schema.SubOptionsT())
    return net.op(OpKind.MUL, [less, root], [net.map(shape, 0.02, 5)], schema.MulOptionsT())


PARTS: dict[str, Part] = {
    "RESIZE_BILINEAR": resized(False, False, 2),
    "RESIZE_BILINEAR, half pixels": resized(True, False, 2),
    "RESIZE_BILINEAR, aligned": resized(False, True, 1.6),
    "RESIZE_BILINEAR to less": resized(True, False, 0.6),
    "BATCH_MATMUL with a constant": product(0),
    "BATCH_MATMUL with a turned constant": product(0, (False, True)),
    "BATCH_MATMUL with a zero point": product(7),
    "BATCH_MATMUL of a turned map": product(0, (True, False)),
    "BATCH_MATMUL of a map with itself": outer,
    "BATCH_MATMUL, attention": attention,
    "L2_NORMALIZATION": unit_length,
    "RSQRT and SQUARED_DIFFERENCE": normalized,
}
"""What stands between two convolutions."""
