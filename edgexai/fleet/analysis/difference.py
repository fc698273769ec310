"""Whether two samples of explanations differ: one p for several looks at them, each strong where others are blind.

| look | sees |
|---|---|
| MMD on channels, maps and score | any change of shape, if it is wide |
| greatest shift of a column | one channel or place far off |
| distance of means, of channels and score; of places | what moves against the usual correlations, in many columns |
| the column that moved most against what the others let expect of it | the same, in one column |
| Welch's t of the score | surer, or less sure |

A mean that moves by 0.2 standard deviations of a column may be 0.5 of what the other columns do not explain.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.statistics import (
    MOST,
    Array,
    all_moved,
    greatest_shift,
    mmd_moved,
    one_moved,
    relabelled,
    together,
)

CELLS = 6
"""Rows and columns of places."""
ROUNDING = 1e-9
"""Of the greatest value of a column: what varies by less does not vary."""
SHRINK, OWN = 0.1, 2.0
"""Share of a common variance in what is usual, and how many frames a column the usual covariance counts as."""
Rows = NDArray[np.bool_] | NDArray[np.int64]


@dataclass(frozen=True)
class Views:
    """N explanations: ``together`` (N, …) all in one; ``columns`` (N, D) channels (or pooled maps) and score;
    ``places`` (N, 36) of the map; ``score`` (N, 1); of columns and places the covariance within classes."""

    together: Array
    columns: Array
    places: Array
    score: Array
    usual: tuple[Array, Array]


@dataclass(frozen=True)
class Difference:
    """``p`` that there is none, and by how many standard deviations the column that moved most did."""

    p: float
    shift: float


def views(evidence: Evidence) -> Views:
    """What `difference` looks at."""
    columns = centred(np.column_stack([evidence.roots(), unit(evidence.score[:, None])]))
    places = centred(cells(evidence.maps))
    usual = _within(columns, evidence.target), _within(places, evidence.target)
    return Views(everything(evidence), columns, places, centred(evidence.score[:, None]), usual)


def difference(seen: Views, first: Rows, second: Rows) -> Difference:
    """Of two sets of rows (masks or indices), at most MOST of each; p by permutations, so that few rows do."""
    one, other = (_some(rows) for rows in (first, second))
    rows, mixed = np.concatenate([one, other]), relabelled(len(one), len(other))
    x = seen.together[rows]
    tests = [mmd_moved(x, mixed), one_moved(mixed @ x), one_moved(mixed @ seen.score[rows])]
    for part, usual in zip((seen.columns, seen.places), seen.usual, strict=True):
        precision = np.asarray(np.linalg.inv(_covariance(part[rows], usual)), np.float64)
        moved = mixed @ part[rows]
        tests += [all_moved(moved, precision), one_moved(moved @ precision)]
    return Difference(together(tests), greatest_shift(x[: len(one)], x[len(one) :])[1])


def _some(rows: Rows) -> NDArray[np.int64]:
    which = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.int64)
    return which if len(which) <= MOST else np.random.default_rng(0).choice(which, MOST, replace=False)


def everything(evidence: Evidence) -> Array:
    """(N, …) channels, pooled maps and the score, each part of the same weight."""
    parts = [evidence.roots(), evidence.score[:, None]]
    if evidence.concepts.shape[1]:
        parts.append(evidence.pooled())
    return np.concatenate([unit(part) for part in parts], 1)


def unit(part: Array) -> Array:
    """Columns about their means, the whole of unit variance."""
    about = centred(part)
    found: Array = about / max(float(np.sqrt((about**2).sum(1).mean())), 1e-12)
    return found


def centred(part: Array) -> Array:
    """Columns about their means; those that are the same everywhere are nothing, and no noise of rounding."""
    found: Array = part - part.mean(0)
    return np.where(np.abs(found).max(0) > ROUNDING * np.abs(part).max(0), found, 0.0)


def cells(maps: NDArray[np.float32]) -> Array:
    """(N, 36) square roots of the shares of positive relevance in 6×6 places."""
    positive = np.maximum(maps, 0).astype(np.float64)
    positive /= np.maximum(positive.sum((1, 2), keepdims=True), 1e-30)
    rows, columns = (np.array_split(np.arange(size), min(CELLS, size)) for size in maps.shape[1:])
    summed = np.stack([np.stack([positive[:, r][:, :, c].sum((1, 2)) for c in columns], 1) for r in rows], 1)
    found: Array = np.sqrt(summed).reshape(len(maps), -1)
    return found


def _within(x: Array, classes: NDArray[np.int64]) -> Array:
    scatter, count = np.zeros((x.shape[1], x.shape[1])), 0
    for one in np.unique(classes):
        about = x[classes == one] - x[classes == one].mean(0)
        scatter, count = scatter + about.T @ about, count + len(about) - 1
    return scatter / max(1, count)


def _covariance(x: Array, usual: Array) -> Array:
    """Of rows about their mean, whichever sample they are of, and the more of what is usual the fewer they are."""
    about, width = x - x.mean(0), x.shape[1]
    mixed = (about.T @ about + OWN * width * usual) / (len(about) + OWN * width)
    spread = np.sqrt(np.maximum(np.diag(mixed), 1e-4 * max(float(np.diag(mixed).mean()), 1e-12)))
    found: Array = (1 - min(SHRINK, width / len(about))) * mixed
    found[np.diag_indices(width)] = spread**2
    return found
