"""How labels of channels pass an operator, one function a kind: fresh ones at a layer, united where channels meet.

Operators without a row freeze what they touch.
"""

from collections.abc import Callable, Mapping

import numpy as np

from edgexai.compress.channels.labels import Labelling
from edgexai.graph import DType, Op, OpKind

COUNTED = (DType.INT32, DType.INT64, DType.BOOL)
"""Types of indices, shapes and conditions: no channels lie in them."""


def freeze(known: Labelling, i: int, op: Op) -> None:
    for t in op.inputs:
        known.freeze(t)
    for t in op.outputs:
        if known.graph.tensors[t].dtype not in COUNTED:
            known.labels[t] = np.zeros(known.graph.tensors[t].shape, np.int64)


def _same(known: Labelling, i: int, op: Op) -> None:
    known.labels[op.outputs[0]] = known.labels[op.inputs[0]]


def _window(known: Labelling, i: int, op: Op) -> None:
    known.spread(op.outputs[0], known.along(op.inputs[0]))


def _reshape(known: Labelling, i: int, op: Op) -> None:
    if len(op.inputs) > 1 and not known.graph.tensors[op.inputs[1]].is_constant:
        return freeze(known, i, op)
    known.labels[op.outputs[0]] = known.labels[op.inputs[0]].reshape(known.graph.tensors[op.outputs[0]].shape)
    known.straighten(op.outputs[0])


def _cut(known: Labelling, i: int, op: Op) -> None:
    """SLICE: labels pass along axes that it leaves whole, or that nobody cuts."""
    tensors = known.graph.tensors
    starts, sizes = (tensors[t] for t in op.inputs[1:3])
    x = op.inputs[0]
    axis = known.axis_of(x)[0]
    whole = tensors[op.outputs[0]].shape[axis] == tensors[x].shape[axis]
    if not starts.is_constant or not sizes.is_constant or not whole:
        return freeze(known, i, op)
    shape = tensors[op.outputs[0]].shape
    place = tuple(slice(int(s), int(s) + n) for s, n in zip(starts.array, shape, strict=True))
    known.labels[op.outputs[0]] = known.roots(known.labels[x])[place]


def _transpose(known: Labelling, i: int, op: Op) -> None:
    order = known.graph.tensors[op.inputs[1]]
    if not order.is_constant:
        return freeze(known, i, op)
    known.labels[op.outputs[0]] = known.labels[op.inputs[0]].transpose(order.array.tolist())


def _reduce(known: Labelling, i: int, op: Op) -> None:
    axes = known.graph.tensors[op.inputs[1]]
    if not axes.is_constant:
        return freeze(known, i, op)
    labels = known.roots(known.labels[op.inputs[0]])
    for axis in {int(a) % labels.ndim for a in np.atleast_1d(axes.array)}:
        first = labels.take([0], axis)
        if not np.all(labels == first):
            return freeze(known, i, op)
        labels = first
    known.labels[op.outputs[0]] = labels.reshape(known.graph.tensors[op.outputs[0]].shape)


def _pad(known: Labelling, i: int, op: Op) -> None:
    amounts = known.graph.tensors[op.inputs[1]]
    if not amounts.is_constant:
        return freeze(known, i, op)
    labels = known.roots(known.labels[op.inputs[0]])
    for axis, amount in enumerate(amounts.array.tolist()):
        if any(amount):
            is_constant = np.all(labels == labels.take([0], axis))
            widths = [tuple(amount) if a == axis else (0, 0) for a in range(labels.ndim)]
            labels = np.pad(labels, widths, mode="edge") if is_constant else np.pad(labels, widths)
    known.labels[op.outputs[0]] = labels


def _concatenate(known: Labelling, i: int, op: Op) -> None:
    tensors = known.graph.tensors
    parts = [known.labels.get(t, np.zeros(tensors[t].shape, np.int64)) for t in op.inputs]
    known.labels[op.outputs[0]] = np.concatenate(parts, axis=op.options.axis)


def _pack(known: Labelling, i: int, op: Op) -> None:
    tensors = known.graph.tensors
    parts = [known.labels.get(t, np.zeros(tensors[t].shape, np.int64)) for t in op.inputs]
    known.labels[op.outputs[0]] = np.stack(parts, axis=op.options.axis)


def _unpack(known: Labelling, i: int, op: Op) -> None:
    labels = known.labels[op.inputs[0]]
    for n, t in enumerate(op.outputs):
        known.labels[t] = np.asarray(labels.take(n, op.options.axis))


