"""What stands where a part of the input was taken away.

A mean alone can be an input that no sensor ever gave: the network then answers to the hole and not to what is gone.
The other two stay closer to the data. A fill is a function of (x, gone, random) with x (N, …), ``gone`` booleans of
the same shape, and gives inputs in which what is gone has been replaced.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Fill(Protocol):
    """(x, gone, random) → x with what is gone replaced; shapes (N, …)."""

    def __call__(self, x: Array, gone: NDArray[np.bool_], random: np.random.Generator) -> Array: ...


def constant(data: Array, value: float | None = None) -> Fill:
    """The mean of the data at each position, or one value everywhere."""
    level = np.asarray(data.mean(0) if value is None else np.full(data.shape[1:], value))
    shown = _cast(level, data.dtype)

    def fill(x: Array, gone: NDArray[np.bool_], random: np.random.Generator) -> Array:
        return np.where(gone, shown[None], x).astype(x.dtype)

    return fill


def marginal(data: Array) -> Fill:
    """What another sample of the data, drawn at random, has at the same positions (marginal imputation)."""

    def fill(x: Array, gone: NDArray[np.bool_], random: np.random.Generator) -> Array:
        return np.where(gone, data[random.integers(0, len(data), len(x))], x).astype(x.dtype)

    return fill


def diffused(data: Array, rounds: int = 48) -> Fill:
    """Each value that is gone becomes the mean of its neighbours along all axes but the last, and a little noise:
    the noisy linear imputation of ROAD (Rong et al. 2022), solved by `rounds` of relaxation from the mean.

    Tables have no neighbours: there use `marginal`.
    """
    level = np.asarray(data.mean(0), np.float64)
    noise = 0.01 * float(data.std())
    axes = tuple(range(1, max(2, data.ndim - 1)))

    def fill(x: Array, gone: NDArray[np.bool_], random: np.random.Generator) -> Array:
        known = np.asarray(x, np.float64)
        v = np.where(gone, level[None], known)
        for _ in range(rounds):
            v = np.where(gone, _neighbours(v, axes), known)
        v = v + gone * random.normal(0, noise, v.shape)
        return _cast(v, x.dtype)

    return fill


FILLS: dict[str, Callable[[Array], Fill]] = {"mean": constant, "marginal": marginal, "diffused": diffused}


def _neighbours(v: NDArray[np.float64], axes: tuple[int, ...]) -> NDArray[np.float64]:
    total, count = np.zeros_like(v), np.zeros_like(v)
    for axis in axes:
        before: list[slice] = [slice(None)] * v.ndim
        after = list(before)
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        total[tuple(after)] += v[tuple(before)]
        count[tuple(after)] += 1
        total[tuple(before)] += v[tuple(after)]
        count[tuple(before)] += 1
    return np.asarray(total / np.maximum(count, 1))


def _cast(v: Array, dtype: Any) -> Array:
    if np.dtype(dtype).kind not in "iu":
        return v.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(v), limits.min, limits.max).astype(dtype)
