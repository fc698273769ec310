"""The members of a suspected shortcut: who carries it, what their maps have in common, and what stands for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.panels.counts import by_node, channels, frame, histogram
from edgexai.fleet.panels.picture import picture, side_by_side

PAGE = 48
PROTOTYPES, STRONGEST = 3, 6


def cluster(evidence: Evidence, finding: Finding, offset: int = 0) -> dict[str, Any]:
    """``finding`` is a shortcut of the evidence's model; its members are shown from ``offset`` on, the surest first."""
    own = evidence.where(np.flatnonzero(evidence.target == finding.target))
    scores = {member.id: member.score for member in finding.members}
    likeness = np.array([scores.get(int(i), np.nan) for i in own.id])
    own, likeness = own.where(~np.isnan(likeness)), likeness[~np.isnan(likeness)]
    inside = likeness > 0.5
    if not inside.any() or inside.all():
        raise DataError(f"class {finding.target} of model {evidence.model} has no such part in this time range")
    order = np.argsort(-likeness, kind="stable")
    offset = max(0, min(offset, len(order) - 1))
    return {
        "target": finding.target,
        "text": finding.text,
        "carriers": int(inside.sum()),
        "frames": len(own),
        "maps": side_by_side(own.maps[~inside], own.maps[inside]),
        "prototypes": prototypes(own, inside),
        "channels": channels(own, inside),
        "scores": histogram(own.score, inside),
        "nodes": by_node(own, inside),
        "offset": offset,
        "members": [
            frame(own, int(i)) | {"carries": float(likeness[i]), "map": picture(own.maps[i])}
            for i in order[offset : offset + PAGE]
        ],
    }


def prototypes(own: Evidence, inside: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The carriers nearest to the centres of up to three groups of them, in channels (prototypes as in Dreyer et al.
    2024, *Understanding the (Extra-)Ordinary*, PCX, with k-means for the mixture), with their strongest channels."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    rows = np.flatnonzero(inside)
    x = own.channels()[rows]
    with threadpool_limits(1):
        groups = KMeans(min(PROTOTYPES, len(np.unique(x.round(9), axis=0))), n_init=3, random_state=0).fit(x)
    found = []
    for k, centre in enumerate(groups.cluster_centers_):
        mine = np.flatnonzero(groups.labels_ == k)
        best = rows[mine[np.argmin(((x[mine] - centre) ** 2).sum(1))]]
        strongest = []
        if own.concepts.shape[1]:
            share = own.concepts[best] / max(float(own.concepts[best].sum()), 1e-30)
            strongest = [{"channel": int(i), "share": float(share[i])} for i in np.argsort(-share)[:STRONGEST]]
        stands_for = {"stands_for": len(mine), "channels": strongest, "map": picture(own.maps[best])}
        found.append(frame(own, int(best)) | stands_for)
    return sorted(found, key=lambda one: -int(one["stands_for"]))
