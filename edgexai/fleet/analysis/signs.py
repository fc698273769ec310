"""Signs of a sick sensor: a node's frames against its peers' of the same classes, in numbers that mean the same for
every network.

There is no reference of what the sensor should see, so that each sign is a ratio (its logarithm) or a difference, of
how relevance lies in the map, how much it varies, how sure the model is and how its channels moved.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.difference import cells
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.statistics import Array

Rows = NDArray[np.bool_]
Peers = NDArray[np.int64]
Maps = NDArray[np.float32]
MOST = 3.0
"""Logarithms of ratios are cut here: what is twenty times as much is no more of a sign than what is thirty times."""
SIDE = 4
"""A box is such a part of the map's rows and columns."""
FEW = 3
"""Frames of a class below which its mean map says nothing."""


def signs(evidence: Evidence, own: Rows, peers: Peers) -> dict[str, float]:
    """Of a node (a mask) against its peers (indices), 21 numbers by name, all finite."""
    places = shares_of(evidence.maps[own]), shares_of(evidence.maps[peers])
    return {
        **_of_maps(evidence.maps[own], evidence.maps[peers]),
        **_of_places(*places),
        **_of_score(evidence, own, peers),
        **_of_classes(evidence, own, peers, *places),
    }


def variety(maps: Maps) -> float:
    """Mean distance of unit maps to their mean."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
    return float(((flat - flat.mean(0)) ** 2).sum(1).mean())


def likeness(mine: Array, theirs: Array) -> Array:
    """(6,) correlation of a mean map as it is, turned by 90, 180 and 270°, mirrored, upside down, with the peers'."""
    ways = [mine, np.rot90(mine, 1), np.rot90(mine, 2), np.rot90(mine, 3), mine[:, ::-1], mine[::-1]]
    about = theirs - theirs.mean()
    found = []
    for way in ways:
        if way.shape != theirs.shape:
            found.append(-1.0)
            continue
        other = way - way.mean()
        found.append(float((other * about).sum()) / max(float(np.linalg.norm(other) * np.linalg.norm(about)), 1e-30))
    return np.array(found)


def by_class(evidence: Evidence, own: Rows, peers: Peers, mine: Array, theirs: Array) -> list[tuple[int, Array, Array]]:
    """Of every class that both have: how many frames the node has, and the rows of both."""
    classes, others, found = evidence.target[own], evidence.target[peers], []
    for k in np.unique(classes):
        a, b = mine[classes == k], theirs[others == k]
        if min(len(a), len(b)) >= FEW:
            found.append((len(a), a, b))
    return found


def _of_maps(mine: Maps, theirs: Maps) -> dict[str, float]:
    energy = [np.abs(m).sum((1, 2), dtype=np.float64) for m in (mine, theirs)]
    spread = [float(np.log(e + 1e-12).std()) + 0.05 for e in energy]
    return {
        "variety": _ratio(variety(mine), variety(theirs)),
        "energy": _ratio(*(float(e.mean()) for e in energy)),
        "energy spread": _ratio(*spread),
        "gathered": _ratio(*(float((cells(m) ** 4).sum(1).mean()) for m in (mine, theirs))),
    }


