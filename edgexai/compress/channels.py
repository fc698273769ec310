"""Which channels of a graph can only go together: found by following every single channel through the operators.

Each channel that a layer writes gets a label; an operator that needs two channels to be the same one (an addition,
a depthwise convolution) unites their labels. Model inputs and outputs, and whatever an operator without a row
touches, are united with the label FROZEN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import DType, Graph, Op, OpKind

FROZEN = 0
Labels = NDArray[np.int64]
COUNTED = (DType.INT32, DType.INT64, DType.BOOL)


@dataclass(frozen=True)
class Line:
    """Along ``axis`` of a tensor lie channels with these ``labels``."""

    axis: int
    labels: Labels


@dataclass(frozen=True)
class Group:
    """Labels that lie in the same tensors: the channels of one layer, and of all that is coupled to it."""

    labels: Labels
    tensors: tuple[int, ...]


@dataclass(frozen=True)
class Coupling:
    """Where each channel of a graph lies: ``lines`` of the computed tensors, and the groups of free channels.

    ``reads`` are the labels that a linear operator's weights meet along their input axis.
    """

    lines: Mapping[int, Line]
    reads: Mapping[int, Labels]
    groups: tuple[Group, ...]

    @property
    def size(self) -> int:
        """One more than the highest label."""
        return 1 + max((int(g.labels.max()) for g in self.groups), default=0)


def couple(graph: Graph) -> Coupling:
    """Find the coupled channels of a graph."""
    return _Follower(graph).coupling()


class _Follower:
    """Walks through the graph; ``labels`` holds one label for each element of each computed tensor."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.labels: dict[int, Labels] = {}
        self.reads: dict[int, Labels] = {}
        self.parent = np.zeros(1, np.int64)
        for t in graph.inputs:
            self.labels[t] = np.zeros(graph.tensors[t].shape, np.int64)
        for i, op in enumerate(graph.ops):
            if any(t in self.labels for t in op.inputs) and graph.tensors[op.outputs[0]].dtype not in COUNTED:
                FOLLOW.get(op.kind, _freeze)(self, i, op)
        for t in graph.outputs:
            self.freeze(t)

    # --- union-find, FROZEN always the root

    def roots(self, labels: Labels) -> Labels:
        return self.parent[labels]

    def unite(self, a: Labels, b: Labels) -> None:
        pairs = np.unique(np.stack([self.roots(a).ravel(), self.roots(b).ravel()], axis=1), axis=0)
        for one, other in pairs:
            low, high = sorted((self.parent[one], self.parent[other]))
            if low != high:
                self.parent[self.parent == high] = low

    def fresh(self, count: int) -> Labels:
        start = len(self.parent)
        self.parent = np.concatenate([self.parent, np.arange(start, start + count)])
        return np.arange(start, start + count)

    def freeze(self, t: int) -> None:
        if t in self.labels:
            self.unite(self.labels[t], np.zeros_like(self.labels[t]))

    def straighten(self, t: int) -> None:
        """Unite the labels of a tensor until they lie along one axis: channels cut into heads go a head at a time."""
        labels = self.roots(self.labels[t])
        if not labels.any() or any(_is_straight(labels, a) for a in range(labels.ndim)):
            return
        varies = [a for a in range(labels.ndim) if not np.all(labels == labels.take([0], a))]
        rows = np.moveaxis(labels, varies[0], 0).reshape(labels.shape[varies[0]], -1)
        self.unite(rows, np.broadcast_to(rows[:, :1], rows.shape))

    def axis_of(self, t: int) -> tuple[int, Labels]:
        """The axis that a tensor's labels lie along, and the labels; -1 for a tensor without free channels."""
        labels = self.roots(self.labels.get(t, np.zeros(self.graph.tensors[t].shape, np.int64)))
        axis = next((a for a in range(labels.ndim) if labels.any() and _is_straight(labels, a)), -1)
        if axis < 0:
            self.freeze(t)
            return axis, np.zeros(1, np.int64)
        return axis, np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])[0]

    # --- lines

    def along(self, t: int, axis: int = -1) -> Labels:
        """The labels along an axis; frozen if they differ along another one."""
        labels = self.roots(self.labels[t])
        line = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
        if not np.all(line == line[0]):
            self.freeze(t)
        return np.asarray(line[0])

    def spread(self, t: int, line: Labels) -> None:
        """Give a tensor labels along its last axis."""
        self.labels[t] = np.broadcast_to(line, self.graph.tensors[t].shape)

    def coupling(self) -> Coupling:
        lines = self._lines()
        where: dict[int, list[int]] = {}
        for t, line in lines.items():
            for label in np.unique(line.labels):
                if label != FROZEN:
                    where.setdefault(int(label), []).append(t)
        together: dict[tuple[int, ...], list[int]] = {}
        for label, tensors in where.items():
            together.setdefault(tuple(tensors), []).append(label)
        groups = tuple(Group(np.array(sorted(labels)), tensors) for tensors, labels in together.items())
        return Coupling(lines, {i: self.roots(r) for i, r in self.reads.items()}, groups)

    def _lines(self) -> dict[int, Line]:
        """One line for each tensor that has free channels; freezes those that lie along no single axis."""
        while True:
            lines, crooked = {}, []
            for t, labels in self.labels.items():
                labels = self.roots(labels)
                if not labels.any():
                    continue
                axis = next((a for a in range(labels.ndim) if _is_straight(labels, a)), None)
                if axis is None:
                    crooked.append(t)
                else:
                    lines[t] = Line(axis, np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])[0])
            if not crooked:
                return lines
            for t in crooked:
                self.freeze(t)


