"""Frames that stand for the others of a set, and those that none of them stands for.

Dreyer et al. 2024, *Understanding the (Extra-)Ordinary: Validating Deep Model Decisions with Prototypical Concept-based
Explanations* (PCX), with k-means for the mixture of Gaussians.
"""

from typing import Any

import numpy as np

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.panels.counts import frame
from edgexai.fleet.panels.picture import picture

MOST, UNUSUAL, STRONGEST = 3, 6, 6


def prototypes(own: Evidence) -> dict[str, list[dict[str, Any]]]:
    """``prototypes``: the frames nearest to the centres of up to three groups of these frames in channels, with the
    number that each stands for and its strongest channels, the largest group first. ``unusual``: the frames furthest
    from the centre that is nearest to them, the strangest first; ``times`` says how far, against the median."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    x = own.channels()
    with threadpool_limits(1):
        groups = KMeans(min(MOST, len(np.unique(x.round(9), axis=0))), n_init=3, random_state=0).fit(x)
    distance = np.linalg.norm(x - groups.cluster_centers_[groups.labels_], axis=1)
    found = []
    for k in range(len(groups.cluster_centers_)):
        mine = np.flatnonzero(groups.labels_ == k)
        best = int(mine[np.argmin(distance[mine])])
        found.append(_shown(own, best) | {"stands_for": len(mine)})
    middle = float(np.median(distance))
    far = np.argsort(-distance, kind="stable")[:UNUSUAL]
    return {
        "prototypes": sorted(found, key=lambda one: -int(one["stands_for"])),
        "unusual": [_shown(own, int(i)) | {"times": float(distance[i]) / middle} for i in far if middle > 0],
    }


def _shown(own: Evidence, i: int) -> dict[str, Any]:
    """A frame with its map and strongest channels."""
    strongest: list[dict[str, Any]] = []
    if own.concepts.shape[1]:
        share = own.concepts[i] / max(float(own.concepts[i].sum()), 1e-30)
        strongest = [{"channel": int(c), "share": float(share[c])} for c in np.argsort(-share)[:STRONGEST]]
    return frame(own, i) | {"channels": strongest, "map": picture(own.maps[i])}
