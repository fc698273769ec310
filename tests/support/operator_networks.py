"""Small int8 networks, one an operator that relevance goes back through, with shapes and scales that a seed draws."""

from collections.abc import Callable
from math import prod

import networks_int8 as layers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from networks_int8 import Net

from edgexai.graph import DType, Graph, OpKind

Part = Callable[[Net, int], int]


def network(part: Part, seed: int) -> Graph:
    """A convolution, the operator, another convolution and a dense layer."""
    net = Net(np.random.default_rng(seed))
    x = net.map((1, int(net.random.integers(6, 9)), int(net.random.integers(5, 8)), int(net.random.integers(1, 4))))
    y = part(net, layers.convolution(net, x, 8, (3, 2), (1, 1), 1, 0, seed % 2))
    if len(net.tensors[y].shape) == 4 and net.tensors[y].shape[1] > 1:
        y = layers.convolution(net, y, 6, (2, 2), (1, 1), 1, 0, 1)
    return net.finish(x, layers.dense(net, flat(net, y), 5, 0))


def flat(net: Net, y: int) -> int:
    return reshaped(net, y, (1, prod(net.tensors[y].shape)))


def reshaped(net: Net, y: int, shape: tuple[int, ...]) -> int:
    return net.op(OpKind.RESHAPE, [y, net.ints(list(shape))], [net.same(y, shape)], schema.ReshapeOptionsT())


def branch(net: Net, y: int, fused: int = 0, out: int = 8) -> int:
    return layers.convolution(net, y, out, (1, 1), (1, 1), 1, 0, fused)


def table(net: Net, y: int, kind: OpKind) -> int:
    """A function of one value."""
    shape = net.tensors[y].shape
    fixed = {OpKind.LOGISTIC: (1 / 256, -128), OpKind.TANH: (1 / 128, 0)}.get(kind, (0.02, -20))
    if kind == OpKind.RELU:  # whose output is as wide as its input
        tensor = net.tensors[y]
        assert tensor.quantization is not None
        fixed = float(tensor.quantization.scale[0]), -128
    options = schema.LeakyReluOptionsT() if kind == OpKind.LEAKY_RELU else None
    if options is not None:
        options.alpha = 0.2
    return net.op(kind, [y], [net.map(shape, *fixed)], options)


def function(kind: OpKind) -> Part:
    def part(net: Net, y: int) -> int:
        near = layers.convolution(net, y, 8, (1, 1), (1, 1), 1, 0, 0)
        tensor = net.tensors[near]
        assert tensor.quantization is not None
        tensor.quantization.scale[0] = 0.03  # so that a function sees its bend
        return table(net, near, kind)

    return part


def softmax(beta: float = 1.0, times: float = 1.0) -> Part:
    """Along channels, of values between which it decides."""

    def part(net: Net, y: int) -> int:
        near = layers.convolution(net, y, 8, (1, 1), (1, 1), 1, 0, 0)
        tensor = net.tensors[near]
        assert tensor.quantization is not None
        tensor.quantization.scale[0] = 0.03 * times
        options = schema.SoftmaxOptionsT()
        options.beta = beta
        return net.op(OpKind.SOFTMAX, [near], [net.map(tensor.shape, 1 / 256, -128)], options)

    return part


def attention(net: Net, y: int) -> int:
    """A SOFTMAX over positions that weighs another map."""
    shape = net.tensors[y].shape
    near = layers.convolution(net, y, 1, (1, 1), (1, 1), 1, 0, 0)
    tensor = net.tensors[near]
    assert tensor.quantization is not None
    tensor.quantization.scale[0] = 0.03
    row = reshaped(net, near, (1, shape[1] * shape[2]))
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    weights = net.op(OpKind.SOFTMAX, [row], [net.map(net.tensors[row].shape, 1 / 256, -128)], options)
    made = layers.pair(net, OpKind.MUL, branch(net, y), reshaped(net, weights, (*shape[:3], 1)), 0)
    tensor = net.tensors[made]
    assert tensor.quantization is not None
    tensor.quantization.scale[0] /= 10
    return made


def flattened(part: Part) -> Part:
    """An operator on the values of a map as one row."""
    return lambda net, y: part(net, flat(net, layers.convolution(net, y, 4, (1, 1), (1, 1), 1, 0, 0)))


def sum_of_rows(net: Net, y: int) -> int:
    other = flat(net, layers.convolution(net, y, 4, (1, 1), (1, 1), 1, 0, 0))
    first = flat(net, layers.convolution(net, y, 4, (1, 1), (1, 1), 1, 0, 0))
    return layers.pair(net, OpKind.ADD, first, other, 0)


