"""Health: nodes whose explanations leave their peers', and what may be wrong with their sensor."""

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.difference import difference, unit, views
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.sickness import diagnosis
from edgexai.fleet.analysis.signs import variety
from edgexai.fleet.analysis.statistics import Array, chance, interval

LEAST_FRAMES, LEAST_NODES = 30, 3
WORTH = 0.1
"""p above which nothing is reported at a rate of a tenth, so that no sickness is named."""


def health(evidence: Evidence) -> list[Finding]:
    """A candidate for every node with enough frames and peers: channels, maps and score against those of the others.

    Of each class as many peers' frames are drawn as the node has, so that a node that sees other things is not ill.
    p is that of `difference`; the text names the sickness that fits best (`sickness.py`).
    """
    names = np.unique(evidence.node)
    if len(names) < LEAST_NODES:
        return []
    seen, found = views(evidence), []
    strange = strangest(evidence)
    for name in names:
        own = evidence.node == name
        if own.sum() < LEAST_FRAMES:
            continue
        peers = peers_of(evidence, own, strange)
        if len(peers) < LEAST_FRAMES:
            found += _alone(evidence, own, str(name))
            continue
        differs = difference(seen, peers, own)
        p, shift = differs.p, differs.shift
        sickness = diagnosis(evidence, own, peers) if p <= WORTH else "nothing that has a name"
        text = (
            f"Node {name}: its explanations leave those of its peers for the same classes ({chance(p)}, "
            f"{abs(shift):.1f} standard deviations); {sickness}."
        )
        spread = interval(shift, len(peers), int(own.sum()))
        found.append(
            Finding("health", evidence.model, None, (str(name),), int(own.sum()), p, shift, text, spread, sickness)
        )
    return found


def _features(evidence: Evidence) -> Array:
    columns = [evidence.score, np.nan_to_num(evidence.conservation, nan=0.0)]
    return np.concatenate([unit(part) for part in (evidence.channels(), *(c[:, None] for c in columns))], 1)


def strangest(evidence: Evidence) -> NDArray[np.bool_]:
    """Frames of the quarter of nodes whose class means lie farthest from the middle node: no peers to be judged by."""
    centred = _features(evidence)
    for target in np.unique(evidence.target):
        own = evidence.target == target
        centred[own] -= np.median(centred[own], axis=0)
    names = np.unique(evidence.node)
    means = np.stack([centred[evidence.node == name].mean(0) for name in names])
    distance = np.linalg.norm(means - np.median(means, axis=0), axis=1)
    far = names[np.argsort(distance)[len(names) - len(names) // 4 :]]
    return np.isin(evidence.node, far)


def peers_of(evidence: Evidence, own: NDArray[np.bool_], strange: NDArray[np.bool_]) -> NDArray[np.int64]:
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
    if variety(evidence.maps[own]) > 0.1 * variety(evidence.maps[~own]):
        return []
    text = f"Node {name}: it sees one class that its peers do not see, with nearly the same map each time; dead."
    return [Finding("health", evidence.model, None, (name,), int(own.sum()), 1e-6, 3.0, text, where="dead")]
