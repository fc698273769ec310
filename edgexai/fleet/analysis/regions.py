"""Where in its input a class looks: shares of positive relevance by region, and which class stands out.

A class that finds much of its evidence where the others find little may be recognised by something that stands beside
the thing itself: a tag, a watermark, a border (Lapuschkin et al., *Unmasking Clever Hans predictors*, 2019).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.features import flat as flat  # read from here by many

GRID = 3
CORNERS = ("top left", "top right", "bottom left", "bottom right")
CORNER = 0.25  # of each side
CENTRE = "middle centre"
BANDS = ("top", "middle", "bottom"), ("left", "centre", "right")

Map = NDArray[np.float32]
Shares = NDArray[np.float64]


def names(rows: int) -> tuple[str, ...]:
    """The regions of a map, in the order of `shares`: nine fields and four corners, or five parts of a line."""
    if rows == 1:
        return tuple(f"part {i + 1} of 5" for i in range(5))
    return tuple(f"{a} {b}" for a in BANDS[0] for b in BANDS[1]) + tuple(f"corner {c}" for c in CORNERS)


def shares(relevance: Map) -> Shares:
    """Each region's share of the positive relevance; zeros if there is none.

    The fields of the 3×3 grid add up to 1; a corner is a quarter of each side and overlaps its field.
    """
    positive = np.maximum(flat(relevance), 0).astype(np.float64)
    total = positive.sum()
    masses = [float(part.sum()) for part in _parts(positive)]
    return np.array(masses) / total if total > 0 else np.zeros(len(masses))


def areas(shape: tuple[int, int]) -> Shares:
    """Each region's share of the area: what it would hold if relevance were spread evenly."""
    return shares(np.ones(shape, np.float32))


@dataclass(frozen=True)
class Suspect:
    """A region where a class stands out: its share, what is usual among the other classes, and the distance in
    robust standard deviations of theirs."""

    target: int
    region: str
    share: float
    usual: float
    distance: float


def suspects(means: dict[int, Shares], counts: dict[int, int], regions: tuple[str, ...], area: Shares) -> list[Suspect]:
    """Classes whose mean share of a region is far above the other classes', the densest first.

    Far: at least 4 robust standard deviations (median absolute deviation, at least 2 % of all relevance), twice the
    usual share, and 10 % more than that. The centre is left out, since the thing itself is there. Wants four classes
    of eight frames; says nothing otherwise.
    """
    classes = [c for c in means if counts[c] >= 8]
    if len(classes) < 4:
        return []
    found = []
    for target in classes:
        others = np.stack([means[c] for c in classes if c != target])
        usual = np.median(others, axis=0)
        spread = np.maximum(1.4826 * np.median(np.abs(others - usual), axis=0), 0.02)
        distance = (means[target] - usual) / spread
        far = (distance > 4) & (means[target] > 2 * usual) & (means[target] - usual > 0.1)
        found += [
            Suspect(target, regions[i], float(means[target][i]), float(usual[i]), float(distance[i]))
            for i in np.flatnonzero(far)
            if regions[i] != CENTRE
        ]
    return sorted(found, key=lambda s: (s.share - s.usual) / area[regions.index(s.region)], reverse=True)


def _parts(positive: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    rows, columns = positive.shape
    if rows == 1:
        return list(np.array_split(positive, 5, axis=1))
    fields = [f for band in np.array_split(positive, GRID, axis=0) for f in np.array_split(band, GRID, axis=1)]
    down, right = max(1, round(rows * CORNER)), max(1, round(columns * CORNER))
    top, bottom = positive[:down], positive[rows - down :]
    return fields + [p for band in (top, bottom) for p in (band[:, :right], band[:, columns - right :])]
