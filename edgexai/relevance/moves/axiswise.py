"""Operators that are a fixed matrix along each axis: slices, gathers, mirrored borders, resized maps.

y = M x along an axis, with constant M (out, in); back with its transpose. Small matrices go as a FULLY_CONNECTED over
that axis. Of large ones, whose outputs look at one or two inputs each, the rows are added up where they belong
(SCATTER_ND), so that a move along an axis of N costs bytes in proportion to N.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import Builder, Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.moves import indexed
from edgexai.relevance.rules import Array, Rule

LARGE = 1 << 13
"""Values from which on a matrix is not written out."""


def strided_slice(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """STRIDED_SLICE with constant bounds; a plain crop goes back by padding."""
    shape = back.build.shape(op.inputs[0])
    begin, end, step = (back.fixed(op, i, "slice bounds") for i in (1, 2, 3))
    o = op.options
    if o.ellipsisMask or o.newAxisMask:
        raise back.unsupported(op, "a slice with an ellipsis or a new axis has no rule", "write the bounds out")
    picks = []
    for axis, size in enumerate(shape):
        if axis >= len(begin):
            picks.append(np.arange(size))
            continue
        first = None if o.beginMask >> axis & 1 else int(begin[axis])
        last = None if o.endMask >> axis & 1 else int(end[axis])
        if o.shrinkAxisMask >> axis & 1:
            first, last = int(begin[axis]) % size, int(begin[axis]) % size + 1
        picks.append(np.arange(size)[slice(first, last, int(step[axis]))])
    _pick(back, op, picks, flow)


def crop(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """SLICE with constant begin and size."""
    shape = back.build.shape(op.inputs[0])
    begin, size = back.fixed(op, 1, "slice bounds"), back.fixed(op, 2, "slice bounds")
    ends = [n if s < 0 else b + s for b, s, n in zip(begin, size, shape, strict=True)]
    _pick(back, op, [np.arange(int(b), int(e)) for b, e in zip(begin, ends, strict=True)], flow)


def gather(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """GATHER along one axis; with indices that are computed, see `indexed`."""
    shape = back.build.shape(op.inputs[0])
    if back.constant(op.inputs[1]) is None or op.options.batchDims:
        indexed.gather(back, op, flow)
        return
    axis = int(op.options.axis) % len(shape)
    chosen = back.fixed(op, 1, "indices").reshape(-1)
    _pick(back, op, [chosen if i == axis else np.arange(n) for i, n in enumerate(shape)], flow)


def reverse(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """REVERSE_V2 along constant axes."""
    shape = back.build.shape(op.inputs[0])
    axes = {int(a) % len(shape) for a in np.atleast_1d(back.fixed(op, 1, "axes"))}
    _pick(back, op, [np.arange(n)[::-1] if i in axes else np.arange(n) for i, n in enumerate(shape)], flow)


def reverse_sequence(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """REVERSE_SEQUENCE: the same again."""
    build, (x, lengths) = back.build, op.inputs
    r = back.full(flow, op.outputs[0])
    back.give(x, Flow(build.op(op.kind, [r.tensor, lengths], build.shape(x), op.options), r.is_factor))


def mirror_pad(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """MIRROR_PAD: what the border got belongs to the values that it mirrors."""
    shape = back.build.shape(op.inputs[0])
    amounts = back.fixed(op, 1, "padding")
    mode: Literal["reflect", "symmetric"] = "reflect" if op.options.mode == 0 else "symmetric"
    margins = [(int(before), int(after)) for before, after in amounts]
    picks = [np.pad(np.arange(n), margin, mode=mode) for n, margin in zip(shape, margins, strict=True)]
    _pick(back, op, picks, flow)


def resize(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR: each input by its share of the interpolated value."""
    x, y = op.inputs[0], op.outputs[0]
    before, after = back.build.shape(x), back.build.shape(y)
    looks = {axis: _interpolation(op, before[axis], after[axis]) for axis in (1, 2) if before[axis] != after[axis]}
    s = back.over_output(op, back.full(flow, y), rule.stabilizer)
    back.give(x, Flow(_transposed(back, s, looks), is_factor=True))