def _is_straight(labels: Labels, axis: int) -> bool:
    line = np.moveaxis(labels, axis, -1).reshape(-1, labels.shape[axis])
    return bool(np.all(line == line[0]))


# --- how labels pass an operator


def _freeze(follow: _Follower, i: int, op: Op) -> None:
    for t in op.inputs:
        follow.freeze(t)
    for t in op.outputs:
        follow.labels[t] = np.zeros(follow.graph.tensors[t].shape, np.int64)


def _same(follow: _Follower, i: int, op: Op) -> None:
    follow.labels[op.outputs[0]] = follow.labels[op.inputs[0]]


def _window(follow: _Follower, i: int, op: Op) -> None:
    follow.spread(op.outputs[0], follow.along(op.inputs[0]))


def _reshape(follow: _Follower, i: int, op: Op) -> None:
    if len(op.inputs) > 1 and not follow.graph.tensors[op.inputs[1]].is_constant:
        return _freeze(follow, i, op)
    follow.labels[op.outputs[0]] = follow.labels[op.inputs[0]].reshape(follow.graph.tensors[op.outputs[0]].shape)
    follow.straighten(op.outputs[0])


def _cut(follow: _Follower, i: int, op: Op) -> None:
    """SLICE: labels pass along axes that it leaves whole, or that nobody cuts."""
    tensors = follow.graph.tensors
    starts, sizes = (tensors[t] for t in op.inputs[1:3])
    x = op.inputs[0]
    axis = follow.axis_of(x)[0]
    whole = tensors[op.outputs[0]].shape[axis] == tensors[x].shape[axis]
    if not starts.is_constant or not sizes.is_constant or not whole:
        return _freeze(follow, i, op)
    shape = tensors[op.outputs[0]].shape
    place = tuple(slice(int(s), int(s) + n) for s, n in zip(starts.array, shape, strict=True))
    follow.labels[op.outputs[0]] = follow.roots(follow.labels[x])[place]


def _transpose(follow: _Follower, i: int, op: Op) -> None:
    order = follow.graph.tensors[op.inputs[1]]
    if not order.is_constant:
        return _freeze(follow, i, op)
    follow.labels[op.outputs[0]] = follow.labels[op.inputs[0]].transpose(order.array.tolist())


