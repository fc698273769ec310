"""Two maps: ADD, SUB, MUL, with broadcasting."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from converters.c99 import fixed
from converters.c99.lowering import Lowering
from edgexai.graph import Op, OpKind


def loops_of(low: Lowering, a: int, b: int, y: int) -> dict[str, Any]:
    """Counts and strides of two maps along the axes of what they give."""
    shape = low.tensor(y).shape
    loops: list[tuple[int, int, int]] = []
    wide_a, wide_b = (_broadcast(low.tensor(t).shape, shape) for t in (a, b))
    for n, s, t in zip(shape, wide_a, wide_b, strict=True):
        if n == 1:
            continue
        if loops and loops[-1][1] == n * s and loops[-1][2] == n * t and loops[-1][0] * n < 1 << 16:
            loops[-1] = (loops[-1][0] * n, s, t)
        else:
            loops.append((n, s, t))
    if len(loops) > 4:
        raise low.refuse("broadcasting along more than four axes")
    loops = [(1, 0, 0)] * (4 - len(loops)) + loops
    if any(v >= 1 << 16 for loop in loops for v in loop):
        raise low.refuse("a size beyond 65,535")
    return {
        "count": [n for n, _, _ in loops],
        "stride_a": [s for _, s, _ in loops],
        "stride_b": [t for _, _, t in loops],
    }


def _pair(low: Lowering, op: Op) -> dict[str, Any]:
    a, b, y = *op.inputs, op.outputs[0]
    bottom, top = low.range(y, int(op.options.fusedActivationFunction))
    return loops_of(low, a, b, y) | {
        "zero_a": low.scale(a)[1],
        "zero_b": low.scale(b)[1],
        "zero": low.scale(y)[1],
        "low": bottom,
        "high": top,
    }


def _broadcast(shape: Sequence[int], wide: Sequence[int]) -> list[int]:
    """Strides of a map along the axes of a wider one, 0 where it is repeated."""
    padded = (1,) * (len(wide) - len(shape)) + tuple(shape)
    return [0 if n == 1 else prod(padded[a + 1 :]) for a, n in enumerate(padded)]


def addition(low: Lowering, op: Op) -> None:
    """ADD and SUB."""
    a, b, y = *op.inputs, op.outputs[0]
    scales = [low.scale(t)[0] for t in (a, b, y)]
    twice = 2 * max(scales[:2])
    pairs = [fixed.multiplier(s / twice) for s in scales[:2]]
    pairs.append(fixed.multiplier(twice / (2**20 * scales[2])))
    if any(shift > 0 for _, shift in pairs):
        raise low.refuse("an output scale that is very much smaller than the inputs'")
    (m_a, shift_a), (m_b, shift_b), (m, shift) = pairs
    parameters = _pair(low, op) | {
        "multiplier_a": m_a,
        "shift_a": shift_a,
        "multiplier_b": m_b,
        "shift_b": shift_b,
        "multiplier": m,
        "shift": shift,
        "sign_b": -1 if op.kind == OpKind.SUB else 1,
    }
    low.call("exai_add", "exai_pair", parameters, [low.value(a), low.value(b)], low.new(y))


def multiplication(low: Lowering, op: Op) -> None:
    """MUL."""
    a, b, y = *op.inputs, op.outputs[0]
    product = float(np.float32(low.scale(a)[0]) * np.float32(low.scale(b)[0]))
    m, shift = fixed.multiplier(product / low.scale(y)[0])
    parameters = _pair(low, op) | {"multiplier": m, "shift": shift}
    low.call("exai_multiply", "exai_pair", parameters, [low.value(a), low.value(b)], low.new(y))


def extreme(low: Lowering, op: Op) -> None:
    """MAXIMUM and MINIMUM."""
    a, b, y = *op.inputs, op.outputs[0]
    if not low.scale(a) == low.scale(b) == low.scale(y):
        raise low.refuse("its inputs must have the output's scale")
    parameters = loops_of(low, a, b, y) | {"sign_b": 1 if op.kind == OpKind.MAXIMUM else -1}
    low.call("exai_extreme", "exai_pair", parameters, [low.value(a), low.value(b)], low.new(y))


def prelu(low: Lowering, op: Op) -> None:
    """PRELU."""
    x, slope, y = *op.inputs, op.outputs[0]
    scales = [low.scale(t)[0] for t in (x, slope, y)]
    m, shift = fixed.multiplier(scales[0] / scales[2])
    m_a, shift_a = fixed.multiplier(scales[0] * scales[1] / scales[2])
    zeros = {"zero_a": low.scale(x)[1], "zero_b": low.scale(slope)[1], "zero": low.scale(y)[1]}
    parameters = loops_of(low, x, slope, y) | zeros | {"multiplier": m, "shift": shift}
    parameters |= {"multiplier_a": m_a, "shift_a": shift_a}
    low.call("exai_prelu", "exai_pair", parameters, [low.value(x), low.value(slope)], low.new(y))