def softmax_of_a_row(net: Net, y: int) -> int:
    row = flat(net, layers.convolution(net, y, 1, (1, 1), (1, 1), 1, 0, 0))
    tensor = net.tensors[net.ops[-2].outputs[0]]
    assert tensor.quantization is not None
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return net.op(OpKind.SOFTMAX, [row], [net.map(net.tensors[row].shape, 1 / 256, -128)], options)


def difference(net: Net, y: int) -> int:
    return layers.pair(net, OpKind.SUB, y, branch(net, y), 0)


RANGES = {1: (0.12, -128), 2: (1 / 127, 0), 3: (6 / 255, -128)}
"""Scale and zero point of what a fused activation leaves."""


def cut_off(part: Part, fused: int) -> Part:
    """An operator whose output has a fused activation and the range that a converter gives it."""

    def cut(net: Net, y: int) -> int:
        y = part(net, y)
        net.ops[-1].options.fusedActivationFunction = fused
        quantization = net.tensors[y].quantization
        assert quantization is not None
        quantization.scale[0], quantization.zero_point[0] = RANGES[fused]
        return y

    return cut


def whole(kind: OpKind, other: Callable[[Net, int], int], first: bool = False) -> Part:
    """A map and another one that is repeated along its axes."""

    def part(net: Net, y: int) -> int:
        a, b = branch(net, y), other(net, y)
        shape = net.tensors[a].shape
        options = {OpKind.ADD: schema.AddOptionsT, OpKind.SUB: schema.SubOptionsT}[kind]()
        return net.op(kind, [b, a] if first else [a, b], [net.map(shape, 0.25, 3)], options, 2)

    return part


def of_rows(net: Net, y: int) -> int:
    return branch(net, mean(net, y, [2]))


def of_channels(net: Net, y: int) -> int:
    return branch(net, mean(net, y, [1, 2]))


def steady(net: Net, y: int) -> int:
    """A constant a column."""
    shape = (1, 1, *net.tensors[y].shape[2:])
    values = net.random.integers(-90, 90, shape).astype(np.int8)
    return net.constant(values, DType.INT8, np.array([0.06], np.float32), zero=3)


def pooled(kind: OpKind, fused: int, padding: int = 0) -> Part:
    """A pool has one scale, so that what it cuts off is there."""
    return lambda net, y: layers.pool(net, branch(net, y), kind, (3, 2), 2 - padding, padding, fused)


def sum_that_is_cut(net: Net, y: int) -> int:
    return layers.pair(net, OpKind.ADD, branch(net, y), branch(net, y), 1)


def constant(net: Net, low: int, high: int) -> int:
    values = net.random.integers(low, high, 8).astype(np.int8)
    return net.constant(values, DType.INT8, np.array([0.02], np.float32), zero=int(net.random.integers(-3, 3)))


def offset(net: Net, y: int) -> int:
    """A sum with a constant that no layer takes in, as another map reads it too."""
    return layers.pair(net, OpKind.ADD, table(net, y, OpKind.RELU), constant(net, -90, 90), 1)


def scaled(net: Net, y: int) -> int:
    return layers.pair(net, OpKind.MUL, table(net, y, OpKind.RELU), constant(net, 20, 90), 0)


def mean(net: Net, y: int, axes: list[int], kind: OpKind = OpKind.MEAN, keep: bool = True) -> int:
    shape = net.tensors[y].shape
    out = tuple(1 if a in axes else n for a, n in enumerate(shape) if keep or a not in axes)
    options = schema.ReducerOptionsT()
    options.keepDims = keep
    scale = 0.05 if kind == OpKind.MEAN else 0.4
    return net.op(kind, [y, net.ints(axes)], [net.map(out, scale, 3)], options, 2)


def less_its_mean(net: Net, y: int) -> int:
    return layers.pair(net, OpKind.SUB, y, mean(net, y, [1, 2]), 0)


def gated(net: Net, y: int) -> int:
    return layers.pair(net, OpKind.MUL, branch(net, y), table(net, branch(net, y), OpKind.LOGISTIC), 0)


def squeezed_and_excited(net: Net, y: int) -> int:
    gate = table(net, branch(net, mean(net, y, [1, 2])), OpKind.LOGISTIC)
    return layers.pair(net, OpKind.MUL, y, gate, 0)


def product(net: Net, y: int) -> int:
    return layers.pair(net, OpKind.MUL, branch(net, y), branch(net, y), 0)


def joined(net: Net, y: int, parts: list[int], axis: int) -> int:
    shapes = [net.tensors[t].shape for t in parts]
    out = list(shapes[0])
    out[axis] = sum(shape[axis] for shape in shapes)
    options = schema.ConcatenationOptionsT()
    options.axis = axis
    return net.op(OpKind.CONCATENATION, parts, [net.same(y, tuple(out))], options, 2)


