"""Is x in the unit that a model takes? Decided by its values and the input's range, never by its dtype.

An integer input takes real numbers from ``(least code - zero point)·scale`` to the same of the largest code; beyond,
they saturate. A few outliers do so in every data set; 0…255 given to a model of -1…1 does so nearly everywhere.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

SATURATED = 0.1
"""Share of values out of range that a set of samples may have."""
USED = 1 / 32
"""Part of an input's range that a set of samples must use: less is 0…1 given to a model of 0…255."""


def range_of(scale: float, zero_point: int, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Smallest and largest real number that an integer input can tell apart from its neighbours."""
    limits = np.iinfo(dtype)
    return (limits.min - zero_point) * scale, (limits.max - zero_point) * scale


def refuse_foreign(x: NDArray[Any], scale: float, zero_point: int, dtype: np.dtype[Any], what: str) -> None:
    """DataError if real numbers x lie outside the range by more than the whole of it, on average over all of x."""
    low, high = range_of(scale, zero_point, dtype)
    if not x.size or (x.min() >= low and x.max() <= high):
        return
    beyond = np.abs(x - np.clip(x, low, high)).mean(dtype=np.float64)
    if beyond > high - low:
        raise DataError(sentence(x, low, high, what))


def refuse_ambiguous(
    x: NDArray[Any], scale: float, zero_point: int, dtype: np.dtype[Any], what: str, hint: str = ""
) -> None:
    """DataError for whole numbers of another type than the input's that may be its codes as well as real numbers.

    They may be codes if the input's type holds them all; floats only if they are many and more than 0 and 1. Where a
    code is a step of one, whole numbers are what real numbers look like, and their range decides.
    """
    limits = np.iinfo(dtype)
    is_other = x.dtype.itemsize == dtype.itemsize and x.dtype.kind in "iu"  # pixels for an input of int8
    if not x.size or is_other or (x.dtype.kind == "f" and 0.9 < scale < 1.1):
        return
    if not np.all(np.isfinite(x)) or x.min() < limits.min or x.max() > limits.max or np.any(x != np.rint(x)):
        return
    if (x.dtype.kind == "f" and (np.abs(x).max() <= 1 or len(np.unique(x)) < 3)) or (scale == 1 and not zero_point):
        return
    low, high = range_of(scale, zero_point, dtype)
    raise DataError(
        f"{what} holds whole numbers from {x.min():.0f} to {x.max():.0f} as {x.dtype}: are they the model's {dtype} "
        f"codes, or real numbers of its range {low:.4g} to {high:.4g}? "
        + (hint or f"convert codes with .astype(numpy.{dtype}), real numbers with .astype(numpy.float32)")
    )


def refuse_misfit(
    x: NDArray[Any], scale: float, zero_point: int, dtype: np.dtype[Any], what: str, hint: str | None = None
) -> None:
    """The same for a set of samples, from which more can be told: DataError if a tenth saturates, or little is used.

    ``hint`` is what to do, where it is known better than by the values.
    """
    low, high = range_of(scale, zero_point, dtype)
    finite = x[np.isfinite(x)]
    if not finite.size:
        return
    outside = np.mean((finite < low - scale) | (finite > high + scale))
    spread = float(finite.max()) - float(finite.min())
    if outside > SATURATED or 0 < spread < USED * (high - low):
        raise DataError(sentence(finite, low, high, what, hint))


def sentence(x: NDArray[Any], low: float, high: float, what: str, hint: str | None = None) -> str:
    """What is wrong with the unit of x, and what to write."""
    return (
        f"{what} holds values from {x.min():.4g} to {x.max():.4g}, but the model's input takes {low:.4g} to "
        f"{high:.4g}: it would see something else; {hint or advice(float(x.min()), float(x.max()), low, high)}"
    )


def advice(least: float, most: float, low: float, high: float) -> str:
    """Options that bring one range to the other, where both are usual ones."""
    pixels, shares = least >= 0 and 2 < most <= 255, least >= 0 and most <= 1
    if pixels and low < -0.5 and high < 3:
        return "if these are pixels, (x - 127.5) / 127.5 is usual: --mean 127.5 --std 127.5"
    if pixels and high < 3:
        return "if these are pixels, x / 255 is usual: --scale 1/255"
    if shares and high > 200:
        return "if these are pixels over 255, multiply them back: --scale 255"
    if least >= -1 and most <= 1 and high > 200:
        return "if these are pixels from -1 to 1, bring them back: --scale 127.5 --mean -127.5"
    return "bring it there with --scale, --mean and --std (x·scale - mean) / std, as the model was trained"
