"""Two-sample tests, effects and one false-discovery rate for all of them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MOST = 1000
"""Samples of a side that a kernel is computed of; more are drawn at random."""


def mmd(a: Array, b: Array, permutations: int = 400, seed: int = 0) -> tuple[float, float]:
    """Maximum mean discrepancy of two samples (rows) and its p-value.

    Gretton et al., *A Kernel Two-Sample Test*, JMLR 2012: Gaussian kernel, width the median distance; p by
    permutations, below ten of them by a gamma distribution fitted to their moments (Gretton et al., NIPS 2009).
    """
    random = np.random.default_rng(seed)
    a, b = (x if len(x) <= MOST else x[random.choice(len(x), MOST, replace=False)] for x in (a, b))
    x = np.concatenate([a, b])
    squares = (x * x).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * x @ x.T, 0)
    width = float(np.median(distances[np.triu_indices(len(x), 1)]))
    if width <= 0:
        return 0.0, 1.0
    kernel = np.exp(-distances / width)
    np.fill_diagonal(kernel, 0)
    weights = np.concatenate([np.full(len(a), 1 / len(a)), np.full(len(b), -1 / len(b))])
    mixed = np.stack([weights, *(random.permutation(weights) for _ in range(permutations))])
    found = ((mixed @ kernel) * mixed).sum(1)
    return float(found[0]), tail(float(found[0]), found[1:])


def tail(value: float, null: Array) -> float:
    """P(null ≥ value) from draws; far out by the gamma distribution of their first three moments."""
    above = int((null >= value).sum())
    counted = (1 + above) / (1 + len(null))
    spread = float(null.std())
    if above >= 10 or spread == 0:
        return counted
    from scipy.stats import gamma

    skew = max(float(((null - null.mean()) ** 3).mean() / spread**3), 0.05)
    shape = 4 / skew**2
    z = (value - float(null.mean())) / spread
    return float(min(max(gamma.sf(z * math.sqrt(shape) + shape, shape), 1e-12), counted))


def greatest_shift(a: Array, b: Array) -> tuple[int, float, float]:
    """The column whose mean differs most: its index, the shift in standard deviations, and p for all columns
    together (Welch's t, Šidák)."""
    from scipy.stats import ttest_ind

    spread = np.sqrt((a.var(0) + b.var(0)) / 2)
    usable = spread > 1e-9 * max(float(spread.max(initial=0)), 1e-12)
    if not usable.any():
        return 0, 0.0, 1.0
    shift = np.where(usable, (b.mean(0) - a.mean(0)) / np.where(usable, spread, 1), 0.0)
    p = np.where(usable, ttest_ind(a, b, equal_var=False).pvalue, 1.0)
    best = int(np.nanargmin(p))
    return best, float(shift[best]), float(-np.expm1(int(usable.sum()) * np.log1p(-min(float(p[best]), 1 - 1e-12))))


def differ(a: Array, b: Array, seed: int = 0) -> float:
    """p that two samples are of one distribution: MMD and the greatest shift of a column, twice the smaller."""
    return min(1.0, 2 * min(mmd(a, b, seed=seed)[1], greatest_shift(a, b)[2]))


def interval(effect: float, first: int, second: int) -> tuple[float, float]:
    """95 % interval of a standardized difference of two means (Hedges and Olkin 1985)."""
    error = math.sqrt(1 / first + 1 / second + effect**2 / (2 * (first + second)))
    return effect - 1.96 * error, effect + 1.96 * error


def false_discovery(p: Sequence[float]) -> Array:
    """The rate at which findings up to each one are false, under any dependence (Benjamini and Yekutieli 2001)."""
    values = np.asarray(p, np.float64)
    count = len(values)
    order = np.argsort(values)
    harmonic = float((1 / np.arange(1, count + 1)).sum())
    raised = values[order] * count * harmonic / np.arange(1, count + 1)
    found = np.empty(count)
    found[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return found
