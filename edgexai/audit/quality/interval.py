"""A mean and how sure one can be of it: 95 % intervals, also where samples come in groups (subjects, records)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 2000
LEVEL = 0.95
Z = 1.959964


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` samples (of ``groups`` subjects, if they were drawn whole) and its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int
    groups: int | None = None

    def excludes(self, chance: float) -> bool:
        """Whether the interval lies above or below a value."""
        return bool(self.low > chance or self.high < chance)

    def __str__(self) -> str:
        return f"{self.mean:.3g} ({self.low:.3g} to {self.high:.3g}, n = {self.n})"

    def percent(self) -> str:
        """The same as shares of a hundred."""
        return f"{self.mean:.1%} ({self.low:.1%} to {self.high:.1%}, n = {self.n})"


def mean(values: ArrayLike, groups: ArrayLike | None = None, seed: int = 0) -> Interval:
    """The mean of values (N,), nan left out, with the percentile bootstrap's interval (Efron 1979).

    With ``groups`` (N,), whole groups are drawn with replacement (cluster bootstrap): samples of one subject are
    alike, and counting each as independent would make the interval too narrow. Below three groups the samples within
    each group are drawn instead, which says nothing of other subjects: ``groups`` of the result says how many.
    """
    v = np.asarray(values, np.float64).ravel()
    kept = np.isfinite(v)
    v = v[kept]
    if not len(v):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    random = np.random.default_rng(seed)
    if groups is None:
        drawn = _drawn(v, random)
        return _interval(v, drawn, None)
    g = np.asarray(groups).ravel()[kept]
    names, index = np.unique(g, return_inverse=True)
    if len(names) < 3:
        parts = [_drawn(v[index == k], random) * np.mean(index == k) for k in range(len(names))]
        return _interval(v, np.sum(parts, axis=0), len(names))
    sums, counts = np.bincount(index, v), np.bincount(index)
    picks = random.integers(0, len(names), (DRAWS, len(names)))
    return _interval(v, sums[picks].sum(1) / counts[picks].sum(1), len(names))


def share(hits: ArrayLike, groups: ArrayLike | None = None) -> Interval:
    """A share of samples, booleans (N,): Wilson's interval (1927), which holds for small n and shares near 0 and 1.

    With ``groups`` the cluster bootstrap of `mean`.
    """
    h = np.asarray(hits, np.float64).ravel()
    if groups is not None or not len(h):
        return mean(h, groups)
    n, p = len(h), float(h.mean())
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Interval(p, float(max(0.0, middle - half)), float(min(1.0, middle + half)), n)


def _drawn(v: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Means of DRAWS resamples (DRAWS,), drawn a few at a time so that memory stays small."""
    step = max(1, 2_000_000 // len(v))
    parts = [v[random.integers(0, len(v), (min(step, DRAWS - done), len(v)))].mean(1) for done in range(0, DRAWS, step)]
    return np.concatenate(parts)


def _interval(v: NDArray[np.float64], drawn: NDArray[Any], groups: int | None) -> Interval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(v.mean()), float(low), float(high), len(v), groups)