def _reduce(follow: _Follower, i: int, op: Op) -> None:
    axes = follow.graph.tensors[op.inputs[1]]
    if not axes.is_constant:
        return _freeze(follow, i, op)
    labels = follow.roots(follow.labels[op.inputs[0]])
    for axis in {int(a) % labels.ndim for a in np.atleast_1d(axes.array)}:
        first = labels.take([0], axis)
        if not np.all(labels == first):
            return _freeze(follow, i, op)
        labels = first
    follow.labels[op.outputs[0]] = labels.reshape(follow.graph.tensors[op.outputs[0]].shape)


def _pad(follow: _Follower, i: int, op: Op) -> None:
    amounts = follow.graph.tensors[op.inputs[1]]
    if not amounts.is_constant:
        return _freeze(follow, i, op)
    labels = follow.roots(follow.labels[op.inputs[0]])
    for axis, amount in enumerate(amounts.array.tolist()):
        if any(amount):
            is_constant = np.all(labels == labels.take([0], axis))
            widths = [tuple(amount) if a == axis else (0, 0) for a in range(labels.ndim)]
            labels = np.pad(labels, widths, mode="edge") if is_constant else np.pad(labels, widths)
    follow.labels[op.outputs[0]] = labels


def _concatenate(follow: _Follower, i: int, op: Op) -> None:
    tensors = follow.graph.tensors
    parts = [follow.labels.get(t, np.zeros(tensors[t].shape, np.int64)) for t in op.inputs]
    follow.labels[op.outputs[0]] = np.concatenate(parts, axis=op.options.axis)


def _pack(follow: _Follower, i: int, op: Op) -> None:
    tensors = follow.graph.tensors
    parts = [follow.labels.get(t, np.zeros(tensors[t].shape, np.int64)) for t in op.inputs]
    follow.labels[op.outputs[0]] = np.stack(parts, axis=op.options.axis)


def _unpack(follow: _Follower, i: int, op: Op) -> None:
    labels = follow.labels[op.inputs[0]]
    for n, t in enumerate(op.outputs):
        follow.labels[t] = np.asarray(labels.take(n, op.options.axis))


def _split(follow: _Follower, i: int, op: Op) -> None:
    """The parts stay equally long: the channels of an LSTM's gates go a unit at a time."""
    axis, x = follow.graph.tensors[op.inputs[0]], op.inputs[1]
    if not axis.is_constant:
        return _freeze(follow, i, op)
    first, *others = parts = np.split(follow.labels[x], len(op.outputs), axis=int(axis.array.item()))
    for other in others:
        follow.unite(first, other)
    for t, part in zip(op.outputs, parts, strict=True):
        follow.labels[t] = part


def _softmax(follow: _Follower, i: int, op: Op) -> None:
    if follow.axis_of(op.inputs[0])[0] == len(follow.graph.tensors[op.inputs[0]].shape) - 1:
        return _freeze(follow, i, op)  # every channel counts in the denominator
    _same(follow, i, op)


def _matmul(follow: _Follower, i: int, op: Op) -> None:
    """(…, i, k) times (…, k, j): heads stay heads, what is summed over goes from both sides at once."""
    shape = follow.graph.tensors[op.outputs[0]].shape
    rank = len(shape)
    lines = []
    for t, is_turned in ((op.inputs[0], op.options.adjX), (op.inputs[1], op.options.adjY)):
        axis, line = follow.axis_of(t)
        if len(follow.graph.tensors[t].shape) != rank or (axis >= 0 and follow.graph.tensors[t].is_constant):
            return _freeze(follow, i, op)
        lines.append({2 * rank - 3 - axis if is_turned and axis >= rank - 2 else axis: line})
    follow.labels[op.outputs[0]] = np.zeros(shape, np.int64)
    a, b = lines
    for mine, other, axis in [(a, b, n) for n in range(rank - 2)] + [(a, b, -2)]:
        # -2 stands for the axis that is summed over: the left side's last, the right side's last but one
        left, right = (mine.get(rank - 1), other.get(rank - 2)) if axis == -2 else (mine.get(axis), other.get(axis))
        if left is None and right is None:
            continue
        if left is None or right is None or len(left) != len(right):
            return _freeze(follow, i, op)
        follow.unite(left, right)
        if axis >= 0:
            along = [-1 if n == axis else 1 for n in range(rank)]
            follow.labels[op.outputs[0]] = np.broadcast_to(left.reshape(along), shape)
    rows, columns = a.get(rank - 2), b.get(rank - 1)
    if rows is not None and columns is not None:
        return _freeze(follow, i, op)
    if rows is not None:
        follow.labels[op.outputs[0]] = np.broadcast_to(rows[:, None], shape)
    if columns is not None:
        follow.labels[op.outputs[0]] = np.broadcast_to(columns, shape)


