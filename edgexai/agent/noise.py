"""Noise for differential privacy, in integers, from the system's random numbers (docs/privacy.md).

Every mechanism turns its value into whole steps first and adds integer noise, because Laplace noise in floating point
gives its input away in the last bits (Mironov, *On significance of the least significant bits for differential
privacy*, CCS 2012). Neighbours are two nodes' data that differ in the content of one sample.
"""

import math
import os
import secrets

import numpy as np
from numpy.typing import NDArray

MAP_STEPS = 1 << 14
VALUE_STEPS = 1 << 12
MOST_SCALE = 2.0**54
"""-log of the smallest uniform number, 37, times this still is a whole number of 64 bits."""


def two_sided_geometric(scale: float, size: int) -> NDArray[np.int64]:
    """``size`` whole numbers with P(k) proportional to exp(-|k| / scale) (Ghosh et al., STOC 2009)."""

    def geometric() -> NDArray[np.int64]:
        bits = np.frombuffer(os.urandom(8 * size), "<u8") >> np.uint64(11)
        uniform = (bits.astype(np.float64) + 1.0) * 2.0**-53  # in (0, 1]
        return np.floor(-scale * np.log(uniform)).astype(np.int64)

    if not 0 <= scale <= MOST_SCALE:
        raise ValueError(f"noise of scale {scale:g} does not fit whole numbers of 64 bits")
    return geometric() - geometric()


def noisy_map(relevance: NDArray[np.floating], clip: float, epsilon: float) -> NDArray[np.float32]:
    """A map scaled down to an L1 norm of at most ``clip``, with noise that makes it ``epsilon``-private.

    Two clipped maps differ by at most 2·clip in L1, so each cell gets noise of scale 2·clip / epsilon.
    """
    values = np.nan_to_num(np.asarray(relevance, np.float64), posinf=0.0, neginf=0.0)
    norm = float(np.abs(values).sum())
    steps = np.trunc(values * (MAP_STEPS / max(norm, clip))).astype(np.int64).reshape(-1)
    noisy = steps + two_sided_geometric(2 * MAP_STEPS / epsilon, steps.size)
    return (noisy * (clip / MAP_STEPS)).astype(np.float32).reshape(values.shape)


def noisy_class(target: int, classes: int, epsilon: float) -> int:
    """The class with probability e^ε / (e^ε + classes - 1), else any other: randomized response (Warner 1965)."""
    truth = 1.0 / (1.0 + (classes - 1) * math.exp(-min(epsilon, 700.0)))
    if secrets.randbits(53) * 2.0**-53 < truth or classes < 2:
        return target
    other = secrets.randbelow(classes - 1)
    return other + (other >= target)


def noisy_value(value: float, low: float, high: float, epsilon: float) -> float:
    """A value clipped to a range, with noise that makes it ``epsilon``-private, clipped again."""
    share = min(max((value - low) / (high - low), 0.0), 1.0) if math.isfinite(value) else 0.0
    steps = round(share * VALUE_STEPS) + int(two_sided_geometric(VALUE_STEPS / epsilon, 1)[0])
    return low + (high - low) * min(max(steps, 0), VALUE_STEPS) / VALUE_STEPS


def noisy_counts(counts: NDArray[np.int64], epsilon: float) -> NDArray[np.int64]:
    """Counts of which one sample changes at most two by one each, ``epsilon``-private."""
    return np.asarray(counts + two_sided_geometric(2.0 / epsilon, counts.size), np.int64)
