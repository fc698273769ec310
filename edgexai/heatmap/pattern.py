"""The grid in a map: strided convolutions give every second or fourth row and column more relevance than others.

Such a grid costs a transform dearly. It is separable and repeats, so that a few numbers say it: each axis has a
pattern of period 2 or 4, and phase j of it is divided by 2^(-k/4) before the wavelet and multiplied after it.
"""

import math

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Pattern = tuple[tuple[int, ...], ...]
"""For each axis the attenuations k (0 to 15, quarter octaves) of its phases; empty for an axis without one."""

MOST = 15
REPEATS = 4
"""An axis has a pattern only if it holds so many periods."""
PERIODS = (2, 4)
BITS = 20
QUARTERS = (1 << BITS, 1246974, 1482910, 1763488)
"""2^(j/4) in units of 2⁻²⁰."""
_THRESHOLDS = tuple(round((1 << 14) * 2 ** (-(2 * k + 1) / 16)) for k in range(MOST))


def fits(n: int, period: int) -> bool:
    """Whether an axis of n values may have a pattern of this period."""
    return n >= REPEATS * period


def attenuation(shape: tuple[int, ...], pattern: Pattern, phase: int = 0) -> Ints:
    """Quarter octaves by which each value of a map is attenuated: those of its row, column, … and ``phase``."""
    total = np.full(shape, phase, np.int64)
    for axis, (n, ks) in enumerate(zip(shape, pattern, strict=True)):
        if ks:
            row = np.array(ks, np.int64)[np.arange(n) % len(ks)]
            total += row.reshape(-1, *(1,) * (len(shape) - axis - 1))
    return total


def found(values: Ints, period: int) -> Pattern:
    """The pattern of a map of integers (below 2¹⁵): attenuations by the squared mean root of a line's Σ|value|."""
    pattern: list[tuple[int, ...]] = []
    for axis, n in enumerate(values.shape):
        if not fits(n, period):
            pattern.append(())
            continue
        others = tuple(a for a in range(values.ndim) if a != axis)
        lines = np.abs(values).sum(axis=others)[: n // period * period]
        roots = [math.isqrt(line) for line in lines.tolist()]
        sums = [sum(roots[j::period]) for j in range(period)]
        peak = max(sums)
        pattern.append(tuple(sum((s << 14) < peak * t for t in _THRESHOLDS) for s in sums))
    return tuple(pattern)


def cost(total: int, exponent: int, pattern: Pattern, companded: bool) -> int:
    """What coefficients cost, to compare patterns: Σ|c| · 2^exponent, times the root mean square of the pattern.

    A number of units of 2^-126; exact in integers, so that every encoder chooses alike. Of a companded map the pattern
    is that to the power of 2/3.
    """
    for ks in pattern:
        if ks:
            squares = [(4 * k + 1) // 3 if companded else 2 * k for k in ks]
            mean = sum(QUARTERS[-q & 3] >> (q + 3 >> 2) for q in squares) // len(ks)
            total = total * (math.isqrt(mean << BITS) >> 8) >> 12
    return total << exponent + 126