def _of_places(mine: Array, theirs: Array) -> dict[str, float]:
    """Of shares (N, rows, columns): where and how finely relevance lies, and how much it varies from place to place."""
    usual, mean = theirs.mean(0), mine.mean(0)
    little = np.argsort(usual.reshape(-1), kind="stable")[: usual.size // 4]
    outside = [float(m.reshape(-1)[little].sum()) + 0.01 for m in (mean, usual)]
    filled = np.log((_boxes(mean) + 0.01) / (_boxes(usual) + 0.01))
    varied = np.log((_boxes(mine.std(0)) + 1e-3) / (_boxes(theirs.std(0)) + 1e-3))
    parts = [cells(x.astype(np.float32)).std(0) + 0.02 for x in (mine, theirs)]
    steady = np.log(parts[0] / parts[1])
    return {
        "rough": _ratio(_roughness(mine), _roughness(theirs)),
        "fine": _fineness(mine) - _fineness(theirs),
        "outside": _ratio(*outside),
        "emptied": float(filled.min()),
        "box varies": float(np.median(varied)),
        "box steady": float(varied.min() - np.median(varied)),
        "place steady": float(steady.min()),
        "places vary": float(steady.mean()),
    }


def _of_score(evidence: Evidence, own: Rows, peers: Peers) -> dict[str, float]:
    score, usual = evidence.score[own], evidence.score[peers]
    spread = float(usual.std())
    return {
        "score": min(max((float(score.mean()) - float(usual.mean())) / max(spread, 1e-12), -MOST), MOST),
        "score spread": _ratio(float(score.std()), spread),
        "mix": _entropy(evidence.target[own]) - _entropy(evidence.target[~own]),
    }


def _of_classes(evidence: Evidence, own: Rows, peers: Peers, mine: Array, theirs: Array) -> dict[str, float]:
    """What differs within classes: mean maps, and channels in their standard deviations within a class."""
    channels = evidence.roots()
    a, b = channels[own], channels[peers]
    likely, moved, count = np.zeros(6), np.zeros(mine.shape[1:]), 0
    for n, one, other in by_class(evidence, own, peers, mine, theirs):
        likely += n * likeness(one.mean(0), other.mean(0))
        moved, count = moved + n * (one.mean(0) - other.mean(0)), count + n
    likely, moved = likely / max(1, count), moved / max(1, count)
    shift, total = np.zeros(channels.shape[1]), 0
    pairs = by_class(evidence, own, peers, a, b)
    within = np.sqrt(np.mean([other.var(0) for _, _, other in pairs], 0)) + 1e-3 if pairs else np.ones(len(shift))
    for n, one, other in pairs:
        shift, total = shift + n * (one.mean(0) - other.mean(0)) / within, total + n
    shift = shift / max(1, total)
    return {
        "like": float(likely[0]),
        "turned": math.log((1.01 - likely[0]) / (1.01 - likely[1:4].max())),
        "moved": math.log(float(np.abs(moved).sum()) + 1e-3),
        "channels moved": math.log(math.sqrt(float((shift**2).mean())) + 0.05),
        "channels vary": _ratio(float(a.var(0).sum()), float(b.var(0).sum())),
        "channels used": _used(a) - _used(b),
    }


def shares_of(maps: Maps) -> Array:
    """Positive relevance of maps (N, rows, columns) at unit mass."""
    positive = np.maximum(maps, 0).astype(np.float64)
    found: Array = positive / np.maximum(positive.sum((1, 2), keepdims=True), 1e-30)
    return found


def _boxes(x: Array) -> Array:
    """Sums over every box of a quarter of the rows and columns."""
    rows, columns = (max(1, round(size / SIDE)) for size in x.shape)
    total = np.pad(x.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    found: Array = total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    return found


def _roughness(shares: Array) -> float:
    """How much neighbours differ."""
    return float(sum(np.abs(np.diff(shares, axis=axis)).sum((1, 2)).mean() for axis in (1, 2)))


def _fineness(shares: Array) -> float:
    """Mean logarithm of the power at waves of 4 to 8 pixels."""
    power = np.log(np.abs(np.fft.rfft2(shares)) ** 2 + 1e-12).mean(0)
    rows, columns = shares.shape[1:]
    wave = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    chosen = power[(wave > 0.12) & (wave <= 0.25)]
    return float(chosen.mean()) if len(chosen) else 0.0


def _used(roots: Array) -> float:
    """Mean entropy of channels."""
    share = roots**2 / np.maximum((roots**2).sum(1, keepdims=True), 1e-30)
    return float(-(share * np.log(share + 1e-12)).sum(1).mean())


def _entropy(classes: NDArray[np.int64]) -> float:
    share = np.unique(classes, return_counts=True)[1] / max(1, len(classes))
    return float(-(share * np.log(share)).sum())


def _ratio(one: Any, other: Any) -> float:
    return min(max(math.log(max(one, 1e-30) / max(other, 1e-30)), -MOST), MOST)