def _split(known: Labelling, i: int, op: Op) -> None:
    """The parts stay equally long: the channels of an LSTM's gates go a unit at a time."""
    axis, x = known.graph.tensors[op.inputs[0]], op.inputs[1]
    if not axis.is_constant:
        return freeze(known, i, op)
    first, *others = parts = np.split(known.labels[x], len(op.outputs), axis=int(axis.array.item()))
    for other in others:
        known.unite(first, other)
    for t, part in zip(op.outputs, parts, strict=True):
        known.labels[t] = part


def _softmax(known: Labelling, i: int, op: Op) -> None:
    if known.axis_of(op.inputs[0])[0] == len(known.graph.tensors[op.inputs[0]].shape) - 1:
        return freeze(known, i, op)  # every channel counts in the denominator
    _same(known, i, op)


def _matmul(known: Labelling, i: int, op: Op) -> None:
    """(…, i, k) times (…, k, j): heads stay heads, what is summed over goes from both sides at once."""
    shape = known.graph.tensors[op.outputs[0]].shape
    rank = len(shape)
    lines = []
    for t, is_turned in ((op.inputs[0], op.options.adjX), (op.inputs[1], op.options.adjY)):
        axis, line = known.axis_of(t)
        if len(known.graph.tensors[t].shape) != rank or (axis >= 0 and known.graph.tensors[t].is_constant):
            return freeze(known, i, op)
        lines.append({2 * rank - 3 - axis if is_turned and axis >= rank - 2 else axis: line})
    known.labels[op.outputs[0]] = np.zeros(shape, np.int64)
    a, b = lines
    for mine, other, axis in [(a, b, n) for n in range(rank - 2)] + [(a, b, -2)]:
        # -2 stands for the axis that is summed over: the left side's last, the right side's last but one
        left, right = (mine.get(rank - 1), other.get(rank - 2)) if axis == -2 else (mine.get(axis), other.get(axis))
        if left is None and right is None:
            continue
        if left is None or right is None or len(left) != len(right):
            return freeze(known, i, op)
        known.unite(left, right)
        if axis >= 0:
            along = [-1 if n == axis else 1 for n in range(rank)]
            known.labels[op.outputs[0]] = np.broadcast_to(left.reshape(along), shape)
    rows, columns = a.get(rank - 2), b.get(rank - 1)
    if rows is not None and columns is not None:
        return freeze(known, i, op)
    if rows is not None:
        known.labels[op.outputs[0]] = np.broadcast_to(rows[:, None], shape)
    if columns is not None:
        known.labels[op.outputs[0]] = np.broadcast_to(columns, shape)


LSTM_STATES = (18, 19)
LSTM_EXTRAS = (*range(9, 12), *range(16, 18), *range(20, 24))
"""Peepholes, projection and layer normalization."""


def _lstm(known: Labelling, i: int, op: Op) -> None:
    """A unit is a row of every gate, a column of every recurrent kernel, and an entry of both states."""
    tensors = known.graph.tensors
    if op.inputs[1] < 0 or any(n < len(op.inputs) and op.inputs[n] >= 0 for n in LSTM_EXTRAS):
        return freeze(known, i, op)
    known.reads[i] = known.along(op.inputs[0])
    units = known.fresh(tensors[op.inputs[2]].shape[0])
    for t in (*op.outputs, *(op.inputs[n] for n in LSTM_STATES)):
        known.spread(t, units)


def _elementwise(known: Labelling, i: int, op: Op) -> None:
    """Channels that meet are one; a single channel that is repeated over all others stays what it is."""
    tensors, y = known.graph.tensors, op.outputs[0]
    shape = tensors[y].shape
    whole = [t for t in op.inputs if t in known.labels and tensors[t].shape[-1:] == shape[-1:]]
    for t in op.inputs:
        if t in known.labels and t not in whole:
            known.freeze(t)
    if not whole:
        return freeze(known, i, op)
    first, *others = (np.broadcast_to(known.labels[t], shape) for t in whole)
    for other in others:
        known.unite(first, other)
    known.labels[y] = first


def _conv(known: Labelling, i: int, op: Op) -> None:
    x, kernel = known.graph.tensors[op.inputs[0]], known.graph.tensors[op.inputs[1]]
    if not kernel.is_constant:
        return freeze(known, i, op)
    if kernel.shape[3] != x.shape[3]:
        return _grouped(known, i, op)
    known.reads[i] = known.along(op.inputs[0])
    known.spread(op.outputs[0], known.fresh(kernel.shape[0]))


