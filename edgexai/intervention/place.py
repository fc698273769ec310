"""Where what a class is recognised by lies: the box in which it looks more than other classes do, tried by itself.

The box is found by relevance that speaks for a class and no other (LRP-ε), and then pasted alone from members of the
class into other inputs. Those that have the same there already are no hosts: nothing would change.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.features import SIDE
from edgexai.intervention.transplant import Sample

HOSTS = 100
ENOUGH = 0.2
"""Share of hosts that the box must turn above what other boxes of its size turn."""
SAME = 0.05
"""A box changes a host if a value in it moves by more than this share of the range of all values."""
Map = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """Rows and columns of a map, each from the first to behind the last."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Of a map of this shape, what lies inside."""
        inside = np.zeros(shape, bool)
        inside[slice(*self.rows), slice(*self.columns)] = True
        return inside

    def text(self, shape: tuple[int, int]) -> str:
        """In words, of a map of this shape; of one row its samples."""
        (top, bottom), (left, right) = self.rows, self.columns
        down, along = (int(1.5 * sum(ends) / n) for ends, n in zip((self.rows, self.columns), shape, strict=True))
        if shape[0] == 1:
            return f"the {('beginning', 'middle', 'end')[along]} (samples {left} to {right - 1})"
        where = f"{('top', 'middle', 'bottom')[down]} {('left', 'centre', 'right')[along]}"
        return f"the {where} (rows {top} to {bottom - 1}, columns {left} to {right - 1})"


@dataclass(frozen=True)
class Place:
    """A box and what it does: the share of ``n`` hosts that it turns into the class, and that boxes of its size
    ``elsewhere``, of the same donors, turn of the same hosts."""

    box: Box
    turned: float
    elsewhere: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference (Agresti and Caffo 2000)."""
        n = self.n + 2
        p, q = ((share * self.n + 1) / n for share in (self.turned, self.elsewhere))
        error = 1.96 * math.sqrt((p * (1 - p) + q * (1 - q)) / n)
        return p - q - error, p - q + error

    @property
    def confirmed(self) -> bool:
        """Whether the box does so much more than others."""
        return self.turned - self.elsewhere >= ENOUGH and self.interval[0] > 0

    def text(self) -> str:
        """What the trial found, in words."""
        low, high = self.interval
        return (
            f"pasted alone, it turns {self.turned:.0%} of {self.n} other samples, boxes of its size elsewhere "
            f"{self.elsewhere:.0%} (difference: 95 % interval {low:.0%} to {high:.0%})"
        )


def excess(maps: NDArray[np.floating], target: NDArray[np.int64], one: int, least: int = 8) -> Map:
    """How much more of its positive relevance class ``one`` has at each place (rows, columns) of maps (N, rows,
    columns) than the other classes in the median; those of fewer than ``least`` samples are left out."""
    positive = np.maximum(np.asarray(maps, np.float64), 0)
    positive /= np.maximum(positive.sum((1, 2), keepdims=True), 1e-30)
    usual = [positive[target == k].mean(0) for k in np.unique(target) if k != one and (target == k).sum() >= least]
    own: Map = positive[target == one].mean(0)
    return own - np.median(usual, axis=0) if usual else own


def densest(more: Map) -> Box | None:
    """The box of at most half the map with the largest sum over the root of its area (a scan statistic), on a raster
    of at most 12 × 12 cells; None if no box has any."""
    edges = [np.unique(np.round(np.linspace(0, n, min(n, SIDE) + 1)).astype(int)) for n in more.shape]
    total = np.pad(more.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    best, found = 0.0, None
    for top, bottom in _pairs(edges[0]):
        for left, right in _pairs(edges[1]):
            area = (bottom - top) * (right - left)
            inside = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
            if 2 * area <= more.size and inside / math.sqrt(area) > best:
                best, found = inside / math.sqrt(area), Box((int(top), int(bottom)), (int(left), int(right)))
    return found


def tried(
    x: Sample, target: NDArray[np.int64], one: int, box: Box, shape: tuple[int, int],
    predict: Callable[[Sample], NDArray[Any]],
) -> Place:  # fmt: skip
    """Samples ``x`` (N, …), predicted as ``target`` (N,), whose maps have ``shape``: what the box of members of class
    ``one`` does to others. Without hosts that differ in it nothing is turned."""
    random = np.random.default_rng(0)
    own, others = np.flatnonzero(target == one), np.flatnonzero(target != one)
    inside = spread(box.mask(shape), x.shape[1:])
    limit = SAME * (float(x.max()) - float(x.min()))
    counts = [0, 0]
    n = 0
    for donor, host in zip(random.choice(own, 10 * HOSTS), random.choice(others, 10 * HOSTS), strict=True):
        if np.abs(np.where(inside, x[donor].astype(np.float64) - x[host], 0)).max() <= limit:
            continue
        other = spread(_moved(box, shape, random).mask(shape), x.shape[1:])
        for i, mask in enumerate((inside, other)):
            counts[i] += int(np.argmax(predict(np.where(mask, x[donor], x[host])))) == one
        n += 1
        if n == HOSTS:
            break
    return Place(box, counts[0] / max(n, 1), counts[1] / max(n, 1), n)


def spread(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of a map, as it lies over a sample of this shape."""
    if mask.shape[0] == 1 and shape[0] == mask.shape[1]:
        return mask.reshape(mask.shape[1], *(1,) * (len(shape) - 1))
    return mask.reshape(*mask.shape, *(1,) * (len(shape) - 2))


def _moved(box: Box, shape: tuple[int, int], random: np.random.Generator) -> Box:
    """A box of the same size elsewhere, drawn until it overlaps by less than half, or as little as one can: a box in
    the middle may leave no room for less."""
    ends = (box.rows, box.columns)
    sizes = [end - start for start, end in ends]
    furthest = [max(start, n - end) for n, (start, end) in zip(shape, ends, strict=True)]
    least = math.prod(max(0, size - far) for size, far in zip(sizes, furthest, strict=True))
    while True:
        top, left = (int(random.integers(0, n - size + 1)) for n, size in zip(shape, sizes, strict=True))
        moved = Box((top, top + sizes[0]), (left, left + sizes[1]))
        overlap = int((moved.mask(shape) & box.mask(shape)).sum())
        if 2 * overlap < sizes[0] * sizes[1] or overlap == least:
            return moved


def _pairs(edges: NDArray[np.int64]) -> list[tuple[int, int]]:
    return [(int(a), int(b)) for i, a in enumerate(edges) for b in edges[i + 1 :]]