LSTM_STATES = (18, 19)
LSTM_EXTRAS = (*range(9, 12), *range(16, 18), *range(20, 24))
"""Peepholes, projection and layer normalization."""


def _lstm(follow: _Follower, i: int, op: Op) -> None:
    """A unit is a row of every gate, a column of every recurrent kernel, and an entry of both states."""
    tensors = follow.graph.tensors
    if op.inputs[1] < 0 or any(n < len(op.inputs) and op.inputs[n] >= 0 for n in LSTM_EXTRAS):
        return _freeze(follow, i, op)
    follow.reads[i] = follow.along(op.inputs[0])
    units = follow.fresh(tensors[op.inputs[2]].shape[0])
    for t in (*op.outputs, *(op.inputs[n] for n in LSTM_STATES)):
        follow.spread(t, units)


def _elementwise(follow: _Follower, i: int, op: Op) -> None:
    """Channels that meet are one; a single channel that is repeated over all others stays what it is."""
    tensors, y = follow.graph.tensors, op.outputs[0]
    shape = tensors[y].shape
    whole = [t for t in op.inputs if t in follow.labels and tensors[t].shape[-1:] == shape[-1:]]
    for t in op.inputs:
        if t in follow.labels and t not in whole:
            follow.freeze(t)
    if not whole:
        return _freeze(follow, i, op)
    first, *others = (np.broadcast_to(follow.labels[t], shape) for t in whole)
    for other in others:
        follow.unite(first, other)
    follow.labels[y] = first


def _conv(follow: _Follower, i: int, op: Op) -> None:
    x, kernel = follow.graph.tensors[op.inputs[0]], follow.graph.tensors[op.inputs[1]]
    if not kernel.is_constant or kernel.shape[3] != x.shape[3]:  # grouped kernels cannot lose single channels
        return _freeze(follow, i, op)
    follow.reads[i] = follow.along(op.inputs[0])
    follow.spread(op.outputs[0], follow.fresh(kernel.shape[0]))


def _depthwise(follow: _Follower, i: int, op: Op) -> None:
    kernel = follow.graph.tensors[op.inputs[1]]
    if not kernel.is_constant:
        return _freeze(follow, i, op)
    line = follow.along(op.inputs[0])
    follow.spread(op.outputs[0], np.repeat(line, kernel.shape[3] // len(line)))


def _dense(follow: _Follower, i: int, op: Op) -> None:
    x, kernel = op.inputs[0], follow.graph.tensors[op.inputs[1]]
    if x not in follow.labels or not kernel.is_constant:
        return _freeze(follow, i, op)
    outs, ins = kernel.shape
    rows = follow.roots(follow.labels[x]).reshape(-1, ins)
    if not np.all(rows == rows[0]):
        follow.freeze(x)
    follow.reads[i] = rows[0]
    follow.spread(op.outputs[0], follow.fresh(outs))


FOLLOW: Mapping[OpKind, Callable[[_Follower, int, Op], None]] = {
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
    OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM: _lstm,
    OpKind.UNPACK: _unpack,
}
"""Operators that channels pass; all others freeze what they touch."""
