"""What may be wrong with the sensor of a node whose explanations leave its peers'.

A sensor that shows one thing only gives one map again and again: frozen, if that is a usual one, else dead. One that is
turned gives maps that fit when they are turned back. For the others there is no reference, so that five signs are used
that need none, each of the node against its peers' frames of the same classes:

| sign | what |
|---|---|
| variety | how different its maps are from each other (logarithm of the ratio) |
| score | mean, in the peers' standard deviations |
| mix | entropy of its classes, less the fleet's: a bad picture is given few classes |
| energy | relevance in all (logarithm of the ratio) |
| gathered | how much its relevance is gathered in few places of 6×6 (logarithm of the ratio) |

A linear discriminant says which sickness they fit best. Its numbers are of 90 sick nodes of networks of seeds 10 and 11
(digits, MNIST, CIFAR; `benchmarks/findings/sick.py`).
"""

import math

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.difference import cells
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.statistics import Array

TURNS = ("turned by 90°", "turned by 180°", "turned by 270°", "mirrored", "upside down")
STILL = 0.12
"""Variety of maps, as a share of the peers', below which a sensor shows one thing only; or spread of scores."""
SIGNS = {
    "dirty": (-0.8, -0.2, -1.5, -2.5, -3.6, 2.4),
    "rotated": (-1.7, 2.8, -1.7, -4.5, -0.9, 5.7),
    "saturated": (-7.3, -6.3, -1.9, -5.0, 14.4, 1.5),
    "noisy": (-1.4, -1.5, -1.8, -3.5, -6.1, -2.6),
    "blurred": (-5.8, -6.7, -2.6, -5.7, -16.8, -1.1),
}
"""Of every sickness a constant, and the weights of the signs."""
SECOND = 0.2
"""Probability from which the second sickness is named too."""
Rows = NDArray[np.bool_]
Peers = NDArray[np.int64]


def diagnosis(evidence: Evidence, own: Rows, peers: Peers) -> str:
    """What may be wrong with a node's sensor, in words that begin with the sickness."""
    maps, usual = evidence.maps[own], evidence.maps[peers]
    spread = float(evidence.score[own].std()) / max(float(evidence.score[peers].std()), 1e-12)
    if variety(maps) < STILL * variety(usual) or spread < STILL:
        return _still(evidence, own, peers)
    turned = _turned(evidence, own, peers)
    if turned:
        return f"rotated: its maps fit the peers' when {turned}"
    values = np.array([(1.0, *signs(evidence, own, peers))]) @ np.array(list(SIGNS.values())).T
    probability = np.exp(values[0] - values.max())
    probability /= probability.sum()
    first, second = (list(SIGNS)[i] for i in np.argsort(-probability)[:2])
    also = f", or {second}" if np.sort(probability)[-2] > SECOND else ""
    return f"{first}{also}: fits best how much and how varied its relevance is, how gathered, its scores and classes"


def signs(evidence: Evidence, own: Rows, peers: Peers) -> tuple[float, float, float, float, float]:
    """Variety, score, mix, energy and gathered, of a node against its peers."""
    maps, usual = evidence.maps[own], evidence.maps[peers]
    score, peer_score = evidence.score[own], evidence.score[peers]
    moved = (float(score.mean()) - float(peer_score.mean())) / max(float(peer_score.std()), 1e-12)
    energy = [float(np.abs(m).sum((1, 2), dtype=np.float64).mean()) for m in (maps, usual)]
    gathered = [float((cells(m) ** 4).sum(1).mean()) for m in (maps, usual)]
    return (
        math.log(min(max(variety(maps) / max(variety(usual), 1e-12), 0.2), 3.0)),
        min(max(moved, -1.5), 2.0),
        _entropy(evidence.target[own]) - _entropy(evidence.target[~own]),
        min(max(_ratio(*energy), -1.0), 1.0),
        min(max(_ratio(*gathered), -1.0), 1.0),
    )


def variety(maps: NDArray[np.float32]) -> float:
    """Mean distance of unit maps to their mean."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
    return float(((flat - flat.mean(0)) ** 2).sum(1).mean())


def _still(evidence: Evidence, own: Rows, peers: Peers) -> str:
    maps, (_, score, _, energy, _) = evidence.maps[own], signs(evidence, own, peers)
    about = np.abs(maps - np.median(maps, axis=0)).sum((1, 2))
    same = float(np.mean(about <= 1e-3 * np.abs(maps).sum((1, 2)).mean()))
    if same > 0.99 and abs(score) < 1.1 and abs(energy) < 0.5:
        return "frozen, or dead: it shows one map again and again, such as its peers have too"
    return "dead: nearly every map is the same, and not such as its peers'"


def _entropy(classes: NDArray[np.int64]) -> float:
    share = np.unique(classes, return_counts=True)[1] / len(classes)
    return float(-(share * np.log(share)).sum())


def _ratio(one: float, other: float) -> float:
    return math.log(max(one, 1e-30) / max(other, 1e-30))


def _mean(maps: NDArray[np.float32]) -> Array:
    positive = np.maximum(maps, 0).astype(np.float64)
    total: Array = (positive / np.maximum(positive.sum((1, 2), keepdims=True), 1e-30)).mean(0)
    return total


def _turned(evidence: Evidence, own: NDArray[np.bool_], peers: NDArray[np.int64]) -> str:
    """How a node's maps of each class must be moved to fit its peers' best, if that helps; else nothing."""
    rows, columns = evidence.maps.shape[1:]
    if rows < 4 or columns < 4:
        return ""
    gains = np.zeros(1 + len(TURNS))
    for target in np.unique(evidence.target[own]):
        mine = evidence.maps[own & (evidence.target == target)]
        theirs = evidence.maps[peers[evidence.target[peers] == target]]
        if min(len(mine), len(theirs)) < 3:
            continue
        usual, one = _mean(theirs), _mean(mine)
        ways = [one, np.rot90(one, 1), np.rot90(one, 2), np.rot90(one, 3), one[:, ::-1], one[::-1]]
        likeness = [np.corrcoef(w.reshape(-1), usual.reshape(-1))[0, 1] if w.shape == usual.shape else -1 for w in ways]
        gains += len(mine) * np.nan_to_num(np.array(likeness))
    gains /= max(1, int(own.sum()))
    best = int(np.argmax(gains))
    better = 1 - gains[best] < 0.5 * (1 - gains[0]) and gains[best] > gains[0] + 0.01
    return TURNS[best - 1] if best and better else ""
