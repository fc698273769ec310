"""AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, SUM, REDUCE_MAX, REDUCE_MIN."""

from collections.abc import Sequence
from math import prod

import numpy as np

from converters.c99 import fixed
from converters.c99.lowering import Lowering
from converters.c99.operators.layers import window
from edgexai.graph import Op, OpKind


def pool(low: Lowering, op: Op) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    x, y = op.inputs[0], op.outputs[0]
    shape_x, shape_y = low.tensor(x).shape, low.tensor(y).shape
    if shape_x[0] != 1:
        raise low.refuse("batches must be of one")
    if low.scale(x) != low.scale(y):
        raise low.refuse("input and output must have one scale")
    parameters = window(low, op, shape_x, shape_y, (int(op.options.filterHeight), int(op.options.filterWidth)))
    parameters = {k: v for k, v in parameters.items() if "dilation" not in k}
    bottom, top = low.range(y, int(op.options.fusedActivationFunction))
    parameters |= {"channels": shape_x[3], "low": bottom, "high": top}
    function = "exai_max_pool" if op.kind == OpKind.MAX_POOL_2D else "exai_average_pool"
    low.call(function, "exai_pool", parameters, [low.value(x)], low.new(y))


def reduction(low: Lowering, op: Op) -> None:
    """MEAN and SUM."""
    x, y = op.inputs[0], op.outputs[0]
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    kept, over = axes_of(low, op)
    count = prod(n for n, _ in over)
    m, shift = fixed.multiplier(in_scale / out_scale)
    if op.kind == OpKind.MEAN:
        by = min(count.bit_length() - 1, 32, 31 + shift)
        m, shift = (m << by) // count, shift - by
    parameters = {
        "count": [n for n, _ in kept],
        "stride": [s for _, s in kept],
        "over": [n for n, _ in over],
        "over_stride": [s for _, s in over],
        "multiplier": m,
        "shift": shift,
        "offset": -in_zero * count,
        "zero": out_zero,
    }
    low.call("exai_reduce", "exai_reduction", parameters, [low.value(x)], low.new(y))


def extreme(low: Lowering, op: Op) -> None:
    """REDUCE_MAX and REDUCE_MIN."""
    x, y = op.inputs[0], op.outputs[0]
    if low.scale(x) != low.scale(y):
        raise low.refuse("input and output must have one scale")
    kept, over = axes_of(low, op)
    parameters = {
        "count": [n for n, _ in kept],
        "stride": [s for _, s in kept],
        "over": [n for n, _ in over],
        "over_stride": [s for _, s in over],
        "multiplier": 1 if op.kind == OpKind.REDUCE_MAX else -1,
    }
    low.call("exai_reduce_extreme", "exai_reduction", parameters, [low.value(x)], low.new(y))


def axes_of(low: Lowering, op: Op) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(count, stride) of three axes that stay and three that go."""
    shape = low.tensor(op.inputs[0]).shape
    axes = {int(a) % len(shape) for a in np.atleast_1d(low.constant(op.inputs[1]))}
    strides = [prod(shape[a + 1 :]) for a in range(len(shape))]
    kept = _merged([(shape[a], strides[a]) for a in range(len(shape)) if a not in axes])
    over = _merged([(shape[a], strides[a]) for a in range(len(shape)) if a in axes])
    if len(kept) > 3 or len(over) > 3:
        raise low.refuse("more than three axes that are not next to each other")
    return [(1, 0)] * (3 - len(kept)) + kept, [(1, 0)] * (3 - len(over)) + over


def _merged(loops: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Loops (count, stride) with those of one turn left out and neighbours that continue each other made one."""
    found: list[tuple[int, int]] = []
    for count, stride in loops:
        if count == 1:
            continue
        if found and found[-1][1] == count * stride:
            found[-1] = (found[-1][0] * count, stride)
        else:
            found.append((count, stride))
    return found
