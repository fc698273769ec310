"""Where each value of a map finds what it gets: moves, sums, products and means are one kernel, `exai_back_gather`.

A value of the map below gets what lies above it at a place (or nothing, where the move left it out), times a ratio of
steps, times the value of the other factor of a product; where it was repeated, the sum over its copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log2, prod
from typing import Any

from converters.c99.back import ways
from converters.c99.back.reading import ALIASES, MEANS, MOVES, PRODUCTS, Reading
from converters.c99.operators import products
from converters.c99.operators.moves import strides_of, taken
from converters.c99.schedule import Struct
from edgexai.graph import Op, OpKind

BITS = 62
"""Of a sum: 30 are a mantissa times a ratio, 9 the value of a factor."""


@dataclass(frozen=True)
class Axis:
    """Values ``first``, ``first + step``, … of an axis, ``used`` of them, find theirs ``stride`` apart."""

    count: int
    stride: int
    first: int = 0
    step: int = 1
    used: int = -1
    other: int = 0
    """Stride in the other factor."""

    @property
    def whole(self) -> int:
        return self.count if self.used < 0 else self.used


@dataclass(frozen=True)
class Gather:
    """Axes of the map below, from the first; ``start`` is where value 0 of each lies above."""

    axes: Sequence[Axis]
    start: int = 0
    copies: Sequence[tuple[int, int, int]] = field(default_factory=tuple)
    """Axes along which it was repeated: how often, and the strides above and in the other factor."""
    ratio: float = 1.0
    other: int | None = None
    """The other factor of a product, a tensor."""


def gather(reading: Reading, op: Op, y: int, position: int, given: str) -> Gather:
    """What input ``position`` of an operator gets of output ``y``, in the form ``given``."""
    low, kind = reading.low, op.kind
    t = op.inputs[position]
    shape, out = low.tensor(t).shape, low.tensor(y).shape
    mine, above = strides_of(shape), strides_of(out)
    plain = [Axis(n, s) for n, s in zip(shape, mine, strict=True)]
    if kind in ALIASES:
        return Gather(plain)
    if kind in MOVES:
        return _move(reading, op, y, plain, above, position)
    if kind in PRODUCTS:
        return _product(reading, op, position)
    if kind in MEANS:
        over = {int(a) % len(shape) for a in low.constant(op.inputs[1]).reshape(-1)}
        kept = iter(strides_of([n for a, n in enumerate(shape) if a not in over]))
        axes = [Axis(n, 0 if a in over else next(kept)) for a, n in enumerate(shape)]
        count = prod(shape[a] for a in over) if kind == OpKind.MEAN else 1
        return Gather(axes, ratio=low.scale(t)[0] / (low.scale(y)[0] * count))
    other = op.inputs[1 - position]
    wide = (1,) * (len(out) - len(shape)) + tuple(shape)
    there = low.tensor(other).shape
    seen = (1,) * (len(out) - len(there)) + tuple(there)
    beside = [0 if n == 1 else by for n, by in zip(seen, strides_of(seen), strict=True)]
    rows = list(zip(wide, out, above, beside, strict=True))
    axes = [Axis(n, s, other=by) for n, _, s, by in rows]
    copies = [(m, s, by) for n, m, s, by in rows if n == 1 and m > 1]
    ratio = low.scale(t)[0] / low.scale(y)[0]
    if given == "relevance":
        return Gather(axes, 0, copies, 1 / len(reading.takes(op)) if kind == OpKind.MUL else 1.0)
    if kind == OpKind.MUL:
        return Gather(axes, 0, copies, ratio * low.scale(other)[0], other)
    turned = -ratio if kind == OpKind.SUB and position == 1 else ratio
    return Gather(axes, 0, copies, turned)


def _product(reading: Reading, op: Op, position: int) -> Gather:
    """BATCH_MATMUL: a value gets its row's, or column's, factors times what it meets on the other side, summed."""
    low = reading.low
    out, other = low.tensor(op.outputs[0]).shape, op.inputs[1 - position]
    above, (left, right, batch) = strides_of(out), products.strides(low, op)
    beside = right if position == 0 else left[::-1]  # strides of what is summed over, and of the other axis
    along, across = (above[-2], out[-1]) if position == 0 else (1, out[-2])
    steps = [by for n, by in zip(out[:-2], above, strict=False) if n > 1]
    mine = [(n, by, (a, b)[position], (a, b)[1 - position]) for (n, a, b), by in zip(batch, steps, strict=True)]
    axes = [Axis(n, by, other=there) for n, by, here, there in mine if here]
    copies = [(n, by, there) for n, by, here, there in mine if not here]
    copies.append((across, 1 if position == 0 else above[-2], beside[1]))
    shape = low.tensor(op.inputs[position]).shape[-2:]
    turned = bool((op.options.adjX, op.options.adjY)[position]) != (position == 1)
    depth = shape[0] if turned else shape[1]
    pair = [Axis(prod(shape) // depth, along), Axis(depth, 0, other=beside[0])]
    scales = [low.scale(t)[0] for t in (*op.inputs, op.outputs[0])]
    ratio = scales[0] * scales[1] / (scales[2] * len(reading.positions(op)))
    return Gather([*axes, *(pair[::-1] if turned else pair)], 0, copies, ratio, other)


def _move(reading: Reading, op: Op, y: int, plain: Sequence[Axis], above: Sequence[int], position: int) -> Gather:
    """CONCATENATION, SPLIT, SLICE, STRIDED_SLICE, TRANSPOSE, PAD, on axes of the input."""
    low = reading.low
    shape, out = [a.count for a in plain], low.tensor(y).shape
    match op.kind:
        case OpKind.CONCATENATION:
            axis = int(op.options.axis) % len(out)
            before = sum(low.tensor(t).shape[axis] for t in op.inputs[:position])
            return Gather([Axis(n, s) for n, s in zip(shape, above, strict=True)], before * above[axis])
        case OpKind.TRANSPOSE:
            order = [int(a) for a in low.constant(op.inputs[1])]
            return Gather([Axis(n, above[order.index(a)]) for a, n in enumerate(shape)])
        case OpKind.PAD | OpKind.PADV2:
            before = sum(int(p[0]) * s for p, s in zip(low.constant(op.inputs[1]), above, strict=True))
            return Gather([Axis(n, s) for n, s in zip(shape, above, strict=True)], before)
    left = cuts(reading, op, y, shape)
    apart = strides_of([len(r) for r in left])
    return Gather([Axis(n, s, r.start, r.step, len(r)) for n, s, r in zip(shape, apart, left, strict=True)])


def cuts(reading: Reading, op: Op, y: int, shape: Sequence[int]) -> list[range]:
    """Which values of each axis a cut takes out."""
    low = reading.low
    if op.kind == OpKind.SLICE:
        begin = low.constant(op.inputs[1])
        return [range(int(b), int(b) + n) for b, n in zip(begin, low.tensor(y).shape, strict=True)]
    if op.kind == OpKind.STRIDED_SLICE:
        return taken(op, shape, *(low.constant(t) for t in op.inputs[1:4]))
    at = low.constant(op.inputs[0 if op.kind == OpKind.SPLIT else 2])
    axis, number = int(at.reshape(-1)[0]) % len(shape), op.outputs.index(y)
    first = sum(low.tensor(t).shape[axis] for t in op.outputs[:number])
    mine = range(first, first + low.tensor(y).shape[axis])
    return [mine if a == axis else range(n) for a, n in enumerate(shape)]


def group(pixels: int, wide: int, own: range, keep: Struct, inside: bool) -> dict[str, Any]:
    """The fields of `exai_gather` between a map of ``wide`` channels and the ``own`` of them that a group has."""
    if inside:
        axes = [Axis(pixels, len(own)), Axis(wide, 1, own.start, 1, len(own))]
        return _fields(Gather(axes), (pixels, len(own)), keep, 0)
    return _fields(Gather([Axis(pixels, wide), Axis(len(own), 1)], own.start), (pixels, wide), keep, 0)


def spread(reading: Reading, op: Op, sizes: tuple[int, int, int], each: int, keep: Struct) -> dict[str, Any]:
    """The fields of `exai_gather` that share out a number a pixel alike among its channels, ``each`` at a time.

    ``sizes`` are rows, columns and channels.
    """
    rows, columns, channels = sizes
    axes = [Axis(rows, columns), Axis(columns, 1), Axis(channels // each, 0), Axis(each, 0)]
    return fields(reading, op, Gather(axes, ratio=1 / channels), (rows * columns, 1), keep)


def fields(reading: Reading, op: Op, found: Gather, above: tuple[int, int], keep: Struct) -> dict[str, Any]:
    """The fields of `exai_gather`; ``above`` are the pixels and channels there."""
    zero = 0 if found.other is None else reading.low.scale(found.other)[1]
    outer, copies = [a for a in found.axes[:-1] if a.count != 1], [c for c in found.copies if c[0] > 1]
    if len(outer) > 3 or len(copies) > 3:
        raise reading.refusal(op, "more than four axes")
    if any(not -(1 << 15) < v < 1 << 15 for a in found.axes for v in (a.first, a.step)):
        raise reading.refusal(op, "a step beyond 32,767")
    if any(n >= 1 << 16 for n in (*(a.count for a in found.axes), *(n for n, _, _ in copies))):
        raise reading.refusal(op, "an axis beyond 65,535")
    return _fields(found, above, keep, zero)


def _fields(found: Gather, above: tuple[int, int], keep: Struct, zero: int) -> dict[str, Any]:
    outer = [a for a in found.axes[:-1] if a.count != 1]
    copies = [c for c in found.copies if c[0] > 1]
    axes = [Axis(1, 0)] * (3 - len(outer)) + outer + [found.axes[-1] if found.axes else Axis(1, 1)]
    copies = [(1, 0, 0)] * (3 - len(copies)) + copies
    ratio, shift = ways.short(abs(found.ratio))
    times = prod(n for n, _, _ in copies)
    return {
        "keep": keep,
        "pixels": above[0],
        "channels": above[1],
        "start": found.start,
        "stride": [a.stride for a in axes],
        "other_stride": [a.other for a in axes],
        "copies_stride": [s for _, s, _ in copies],
        "copies_other": [t for _, _, t in copies],
        "count": [a.count for a in axes],
        "used": [a.whole for a in axes],
        "copies": [n for n, _, _ in copies],
        "first": [a.first for a in axes],
        "step": [a.step for a in axes],
        "ratio": ratio if found.ratio > 0 else -ratio,
        "other_zero": zero,
        "shift": shift,
        "left": max(0, BITS - 39 - int(log2(times) + 1)),
    }
