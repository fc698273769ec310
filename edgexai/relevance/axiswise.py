"""Operators that are a fixed matrix along each axis: slices, gathers, mirrored borders, resized maps.

y = M x along an axis, with constant M (out, in); back with its transpose, as a FULLY_CONNECTED over that axis.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from edgexai.graph import Op, OpKind
from edgexai.relevance import indexed
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Array, Rule


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
    matrices = {axis: _interpolation(op, before[axis], after[axis]) for axis in (1, 2) if before[axis] != after[axis]}
    s = back.over_output(op, back.full(flow, y), rule.stabilizer)
    back.give(x, Flow(_transposed(back, s, matrices), is_factor=True))


def _pick(back: Backward, op: Op, picks: list[Array], flow: Flow) -> None:
    """Relevance of a selection: which input each output position takes, axis by axis."""
    build, x, y = back.build, op.inputs[0], op.outputs[0]
    shape = build.shape(x)
    s = build.reshape(back.full(flow, y).tensor, [len(p) for p in picks])
    amounts = []
    for pick, size in zip(picks, shape, strict=True):
        consecutive = len(pick) > 0 and np.array_equal(pick, np.arange(pick[0], pick[0] + len(pick)))
        amounts.append((int(pick[0]), size - int(pick[-1]) - 1) if consecutive else (0, 0))
    matrices = {}
    for axis, (pick, size) in enumerate(zip(picks, shape, strict=True)):
        if amounts[axis] == (0, 0) and not np.array_equal(pick, np.arange(size)):
            matrices[axis] = np.eye(size, dtype=np.float32)[pick]
    back.give(x, Flow(build.pad(_transposed(back, s, matrices), amounts), flow.is_factor))


def _transposed(back: Backward, s: int, matrices: Mapping[int, Array]) -> int:
    """Mᵀ s along each axis that has a matrix."""
    build = back.build
    for axis, matrix in matrices.items():
        shape = build.shape(s)
        order = [i for i in range(len(shape)) if i != axis] + [axis]
        if axis != len(shape) - 1:
            s = build.transpose(s, order)
        moved = build.shape(s)
        rows = build.reshape(s, (int(np.prod(moved[:-1])), moved[-1]))
        bias = build.const(np.zeros(matrix.shape[1], np.float32))
        rows = build.dense(rows, build.const(np.ascontiguousarray(matrix.T, np.float32)), bias)
        s = build.reshape(rows, (*moved[:-1], matrix.shape[1]))
        if axis != len(shape) - 1:
            s = build.transpose(s, np.argsort(order).tolist())
    return s


def _interpolation(op: Op, size: int, out: int) -> Array:
    """(out, in): the weights that TFLite's resize gives along one axis."""
    aligned, half = bool(op.options.alignCorners), bool(op.options.halfPixelCenters)
    scale = (size - 1) / (out - 1) if aligned and out > 1 else size / out
    at = np.arange(out)
    matrix = np.zeros((out, size), np.float32)
    if op.kind == OpKind.RESIZE_NEAREST_NEIGHBOR:
        place = (at + 0.5 if half else at) * scale
        nearest = np.floor(place + 0.5) if aligned else np.floor(place)
        matrix[at, np.clip(nearest, 0, size - 1).astype(int)] = 1
        return matrix
    place = np.maximum((at + 0.5) * scale - 0.5, 0) if half else at * scale
    low = np.clip(np.floor(place), 0, size - 1).astype(int)
    high = np.minimum(low + 1, size - 1)
    share = (place - low).astype(np.float32)
    np.add.at(matrix, (at, low), 1 - share)
    np.add.at(matrix, (at, high), share)
    return matrix
