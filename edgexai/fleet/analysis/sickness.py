"""What may be wrong with the sensor of a node whose explanations leave its peers'.

A forest of random trees (Geurts, Ernst and Wehenkel 2006) compares its signs (`signs.py`) with those of 385
sensors that were made sick on purpose: dead, frozen, dirty, rotated, saturated, noisy or blurred, of eleven networks.
They stand in `sickness.csv`, which `python -m benchmarks findings --measure sick --teach FILE` writes; the trees are
grown when the first sickness is to be named.
"""

from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.signs import Peers, Rows, by_class, likeness, shares_of, signs

TURNS = ("turned by 90°", "turned by 180°", "turned by 270°", "mirrored", "upside down")
TREES, LEAF = 300, 2
SECOND = 0.2
"""Share of trees from which the second sickness is named too."""
SHOWS = {
    "dead": "nearly every map is the same, and not such as its peers'",
    "frozen": "it shows one map again and again, such as its peers have too",
    "dirty": "relevance leaves, or gathers in, one place",
    "rotated": "relevance lies where its peers' does not, but is as fine and as varied",
    "saturated": "more relevance in all, and less of it in one place",
    "noisy": "relevance is rougher, and scattered",
    "blurred": "relevance is smoother, and channels vary less",
}
"""Of every sickness what it does to explanations, as a rule."""


def diagnosis(evidence: Evidence, own: Rows, peers: Peers) -> str:
    """What may be wrong with a node's sensor, in words that begin with the sickness."""
    probability = named(signs(evidence, own, peers))
    first, second = sorted(probability, key=lambda name: -probability[name])[:2]
    also = f", or {second}" if probability[second] >= SECOND else ""
    turned = _turned(evidence, own, peers) if first == "rotated" else ""
    return f"{first}{also}: {f'its maps fit the peers when {turned}' if turned else SHOWS[first]}"


def named(found: dict[str, float]) -> dict[str, float]:
    """Of every sickness the share of the trees that such signs speak for."""
    names, forest = _forest()
    shares = forest.predict_proba(np.array([[found[name] for name in names]]))[0]
    return dict(zip(map(str, forest.classes_), map(float, shares), strict=True))


@cache
def _forest() -> tuple[tuple[str, ...], Any]:
    from sklearn.ensemble import ExtraTreesClassifier

    lines = resources.files(__package__).joinpath("sickness.csv").read_text("utf-8").splitlines()
    rows = [line.split(",") for line in lines[1:]]
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, random_state=0)
    forest.fit(np.array([row[1:] for row in rows], np.float64), [row[0] for row in rows])
    return tuple(lines[0].split(",")[1:]), forest


def _turned(evidence: Evidence, own: Rows, peers: Peers) -> str:
    """How a node's maps of each class must be moved to fit its peers' best, if that helps; else nothing."""
    fits = np.zeros(1 + len(TURNS))
    count = 0
    shares = shares_of(evidence.maps[own]), shares_of(evidence.maps[peers])
    for n, mine, theirs in by_class(evidence, own, peers, *shares):
        fits, count = fits + n * likeness(mine.mean(0), theirs.mean(0)), count + n
    fits = fits / max(1, count)
    best = int(np.argmax(fits))
    better = 1 - fits[best] < 0.5 * (1 - fits[0]) and fits[best] > fits[0] + 0.01
    return TURNS[best - 1] if best and better else ""
