"""Operators that are several others: the same numbers by kernels that are there, on the way back too.

DEPTH_TO_SPACE is a TRANSPOSE, TRANSPOSE_CONV a CONV_2D of a map with zeros between its values, and so on. Only the
kernels' graph changes: rules, and what messages say, are the model's own (see `Rewritten`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converters.c99.early import quantized_early
from converters.c99.real_tables import FUNCTIONS
from edgexai.graph import DType, Graph, Op, OpKind, Tensor

VALID = 1


@dataclass(frozen=True)
class Rewritten:
    """The graph that is lowered, and the operator of the model that each of its operators belongs to."""

    graph: Graph
    source: Graph
    origin: Mapping[Op, int]

    def describe(self, op: Op) -> str:
        """An operator as messages name it: as it is in the model."""
        return self.source.describe(self.origin[op])


@dataclass
class _Writer:
    """A graph that is written again."""

    source: Graph
    tensors: list[Tensor]
    ops: list[Op] = field(default_factory=list)
    origin: dict[Op, int] = field(default_factory=dict)
    at: int = 0
    replaced: set[Op] = field(default_factory=set)
    """Operators that an earlier one became part of."""

    def add(self, op: Op) -> None:
        self.ops.append(op)
        self.origin[op] = self.at

    def ints(self, values: int | Sequence[Any]) -> int:
        data = np.array(values, np.int32)
        self.tensors.append(Tensor("", data.shape, DType.INT32, data.reshape(-1).view(np.uint8)))
        return len(self.tensors) - 1

    def like(self, t: int, shape: Sequence[int]) -> int:
        """A map of another shape."""
        self.tensors.append(replace(self.tensors[t], shape=tuple(shape), data=None))
        return len(self.tensors) - 1

    def reshaped(self, x: int, shape: Sequence[int], y: int | None = None) -> int:
        y = self.like(x, shape) if y is None else y
        self.add(Op(OpKind.RESHAPE, (x, self.ints(shape)), (y,), schema.ReshapeOptionsT()))
        return y

    def turned(self, x: int, order: Sequence[int]) -> int:
        y = self.like(x, [self.tensors[x].shape[a] for a in order])
        self.add(Op(OpKind.TRANSPOSE, (x, self.ints(order)), (y,), schema.TransposeOptionsT()))
        return y

    def padded(self, x: int, before: Sequence[int], after: Sequence[int]) -> int:
        shape = [a + n + b for a, n, b in zip(before, self.tensors[x].shape, after, strict=True)]
        y = self.like(x, shape)
        amounts = self.ints(list(zip(before, after, strict=True)))
        self.add(Op(OpKind.PAD, (x, amounts), (y,), schema.PadOptionsT()))
        return y

    def joined(self, xs: Sequence[int], axis: int, shape: Sequence[int], y: int | None = None) -> int:
        y = self.like(xs[0], shape) if y is None else y
        self.add(Op(OpKind.CONCATENATION, tuple(xs), (y,), schema.ConcatenationOptionsT(axis=axis)))
        return y

    def repeated(self, x: int, axis: int, times: int) -> int:
        """Every value along an axis so many times, next to each other."""
        shape = self.tensors[x].shape
        if times == 1:
            return x
        rows, inside = prod(shape[: axis + 1]), prod(shape[axis + 1 :])
        row = self.reshaped(x, (rows, inside))
        many = self.joined([row] * times, 1, (rows, times * inside))
        return self.reshaped(many, (*shape[:axis], shape[axis] * times, *shape[axis + 1 :]))


def rewritten(source: Graph, floats: bool = False) -> Rewritten:
    """The model with its operators written as those that there are kernels for; of float32, fewer are."""
    graph = source if floats else quantized_early(source)
    writer = _Writer(source, list(graph.tensors))
    where = {op.outputs[0]: i for i, op in enumerate(source.ops) if op.outputs}
    rows = {kind: row for kind, row in ROWS.items() if not (floats and kind in INTEGER)}
    for i, op in enumerate(graph.ops):
        writer.at = where.get(op.outputs[0], i) if op.outputs else i
        if op not in writer.replaced and (op.kind not in rows or not rows[op.kind](writer, op)):
            writer.add(op)
    made = replace(graph, tensors=tuple(writer.tensors), ops=tuple(writer.ops))
    object.__setattr__(made, "sha256", source.sha256)  # still the model of that file
    return Rewritten(made, source, writer.origin)


def _depth_to_space(w: _Writer, op: Op) -> bool:
    x, y, by = op.inputs[0], op.outputs[0], int(op.options.blockSize)
    _, rows, columns, channels = w.tensors[x].shape
    fine = w.reshaped(x, (rows, columns, by, channels // by))
    w.reshaped(w.turned(fine, (0, 2, 1, 3)), w.tensors[y].shape, y)
    return True


def _space_to_depth(w: _Writer, op: Op) -> bool:
    x, y, by = op.inputs[0], op.outputs[0], int(op.options.blockSize)
    _, rows, columns, channels = w.tensors[x].shape
    fine = w.reshaped(x, (rows // by, by, columns // by, by * channels))
    w.reshaped(w.turned(fine, (0, 2, 1, 3)), w.tensors[y].shape, y)
    return True


def _pack(w: _Writer, op: Op) -> bool:
    y, axis = op.outputs[0], int(op.options.axis) % len(w.tensors[op.outputs[0]].shape)
    shape = w.tensors[y].shape
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    w.joined([w.reshaped(x, one) for x in op.inputs], axis, shape, y)
    return True


def _unpack(w: _Writer, op: Op) -> bool:
    x, axis = op.inputs[0], int(op.options.axis) % len(w.tensors[op.inputs[0]].shape)
    shape = w.tensors[x].shape
    parts = [w.like(x, (*shape[:axis], 1, *shape[axis + 1 :])) for _ in op.outputs]
    w.add(Op(OpKind.SPLIT, (w.ints(axis), x), tuple(parts), schema.SplitOptionsT(numSplits=len(parts))))
    for part, y in zip(parts, op.outputs, strict=True):
        w.reshaped(part, w.tensors[y].shape, y)
    return True


def _nearest(w: _Writer, op: Op) -> bool:
    x, y = op.inputs[0], op.outputs[0]
    (_, rows, columns, _), (_, tall, wide, _) = w.tensors[x].shape, w.tensors[y].shape
    if tall % rows or wide % columns or op.options.alignCorners:
        return False
    made = w.repeated(w.repeated(x, 2, wide // columns), 1, tall // rows)
    w.reshaped(made, w.tensors[y].shape, y)
    return True


def _broadcast(w: _Writer, op: Op) -> bool:
    x, y = op.inputs[0], op.outputs[0]
    shape = w.tensors[y].shape
    given = (1,) * (len(shape) - len(w.tensors[x].shape)) + w.tensors[x].shape
    made = w.reshaped(x, given)
    for axis in reversed(range(len(shape))):
        if given[axis] != shape[axis]:
            made = w.repeated(made, axis, shape[axis])
    w.reshaped(made, shape, y)
    return True


def _tiled(w: _Writer, op: Op) -> bool:
    x, y = op.inputs[0], op.outputs[0]
    if not w.tensors[op.inputs[1]].is_constant:
        return False
    made, shape = x, list(w.tensors[x].shape)
    for axis, times in enumerate(int(n) for n in w.tensors[op.inputs[1]].array.reshape(-1)):
        if times > 1:
            shape[axis] *= times
            made = w.joined([made] * times, axis, shape)
    w.reshaped(made, w.tensors[y].shape, y)
    return True


def _number(w: _Writer, op: Op) -> bool:
    """SELECT(x < 0, x + rows, x), the number of a row that may count from the end, as tables are read anyway."""
    condition, other, x = op.inputs
    less, sum_ = (next((one for one in w.source.ops if t in one.outputs), None) for t in (condition, other))
    if less is None or sum_ is None or w.tensors[x].dtype != DType.INT32:
        return False
    kinds, readers = (less.kind, sum_.kind), [one for one in w.source.ops if op.outputs[0] in one.inputs]
    zero, count = (w.tensors[one.inputs[1]] for one in (less, sum_))
    if kinds != (OpKind.LESS, OpKind.ADD) or {less.inputs[0], sum_.inputs[0]} != {x}:
        return False
    if not zero.is_constant or not count.is_constant or zero.array.reshape(-1)[0] or not readers:
        return False
    rows = {int(count.array.reshape(-1)[0])}
    if any(one.kind != OpKind.GATHER or {w.tensors[one.inputs[0]].shape[0]} != rows for one in readers):
        return False
    w.reshaped(x, w.tensors[op.outputs[0]].shape, op.outputs[0])
    return True


def _real_function(w: _Writer, op: Op) -> bool:
    """A float function of an int8 map that becomes int8 at once, which a table does."""
    before = next((one for one in w.source.ops if op.inputs[0] in one.outputs), None)
    after = [one for one in w.source.ops if op.outputs[0] in one.inputs]
    if before is None or before.kind != OpKind.DEQUANTIZE or len(after) != 1 or after[0].kind != OpKind.QUANTIZE:
        return False
    x, y = w.tensors[before.inputs[0]], w.tensors[after[0].outputs[0]]
    if {x.dtype, y.dtype} != {DType.INT8} or op.outputs[0] in w.source.outputs:
        return False
    w.replaced.add(after[0])
    w.add(replace(op, inputs=before.inputs, outputs=after[0].outputs))
    return True


def _back_again(w: _Writer, op: Op) -> bool:
    """What was int8 of the same scale before it became float."""
    before = next((one for one in w.source.ops if op.inputs[0] in one.outputs), None)
    if before is None or before.kind != OpKind.DEQUANTIZE:
        return False
    x, y = w.tensors[before.inputs[0]], w.tensors[op.outputs[0]]
    (a, b), kinds = (x.quantization, y.quantization), {x.dtype, y.dtype}
    if (
        kinds != {DType.INT8}
        or a is None
        or b is None
        or (a.scale != b.scale).any()
        or (a.zero_point != b.zero_point).any()
    ):
        return False
    w.reshaped(before.inputs[0], y.shape, op.outputs[0])
    return True


def _reversed(w: _Writer, op: Op) -> bool:
    x, y = op.inputs[0], op.outputs[0]
    shape = w.tensors[x].shape
    if not w.tensors[op.inputs[1]].is_constant:
        return False
    turned = {int(a) % len(shape) for a in w.tensors[op.inputs[1]].array.reshape(-1)}
    every = (1 << len(shape)) - 1
    options = schema.StridedSliceOptionsT(beginMask=every, endMask=every)
    zeros, steps = w.ints([0] * len(shape)), w.ints([-1 if a in turned else 1 for a in range(len(shape))])
    w.add(Op(OpKind.STRIDED_SLICE, (x, zeros, zeros, steps), (y,), options))
    return True


def _transposed(w: _Writer, op: Op) -> bool:
    """Zeros between the values, a border, and the kernel turned around."""
    x, weights, y = op.inputs[2], w.tensors[op.inputs[1]], op.outputs[0]
    shape, out, kernel = w.tensors[x].shape, w.tensors[y].shape, weights.shape[1:3]
    strides = int(op.options.strideH), int(op.options.strideW)
    if not weights.is_constant or weights.dtype != DType.INT8 or len(shape) != 4 or shape[0] != 1:
        return False
    before, after = [0], [0]
    for n, size, k, by in zip(shape[1:3], out[1:3], kernel, strides, strict=True):
        cut = 0 if int(op.options.padding) == VALID else max(0, (n - 1) * by + k - size) // 2
        before.append(k - 1 - cut)
        after.append(size - n * by + cut)
    if min(before + after) < 0:
        return False
    (_, rows, columns, channels), (up, left) = shape, strides
    apart = w.padded(w.reshaped(x, (rows, 1, columns, 1, channels)), [0] * 5, (0, up - 1, 0, left - 1, 0))
    apart = w.reshaped(apart, (1, rows * up, columns * left, channels))
    if any(before + after):
        apart = w.padded(apart, (*before, 0), (*after, 0))
    turned = np.ascontiguousarray(weights.array[:, ::-1, ::-1])
    w.tensors.append(replace(weights, data=turned.reshape(-1).view(np.uint8)))
    options = schema.Conv2DOptionsT(padding=VALID, strideH=1, strideW=1)
    options.fusedActivationFunction = int(getattr(op.options, "fusedActivationFunction", 0) or 0)
    w.add(Op(OpKind.CONV_2D, (apart, len(w.tensors) - 1, *op.inputs[3:4]), (y,), options))
    return True


def _dense(w: _Writer, op: Op) -> bool:
    """A product with one constant matrix is a layer."""
    a, b = op.inputs
    weights = w.tensors[b]
    q, shape = weights.quantization, weights.shape[-2:]
    whole = weights.is_constant and weights.dtype == DType.INT8 and prod(weights.shape) == prod(shape)
    if not whole or op.options.adjX or q is None or q.scale.size > 1 or np.any(q.zero_point):
        return False
    if w.tensors[a].is_constant or len(w.tensors[op.outputs[0]].shape) != len(w.tensors[a].shape):
        return False
    matrix = weights.array.reshape(shape)
    matrix = np.ascontiguousarray(matrix if op.options.adjY else matrix.T)
    w.tensors.append(replace(weights, shape=matrix.shape, data=matrix.reshape(-1).view(np.uint8)))
    options = schema.FullyConnectedOptionsT(keepNumDims=True)
    w.add(Op(OpKind.FULLY_CONNECTED, (a, len(w.tensors) - 1), op.outputs, options))
    return True


ROWS: Mapping[OpKind, Callable[[_Writer, Op], bool]] = {
    OpKind.DEPTH_TO_SPACE: _depth_to_space,
    OpKind.SPACE_TO_DEPTH: _space_to_depth,
    OpKind.PACK: _pack,
    OpKind.UNPACK: _unpack,
    OpKind.RESIZE_NEAREST_NEIGHBOR: _nearest,
    OpKind.BROADCAST_TO: _broadcast,
    OpKind.REVERSE_V2: _reversed,
    OpKind.TILE: _tiled,
    **dict.fromkeys(FUNCTIONS, _real_function),
    OpKind.QUANTIZE: _back_again,
    OpKind.SELECT: _number,
    OpKind.SELECT_V2: _number,
    OpKind.TRANSPOSE_CONV: _transposed,
    OpKind.BATCH_MATMUL: _dense,
}
"""What each becomes; a row answers False where it does not know the form."""
ONE_FORM = {OpKind.QUANTIZE, OpKind.SELECT, OpKind.SELECT_V2, OpKind.BATCH_MATMUL, *FUNCTIONS}
"""Of which only one form has a row."""
INTEGER = {OpKind.TRANSPOSE_CONV, *ONE_FORM}
"""Written as others in int8 alone."""
