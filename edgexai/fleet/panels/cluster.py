"""The members of a suspected shortcut: who carries it, what their maps have in common, and what stands for them."""

from typing import Any

import numpy as np

from edgexai.errors import DataError
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.panels.counts import by_node, channels, frame, histogram
from edgexai.fleet.panels.picture import picture, side_by_side
from edgexai.fleet.panels.prototypes import prototypes

PAGE = 48


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
        "prototypes": prototypes(own.where(np.flatnonzero(inside)))["prototypes"],
        "channels": channels(own, inside),
        "scores": histogram(own.score, inside),
        "nodes": by_node(own, inside),
        "offset": offset,
        "members": [
            frame(own, int(i)) | {"carries": float(likeness[i]), "map": picture(own.maps[i])}
            for i in order[offset : offset + PAGE]
        ],
    }