def like(net: Net, y: int, out: int) -> int:
    """A convolution whose output has the scale of its input."""
    made = layers.convolution(net, y, out, (1, 1), (1, 1), 1, 0, 0)
    there, here = net.tensors[made].quantization, net.tensors[y].quantization
    assert there is not None
    assert here is not None
    there.scale[:], there.zero_point[:] = here.scale, here.zero_point
    return made


def concatenation(axis: int) -> Part:
    def part(net: Net, y: int) -> int:
        return joined(net, y, [y, like(net, y, 8 if axis < 3 else 3), y], axis)

    return part


def split(net: Net, y: int) -> int:
    """Three pieces, of which one is not used and another one twice."""
    shape = net.tensors[y].shape
    sizes = [2, 3, 3]
    pieces = [net.same(y, (*shape[:3], n)) for n in sizes]
    options = schema.SplitVOptionsT()
    options.numSplits = 3
    net.op(OpKind.SPLIT_V, [y, net.ints(sizes), net.ints([3])], pieces, options, 2)
    return joined(net, y, [pieces[2], pieces[0], pieces[2]], 3)


def halves(net: Net, y: int) -> int:
    shape = net.tensors[y].shape
    pieces = [net.same(y, (*shape[:3], 4)) for _ in range(2)]
    options = schema.SplitOptionsT()
    options.numSplits = 2
    net.op(OpKind.SPLIT, [net.ints(3), y], pieces, options, 2)
    y = layers.pair(net, OpKind.ADD, *pieces, 0)
    tensor = net.tensors[y]
    assert tensor.quantization is not None
    tensor.quantization.scale[0] *= 2  # nothing is cut off at the end of int8
    return y


def pieces_of_two_kinds(net: Net, y: int) -> int:
    """A piece that gates, and one that a function takes: relevance itself arrives there, and nothing at the first."""
    shape = (*net.tensors[y].shape[:3], 4)
    near = branch(net, y)
    pieces = [net.same(near, shape) for _ in range(2)]
    net.op(OpKind.SPLIT, [net.ints([3]), near], pieces, schema.SplitOptionsT(numSplits=2), 2)
    gate, value = table(net, pieces[0], OpKind.LOGISTIC), table(net, pieces[1], OpKind.TANH)
    return layers.pair(net, OpKind.MUL, value, gate, 0)


def sum_in_front_of_a_function(net: Net, y: int) -> int:
    added = layers.pair(net, OpKind.ADD, branch(net, y), branch(net, y), 0)
    tensor = net.tensors[added]
    assert tensor.quantization is not None
    tensor.quantization.scale[0] = 0.2
    return table(net, added, OpKind.TANH)


def cut(net: Net, y: int) -> int:
    _, rows, columns, _ = net.tensors[y].shape
    out = (1, rows - 2, columns - 1, 5)
    return net.op(OpKind.SLICE, [y, net.ints([0, 1, 1, 2]), net.ints(list(out))], [net.same(y, out)])


def strided(net: Net, y: int) -> int:
    _, rows, columns, _ = net.tensors[y].shape
    out = (1, len(range(1, rows, 2)), columns, 4)
    given = [net.ints(v) for v in ([0, 1, 0, 7], [1, rows, columns, 0], [1, 2, 1, -2])]
    options = schema.StridedSliceOptionsT()
    options.endMask = 8
    options.beginMask = options.ellipsisMask = options.newAxisMask = options.shrinkAxisMask = 0
    return net.op(OpKind.STRIDED_SLICE, [y, *given], [net.same(y, out)], options, 2)


def turned(order: list[int]) -> Part:
    def part(net: Net, y: int) -> int:
        shape = net.tensors[y].shape
        return net.op(OpKind.TRANSPOSE, [y, net.ints(order)], [net.same(y, tuple(shape[a] for a in order))], None, 2)

    return part


def padded(net: Net, y: int) -> int:
    """A PAD along channels too, in front of a sum, which no window takes in."""
    _, rows, columns, _ = net.tensors[y].shape
    y = table(net, y, OpKind.RELU)
    wide = net.same(y, (1, rows + 3, columns + 1, 11))
    amounts = net.ints([[0, 0], [1, 2], [0, 1], [2, 1]])
    return net.op(OpKind.PAD, [y, amounts], [wide], schema.PadOptionsT())


def bordered(net: Net, y: int) -> int:
    """A PAD in front of a pointwise layer, whose output is larger than what relevance is kept of."""
    _, rows, columns, channels = net.tensors[y].shape
    wide = net.same(y, (1, rows + 3, columns + 1, channels))
    amounts = net.ints([[0, 0], [1, 2], [0, 1], [0, 0]])
    return branch(net, net.op(OpKind.PAD, [y, amounts], [wide], schema.PadOptionsT()))