def _pick(back: Backward, op: Op, picks: list[Array], flow: Flow) -> None:
    """Relevance of a selection: which input each output position takes, axis by axis."""
    build, x, y = back.build, op.inputs[0], op.outputs[0]
    shape = build.shape(x)
    s = build.reshape(back.full(flow, y).tensor, [len(p) for p in picks])
    amounts = []
    for pick, size in zip(picks, shape, strict=True):
        consecutive = len(pick) > 0 and np.array_equal(pick, np.arange(pick[0], pick[0] + len(pick)))
        amounts.append((int(pick[0]), size - int(pick[-1]) - 1) if consecutive else (0, 0))
    looks = {}
    for axis, (pick, size) in enumerate(zip(picks, shape, strict=True)):
        if amounts[axis] == (0, 0) and not np.array_equal(pick, np.arange(size)):
            looks[axis] = Looks(size, [(pick.astype(np.int32), np.ones(len(pick), np.float32))])
    back.give(x, Flow(build.pad(_transposed(back, s, looks), amounts), flow.is_factor))


@dataclass(frozen=True)
class Looks:
    """A sparse matrix (out, size): in each pass, every output position takes one input, ``at``, times a ``weight``."""

    size: int
    passes: list[tuple[NDArray[np.int32], NDArray[np.float32]]]

    @property
    def matrix(self) -> NDArray[np.float32]:
        full = np.zeros((len(self.passes[0][0]), self.size), np.float32)
        for at, weight in self.passes:
            np.add.at(full, (np.arange(len(at)), at), weight)
        return full


def _transposed(back: Backward, s: int, looks: Mapping[int, Looks]) -> int:
    """Mᵀ s along each axis that has a matrix."""
    build = back.build
    for axis, look in looks.items():
        shape = build.shape(s)
        if shape[axis] * look.size > LARGE:
            s = _added_up(build, s, axis, look)
            continue
        order = [i for i in range(len(shape)) if i != axis] + [axis]
        if axis != len(shape) - 1:
            s = build.transpose(s, order)
        moved = build.shape(s)
        rows = build.reshape(s, (int(np.prod(moved[:-1])), moved[-1]))
        bias = build.const(np.zeros(look.size, np.float32))
        rows = build.dense(rows, build.const(np.ascontiguousarray(look.matrix.T, np.float32)), bias)
        s = build.reshape(rows, (*moved[:-1], look.size))
        if axis != len(shape) - 1:
            s = build.transpose(s, np.argsort(order).tolist())
    return s


def _added_up(build: Builder, s: int, axis: int, look: Looks) -> int:
    """The same without the matrix: the axis goes to the front, each of its rows to where it belongs."""
    shape = build.shape(s)
    before, count, behind = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    rows = build.reshape(s, (before, count, behind))
    rows = build.transpose(rows, (1, 0, 2)) if before > 1 else rows
    rows = build.reshape(rows, (count, before * behind))
    total: int | None = None
    for at, weight in look.passes:
        here = rows if np.all(weight == 1) else build.mul(rows, build.const(weight.reshape(-1, 1)))
        inputs = [build.const(at.reshape(-1, 1).astype(np.int32)), here, build.const([look.size, before * behind])]
        added = build.op(OpKind.SCATTER_ND, inputs, (look.size, before * behind), schema.ScatterNdOptionsT())
        total = added if total is None else build.add(total, added)
    assert total is not None
    moved = build.reshape(total, (look.size, before, behind))
    moved = build.transpose(moved, (1, 0, 2)) if before > 1 else moved
    return build.reshape(moved, (*shape[:axis], look.size, *shape[axis + 1 :]))


def _interpolation(op: Op, size: int, out: int) -> Looks:
    """The inputs, and their weights, that TFLite's resize takes along one axis."""
    aligned, half = bool(op.options.alignCorners), bool(op.options.halfPixelCenters)
    scale = (size - 1) / (out - 1) if aligned and out > 1 else size / out
    at = np.arange(out)
    if op.kind == OpKind.RESIZE_NEAREST_NEIGHBOR:
        place = (at + 0.5 if half else at) * scale
        nearest = np.floor(place + 0.5) if aligned else np.floor(place)
        return Looks(size, [(np.clip(nearest, 0, size - 1).astype(np.int32), np.ones(out, np.float32))])
    place = np.maximum((at + 0.5) * scale - 0.5, 0) if half else at * scale
    low = np.clip(np.floor(place), 0, size - 1).astype(np.int32)
    share = (place - low).astype(np.float32)
    return Looks(size, [(low, 1 - share), (np.minimum(low + 1, size - 1).astype(np.int32), share)])
