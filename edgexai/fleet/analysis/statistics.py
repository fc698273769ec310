"""Two-sample tests, effects and one false-discovery rate for all of them."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MOST = 1000
"""Samples of a side that a kernel is computed of; more are drawn at random."""
SILENT = 0.02
"""Share of the greatest standard deviation of a column by which every shift is measured at least."""


def chance(p: float) -> str:
    """A p in words: nobody reads 2e-12."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.1g}"


def mmd(a: Array, b: Array, permutations: int = 400, seed: int = 0) -> tuple[float, float]:
    """Maximum mean discrepancy of two samples (rows) and its p-value.

    Gretton et al., *A Kernel Two-Sample Test*, JMLR 2012: Gaussian kernel, width the median distance; p by
    permutations, below ten of them by a gamma distribution fitted to their moments (Gretton et al., NIPS 2009).
    """
    random = np.random.default_rng(seed)
    a, b = (x if len(x) <= MOST else x[random.choice(len(x), MOST, replace=False)] for x in (a, b))
    found = mmd_moved(np.concatenate([a, b]), relabelled(len(a), len(b), permutations, seed))
    return float(found[0]), tail(float(found[0]), found[1:])


def mmd_moved(x: Array, mixed: Array) -> Array:
    """(1 + permutations,) the discrepancy of rows ``x`` by the weights of `relabelled`; zeros if all are alike."""
    squares = (x * x).sum(1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * x @ x.T, 0)
    width = float(np.median(distances[np.triu_indices(len(x), 1)]))
    if width <= 0:
        return np.zeros(len(mixed))
    kernel = np.exp(-distances / width)
    np.fill_diagonal(kernel, 0)
    found: Array = ((mixed @ kernel) * mixed).sum(1)
    return found


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
    from scipy.stats import ttest_ind_from_stats

    spread = np.sqrt((a.var(0) + b.var(0)) / 2)
    usable = spread > 1e-9 * max(float(spread.max(initial=0)), 1e-12)
    if not usable.any():
        return 0, 0.0, 1.0
    floor = np.maximum(spread, SILENT * float(spread.max(initial=0)))  # what is silent in one sample has no deviation
    shift = np.where(usable, (b.mean(0) - a.mean(0)) / np.where(usable, floor, 1), 0.0)
    p = np.ones(a.shape[1])
    said = (f(x[:, usable]) for x in (a, b) for f in (_mean, _deviation, len))
    p[usable] = ttest_ind_from_stats(*said, equal_var=False).pvalue
    best = int(np.nanargmin(p))
    return best, float(shift[best]), float(-np.expm1(int(usable.sum()) * np.log1p(-min(float(p[best]), 1 - 1e-12))))


def _mean(x: Array) -> Array:
    return np.asarray(x.mean(0))


def _deviation(x: Array) -> Array:
    return np.asarray(x.std(0, ddof=1))


def relabelled(first: int, second: int, permutations: int = 400, seed: int = 0) -> Array:
    """(1 + permutations, first + second) weights whose products with rows are differences of two means: the true one
    first, then those of samples that were drawn at random among all rows."""
    signs = np.concatenate([np.full(first, -1 / first), np.full(second, 1 / second)])
    random = np.random.default_rng(seed)
    return np.stack([signs, *(random.permutation(signs) for _ in range(permutations))])


def one_moved(moved: Array) -> Array:
    """The greatest of each row of differences (1 + permutations, D), in standard deviations of its column."""
    found: Array = (np.abs(moved) / np.maximum(moved[1:].std(0), 1e-12)).max(1)
    return found


def all_moved(moved: Array, precision: Array) -> Array:
    """The Mahalanobis distance of two means (Hotelling's T²) of each row of differences."""
    found: Array = ((moved @ precision) * moved).sum(1)
    return found


def together(tests: Sequence[Array]) -> float:
    """One p of several tests of the same thing, each (1 + permutations,) over the same permutations, the true first.

    Cauchy combination (Liu and Xie 2020): near the smallest p times their number, and smaller where several agree.
    What it comes to by chance is counted over the permutations; beyond them each test's own `tail` is combined. A test
    of what does not vary (a score that is always 1) is none.
    """
    tests = [one for one in tests if one.max() > 1e-9]
    if not tests:
        return 1.0
    draws = np.stack(tests)
    ranks = 1 - (draws.argsort(1).argsort(1) + 0.5) / draws.shape[1]
    found = np.tan((0.5 - ranks) * np.pi).mean(0)
    counted = float((found >= found[0]).mean())
    if counted > 10 / draws.shape[1]:
        return counted
    p = np.clip([tail(float(one[0]), one[1:]) for one in draws], 1e-15, 0.9)  # a blind test takes nothing away
    return float(np.clip(0.5 - np.arctan(np.tan((0.5 - p) * np.pi).mean()) / np.pi, 1e-15, counted))


def combined(p: Sequence[float]) -> float:
    """The least of several p that may depend on each other, times their number (Bonferroni)."""
    return min(1.0, len(p) * min(p))


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