def regrouped(net: Net, y: int) -> int:
    """Channels become finer pixels and are scaled apart, as sub-spectral normalization does."""
    _, rows, columns, _ = net.tensors[y].shape
    fine = reshaped(net, y, (1, rows, 2 * columns, 4))
    values = net.random.integers(20, 90, 4).astype(np.int8)
    by = net.constant(values, DType.INT8, np.array([0.02], np.float32))
    return reshaped(net, layers.pair(net, OpKind.MUL, fine, by, 0), (1, rows, columns, 8))


def grouped(net: Net, y: int) -> int:
    _, rows, columns, channels = net.tensors[y].shape
    w, b, scale = net.weights((6, 3, 3, channels // 2), 0, 6, y, 9 * channels // 2)
    options = schema.Conv2DOptionsT()
    options.padding, options.strideH, options.strideW = 0, 1, 2
    options.dilationHFactor = options.dilationWFactor = 1
    out = net.map((1, rows, -(-columns // 2), 6), scale, -9)
    return net.op(OpKind.CONV_2D, [y, w, b], [out], options, 3)


PARTS: dict[str, Part] = {
    "SUB": difference,
    "SUB of a mean": less_its_mean,
    "ADD, RELU": sum_that_is_cut,
    "ADD, RELU6": cut_off(lambda net, y: layers.pair(net, OpKind.ADD, branch(net, y), branch(net, y), 0), 3),
    "SUB, RELU_N1_TO_1": cut_off(difference, 2),
    "SUB of channels, RELU6": cut_off(whole(OpKind.SUB, of_channels), 3),
    "ADD of a constant, RELU6": cut_off(whole(OpKind.ADD, steady), 3),
    "ADD of channels": whole(OpKind.ADD, of_channels),
    "ADD of rows, first": whole(OpKind.ADD, of_rows, first=True),
    "ADD of rows, RELU6": cut_off(whole(OpKind.ADD, of_rows), 3),
    "MUL by a gate, RELU6": cut_off(gated, 3),
    "MAX_POOL_2D, RELU": pooled(OpKind.MAX_POOL_2D, 1),
    "MAX_POOL_2D, RELU6": pooled(OpKind.MAX_POOL_2D, 3, 1),
    "AVERAGE_POOL_2D, RELU": pooled(OpKind.AVERAGE_POOL_2D, 1),
    "AVERAGE_POOL_2D, RELU6": pooled(OpKind.AVERAGE_POOL_2D, 3, 1),
    "ADD of a constant": offset,
    "MUL by a constant": scaled,
    "MUL by a gate": gated,
    "MUL by a gate for all pixels": squeezed_and_excited,
    "MUL of equals": product,
    "CONCATENATION of channels": concatenation(3),
    "CONCATENATION of rows": concatenation(1),
    "SPLIT_V": split,
    "SPLIT": halves,
    "SPLIT, pieces of two kinds": pieces_of_two_kinds,
    "ADD, TANH": sum_in_front_of_a_function,
    "SLICE": cut,
    "STRIDED_SLICE": strided,
    "TRANSPOSE": turned([0, 2, 1, 3]),
    "TRANSPOSE of channels": turned([0, 3, 1, 2]),
    "PAD": padded,
    "PAD, pointwise": bordered,
    "RESHAPE": regrouped,
    "CONV_2D, groups": grouped,
    "MEAN of rows": lambda net, y: mean(net, y, [1]),
    "MEAN of all": lambda net, y: mean(net, y, [1, 2], keep=False),
    "SUM of channels": lambda net, y: mean(net, y, [3], OpKind.SUM),
    "LOGISTIC": function(OpKind.LOGISTIC),
    "TANH": function(OpKind.TANH),
    "HARD_SWISH": function(OpKind.HARD_SWISH),
    "LEAKY_RELU": function(OpKind.LEAKY_RELU),
    "QUANTIZE": lambda net, y: table(net, y, OpKind.QUANTIZE),
    "LEAKY_RELU of a row": flattened(lambda net, y: table(net, y, OpKind.LEAKY_RELU)),
    "QUANTIZE of a row": flattened(lambda net, y: table(net, y, OpKind.QUANTIZE)),
    "ADD of rows": sum_of_rows,
    "SOFTMAX of a row": softmax_of_a_row,
    "SOFTMAX": softmax(),
    "SOFTMAX, beta": softmax(0.5, 4.0),
    "SOFTMAX of positions": attention,
}
"""What stands between two convolutions."""