def _grouped(known: Labelling, i: int, op: Op) -> None:
    """Groups stay equally large: their channels go position by position, the same one of every group. Where a group
    reads or writes a single channel, it goes whole, with all that it reads and writes."""
    kernel = known.graph.tensors[op.inputs[1]]
    line = known.along(op.inputs[0])
    ins = line.reshape(-1, kernel.shape[3])
    groups = len(ins)
    outs = kernel.shape[0] // groups
    if known.whole_groups or min(ins.shape[1], outs) == 1:
        known.unite(ins, np.broadcast_to(ins[:, :1], ins.shape))
        return known.spread(op.outputs[0], np.repeat(known.roots(ins[:, 0]), outs))
    known.unite(ins, np.broadcast_to(ins[:1], ins.shape))
    known.reads[i] = known.roots(ins[0])
    known.spread(op.outputs[0], np.tile(known.fresh(outs), groups))


def _transpose_conv(known: Labelling, i: int, op: Op) -> None:
    shape, kernel = (known.graph.tensors[t] for t in op.inputs[:2])
    x = op.inputs[2]
    if not shape.is_constant or not kernel.is_constant or x not in known.labels:
        return freeze(known, i, op)
    known.reads[i] = known.along(x)
    known.spread(op.outputs[0], known.fresh(kernel.shape[0]))


def _depthwise(known: Labelling, i: int, op: Op) -> None:
    kernel = known.graph.tensors[op.inputs[1]]
    if not kernel.is_constant:
        return freeze(known, i, op)
    line = known.along(op.inputs[0])
    if len(line) == 1:  # of one channel any number can be made
        return known.spread(op.outputs[0], known.fresh(kernel.shape[3]))
    known.spread(op.outputs[0], np.repeat(line, kernel.shape[3] // len(line)))


def _dense(known: Labelling, i: int, op: Op) -> None:
    x, kernel = op.inputs[0], known.graph.tensors[op.inputs[1]]
    if x not in known.labels or not kernel.is_constant:
        return freeze(known, i, op)
    outs, ins = kernel.shape
    rows = known.roots(known.labels[x]).reshape(-1, ins)
    if not np.all(rows == rows[0]):
        known.freeze(x)
    known.reads[i] = rows[0]
    known.spread(op.outputs[0], known.fresh(outs))


FOLLOW: Mapping[OpKind, Callable[[Labelling, int, Op], None]] = {
    OpKind.ABS: _same,
    OpKind.ADD: _elementwise,
    OpKind.AVERAGE_POOL_2D: _window,
    OpKind.BATCH_MATMUL: _matmul,
    OpKind.CONCATENATION: _concatenate,
    OpKind.CONV_2D: _conv,
    OpKind.DEPTHWISE_CONV_2D: _depthwise,
    OpKind.DEQUANTIZE: _same,
    OpKind.ELU: _same,
    OpKind.EXPAND_DIMS: _reshape,
    OpKind.FULLY_CONNECTED: _dense,
    OpKind.GELU: _same,
    OpKind.HARD_SWISH: _same,
    OpKind.LEAKY_RELU: _same,
    OpKind.LOGISTIC: _same,
    OpKind.MAXIMUM: _elementwise,
    OpKind.MAX_POOL_2D: _window,
    OpKind.MEAN: _reduce,
    OpKind.MINIMUM: _elementwise,
    OpKind.MUL: _elementwise,
    OpKind.PACK: _pack,
    OpKind.PAD: _pad,
    OpKind.PADV2: _pad,
    OpKind.QUANTIZE: _same,
    OpKind.RELU: _same,
    OpKind.RELU6: _same,
    OpKind.RELU_0_TO_1: _same,
    OpKind.RELU_N1_TO_1: _same,
    OpKind.RESHAPE: _reshape,
    OpKind.RESIZE_BILINEAR: _window,
    OpKind.RESIZE_NEAREST_NEIGHBOR: _window,
    OpKind.SLICE: _cut,
    OpKind.SOFTMAX: _softmax,
    OpKind.SPLIT: _split,
    OpKind.SQUEEZE: _reshape,
    OpKind.SUB: _elementwise,
    OpKind.SUM: _reduce,
    OpKind.TANH: _same,
    OpKind.TRANSPOSE: _transpose,
    OpKind.TRANSPOSE_CONV: _transpose_conv,
    OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM: _lstm,
    OpKind.UNPACK: _unpack,
}
"""Operators that channels pass; all others freeze what they touch."""
