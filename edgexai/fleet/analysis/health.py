"""Health: nodes whose explanations leave their peers', and what may be wrong with their sensor."""

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.difference import CELLS, cells, difference, unit, views
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.statistics import Array, combined, greatest_shift, interval

LEAST_FRAMES, LEAST_NODES = 30, 3
DEAD, ALIKE, VARIED = 0.14, 0.75, 1.15
"""Variety of a node's maps as a share of the usual one: below the first nearly every map is the same, below the second
they are more alike than they should be, above the last more varied (benchmarks/findings, seeds 10 to 12)."""
TURNS = ("turned by 90°", "turned by 180°", "turned by 270°", "mirrored", "upside down")


def health(evidence: Evidence) -> list[Finding]:
    """A candidate for every node with enough frames and peers: channels, maps and score against those of the others.

    Of each class as many peers' frames are drawn as the node has, so that a node that sees other things is not ill.
    p as in `bias`: MMD and the greatest shift, and the greatest shift of relevance in one place of 6×6. The text names
    the sickness that fits best: dead, turned, saturated (maps are alike), dirty (one place differs) or none of them.
    """
    names = np.unique(evidence.node)
    if len(names) < LEAST_NODES:
        return []
    seen, found = views(evidence), []
    strange = _strangest(evidence, _features(evidence))
    for name in names:
        own = evidence.node == name
        if own.sum() < LEAST_FRAMES:
            continue
        peers = _peers(evidence, own, strange)
        if len(peers) < LEAST_FRAMES:
            found += _alone(evidence, own, str(name))
            continue
        differs = difference(seen, peers, own)
        _, _, p_place = greatest_shift(seen.places[peers], seen.places[own])
        p, shift = combined([differs.p, p_place]), differs.shift
        sickness = diagnosis(evidence, own, peers)
        text = (
            f"Node {name}: its explanations leave those of its peers for the same classes (p = {p:.1g}, "
            f"{abs(shift):.1f} standard deviations); {sickness}."
        )
        spread = interval(shift, len(peers), int(own.sum()))
        found.append(
            Finding("health", evidence.model, None, (str(name),), int(own.sum()), p, shift, text, spread, sickness)
        )
    return found


def diagnosis(evidence: Evidence, own: NDArray[np.bool_], peers: NDArray[np.int64]) -> str:
    """What may be wrong with a node's sensor, in words that begin with the sickness."""
    maps, usual = evidence.maps[own], evidence.maps[peers]
    if _variety(maps) < DEAD * _variety(evidence.maps[~own]):
        return "dead: nearly every map is the same"
    turned = _turned(evidence, own, peers)
    if turned:
        return f"rotated: its maps fit the peers' when {turned}"
    if _variety(maps) < ALIKE * _variety(usual):
        return "saturated or dim: its maps are more alike than those of its peers"
    changed, place = _place(maps, usual)
    if changed:
        return f"dirty: relevance at {place} differs from that of its peers"
    means = [float(np.mean(evidence.score[rows])) for rows in (own, peers)]
    spread = [float(np.std(evidence.score[rows])) for rows in (own, peers)]
    if means[0] < means[1] - 0.25 * spread[1] and _variety(maps) > VARIED * _variety(evidence.maps[~own]):
        return "rotated, or in front of things that the model does not know: scores fall, and its maps vary more"
    if means[0] < means[1] - 0.5 * spread[1] or spread[0] < 0.5 * spread[1]:
        return "saturated or dim: scores are lower or all alike, the place of relevance is usual"
    return "no known sickness of a sensor"


def _features(evidence: Evidence) -> Array:
    columns = [evidence.score, np.nan_to_num(evidence.conservation, nan=0.0)]
    return np.concatenate([unit(part) for part in (evidence.channels(), *(c[:, None] for c in columns))], 1)


def _strangest(evidence: Evidence, x: Array) -> NDArray[np.bool_]:
    """Frames of the quarter of nodes whose class means lie farthest from the middle node: no peers to be judged by."""
    centred = x.copy()
    for target in np.unique(evidence.target):
        own = evidence.target == target
        centred[own] -= np.median(centred[own], axis=0)
    names = np.unique(evidence.node)
    means = np.stack([centred[evidence.node == name].mean(0) for name in names])
    distance = np.linalg.norm(means - np.median(means, axis=0), axis=1)
    far = names[np.argsort(distance)[len(names) - len(names) // 4 :]]
    return np.isin(evidence.node, far)


def _peers(evidence: Evidence, own: NDArray[np.bool_], strange: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Frames of other nodes that are not strange, each class in the node's own proportion, at most thrice as many."""
    random, chosen = np.random.default_rng(0), []
    for target in np.unique(evidence.target[own]):
        wanted = 3 * int((own & (evidence.target == target)).sum())
        there = np.flatnonzero(~own & ~strange & (evidence.target == target))
        if len(there):
            chosen.append(random.choice(there, min(wanted, len(there)), replace=False))
    return np.concatenate(chosen) if chosen else np.zeros(0, np.int64)


def _alone(evidence: Evidence, own: NDArray[np.bool_], name: str) -> list[Finding]:
    """A node that sees what no peer sees: dead if that is one thing only."""
    if _variety(evidence.maps[own]) > 0.1 * _variety(evidence.maps[~own]):
        return []
    text = f"Node {name}: it sees one class that its peers do not see, with nearly the same map each time; dead."
    return [Finding("health", evidence.model, None, (name,), int(own.sum()), 1e-6, 3.0, text, where="dead")]


def _variety(maps: NDArray[np.float32]) -> float:
    """Mean distance of unit maps to their mean."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
    return float(((flat - flat.mean(0)) ** 2).sum(1).mean())


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


def _place(maps: NDArray[np.float32], usual: NDArray[np.float32]) -> tuple[bool, str]:
    """Whether relevance changed in one place of 6×6 far more than in most, and surely; and where, in nine words."""
    one, other = cells(maps), cells(usual)
    best, _, p = greatest_shift(other, one)
    shift = np.abs(one.mean(0) - other.mean(0)) / np.sqrt((one.var(0) + other.var(0)) / 2 + 1e-12)
    columns = min(CELLS, maps.shape[2])
    row, column = (3 * (best // columns)) // min(CELLS, maps.shape[1]), (3 * (best % columns)) // columns
    place = f"{('top', 'middle', 'bottom')[row]} {('left', 'centre', 'right')[column]}"
    return bool(p < 1e-4 and shift[best] > 4.5 * np.median(shift)), place
