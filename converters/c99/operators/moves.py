"""What only moves bytes: RESHAPE and its kin, CONCATENATION, PAD, SLICE, SPLIT, TRANSPOSE."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from converters.c99.lowering import WIDE, Lowering
from converters.c99.schedule import Literal, Step
from edgexai.graph import Op, OpKind


def alias(low: Lowering, op: Op) -> None:
    """RESHAPE and its kin: the same bytes."""
    x, y = op.inputs[0], op.outputs[0]
    if x not in low.home:
        raise low.refuse("its input must be computed")
    low.home[y] = low.home[x]


def _move(
    low: Lowering,
    x: int,
    y: int,
    shape: Sequence[int],
    from_strides: Sequence[int],
    to_strides: Sequence[int],
    start: int = 0,
    to: int = 0,
    keeps: bool = False,
) -> None:
    """Copy a block of ``shape``; strides in elements of the map that is read and of the one that is written."""
    size = 4 if low.tensor(x).dtype in WIDE else 1
    loops: list[tuple[int, int, int]] = []
    for n, u, v in zip(shape, from_strides, to_strides, strict=True):
        if n == 1:
            continue
        if loops and loops[-1][1] == n * u and loops[-1][2] == n * v:
            loops[-1] = (loops[-1][0] * n, u, v)
        else:
            loops.append((n, u, v))
    run = 1
    if loops and loops[-1][1:] == (1, 1):
        run = loops.pop()[0]
    if len(loops) > 4:
        raise low.refuse("a move along more than four axes")
    loops = [(1, 0, 0)] * (4 - len(loops)) + loops
    parameters = {
        "count": [n for n, _, _ in loops],
        "from_stride": [u * size for _, u, _ in loops],
        "to_stride": [v * size for _, _, v in loops],
        "from": start * size,
        "to": to * size,
        "run": run * size,
    }
    target = low.home[y] if y in low.home else low.new(y)
    low.call("exai_shift", "exai_move", parameters, [low.value(x)], target, keeps=keeps)


def block(count: int, run: int, source: tuple[int, int], target: tuple[int, int]) -> dict[str, Any]:
    """The fields that copy ``count`` runs of bytes; ``source`` and ``target`` are the stride and the start there."""
    return {
        "count": [1, 1, 1, count],
        "from_stride": [0, 0, 0, source[0]],
        "to_stride": [0, 0, 0, target[0]],
        "from": source[1],
        "to": target[1],
        "run": run,
    }


def strides_of(shape: Sequence[int]) -> list[int]:
    """Of each axis of a map, in values."""
    return [prod(shape[a + 1 :]) for a in range(len(shape))]


def concatenation(low: Lowering, op: Op) -> None:
    """CONCATENATION."""
    y = op.outputs[0]
    shape = low.tensor(y).shape
    if int(op.options.fusedActivationFunction):
        raise low.refuse("a fused activation")
    axis = int(op.options.axis) % len(shape)
    to, strides = 0, strides_of(shape)
    for k, x in enumerate(op.inputs):
        if not low.floats and low.scale(x) != low.scale(y):
            raise low.refuse("its inputs must have the output's scale")
        part = low.tensor(x).shape
        _move(low, x, y, part, strides_of(part), strides, to=to, keeps=k > 0)
        to += part[axis] * strides[axis]


def pad(low: Lowering, op: Op) -> None:
    """PAD and PADV2."""
    x, y = op.inputs[0], op.outputs[0]
    shape, wide = low.tensor(x).shape, low.tensor(y).shape
    before = [int(p[0]) for p in low.constant(op.inputs[1])]
    zero = 0 if low.floats else low.scale(y)[1]
    value = int(low.constant(op.inputs[2]).reshape(-1)[0]) if len(op.inputs) > 2 else zero
    if low.floats and len(op.inputs) > 2 and low.constant(op.inputs[2]).reshape(-1)[0]:
        raise low.refuse("padding with another number than zero")
    name = low.new(y)
    fill = Literal(str(value)), Literal(str(low.buffers[name].size))
    low.steps.append(Step("memset", "", {}, (name, *fill), (), (name,), low.label, low.at))
    strides = strides_of(wide)
    to = sum(b * s for b, s in zip(before, strides, strict=True))
    _move(low, x, y, shape, strides_of(shape), strides, to=to, keeps=True)


def cut(low: Lowering, op: Op) -> None:
    """SLICE."""
    x, y = op.inputs[0], op.outputs[0]
    strides, out = strides_of(low.tensor(x).shape), low.tensor(y).shape
    begin = [int(b) for b in low.constant(op.inputs[1])]
    start = sum(b * s for b, s in zip(begin, strides, strict=True))
    _move(low, x, y, out, strides, strides_of(out), start)


def strided_cut(low: Lowering, op: Op) -> None:
    """STRIDED_SLICE."""
    x, y = op.inputs[0], op.outputs[0]
    shape, o = low.tensor(x).shape, op.options
    if int(o.ellipsisMask or 0) or int(o.newAxisMask or 0):
        raise low.refuse("ellipsis and new axes")
    strides = strides_of(shape)
    start, counts, jumps = 0, [], []
    for a, whole in enumerate(taken(op, shape, *(low.constant(t) for t in op.inputs[1:4]))):
        counts.append(len(whole))
        jumps.append(strides[a] * whole.step)
        start += whole.start * strides[a]
    _move(low, x, y, counts, jumps, strides_of(counts), start)


def taken(op: Op, shape: Sequence[int], begin: Any, end: Any, step: Any) -> list[range]:
    """Which values of each axis a STRIDED_SLICE takes."""
    o, found = op.options, []
    for a, n in enumerate(shape):
        if a >= len(begin):
            whole = slice(None)
        else:
            by = int(step[a])
            first = None if int(o.beginMask or 0) >> a & 1 else int(begin[a])
            last = None if int(o.endMask or 0) >> a & 1 else int(end[a])
            if int(o.shrinkAxisMask or 0) >> a & 1:
                first = int(begin[a]) % n
                last, by = first + 1, 1
            whole = slice(first, last, by)
        found.append(range(*whole.indices(n)))
    return found


def split(low: Lowering, op: Op) -> None:
    """SPLIT and SPLIT_V."""
    axis_at, x = (0, op.inputs[1]) if op.kind == OpKind.SPLIT else (2, op.inputs[0])
    shape = low.tensor(x).shape
    axis = int(low.constant(op.inputs[axis_at]).reshape(-1)[0]) % len(shape)
    start, strides = 0, strides_of(shape)
    for y in op.outputs:
        out = low.tensor(y).shape
        _move(low, x, y, out, strides, strides_of(out), start)
        start += out[axis] * strides[axis]


def transposition(low: Lowering, op: Op) -> None:
    """TRANSPOSE."""
    x, y = op.inputs[0], op.outputs[0]
    strides, out = strides_of(low.tensor(x).shape), low.tensor(y).shape
    turned = [strides[int(a)] for a in low.constant(op.inputs[1])]
    _move(low, x, y, out, turned, strides_of(out))


MOVED: Mapping[OpKind, Callable[[Lowering, Op], None]] = {
    OpKind.RESHAPE: alias,
    OpKind.SQUEEZE: alias,
    OpKind.EXPAND_DIMS: alias,
    OpKind.CONCATENATION: concatenation,
    OpKind.PAD: pad,
    OpKind.PADV2: pad,
    OpKind.SLICE: cut,
    OpKind.STRIDED_SLICE: strided_cut,
    OpKind.SPLIT: split,
    OpKind.SPLIT_V: split,
    OpKind.TRANSPOSE: transposition,
}
"""What moves values as they are, of any type."""
