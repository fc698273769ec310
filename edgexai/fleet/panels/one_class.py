"""A class of a model: what it looks at, and how that differs from the other classes."""

from typing import Any

import numpy as np

from edgexai.errors import DataError
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.regions import areas, names, shares
from edgexai.fleet.panels.counts import by_node, channels, frame, histogram, over_time
from edgexai.fleet.panels.picture import picture, side_by_side
from edgexai.fleet.panels.prototypes import prototypes

NEWEST = 24


def one_class(evidence: Evidence, target: int) -> dict[str, Any]:
    """DataError if no frame has the class."""
    own = evidence.target == target
    if not own.any():
        raise DataError(f"no frame of model {evidence.model} in this time range has class {target}")
    rows = np.flatnonzero(own)
    newest = rows[np.argsort(-evidence.id[rows], kind="stable")[:NEWEST]]
    shape, others = evidence.maps.shape[1:], ~own if (~own).any() else own
    means = [np.mean([shares(m) for m in evidence.maps[some][:500]], axis=0) for some in (own, others)]
    return {
        "target": target,
        "frames": int(own.sum()),
        "of": len(evidence),
        "maps": side_by_side(evidence.maps[others], evidence.maps[own]),
        "regions": [
            {"name": name, "area": float(area), "share": float(means[0][i]), "others": float(means[1][i])}
            for i, (name, area) in enumerate(zip(names(shape[0]), areas((shape[0], shape[1])), strict=True))
        ],
        **prototypes(evidence.where(rows)),
        "nodes": by_node(evidence, own),
        "scores": histogram(evidence.score, own),
        "channels": channels(evidence, own),
        "over_time": over_time(evidence.time[own], evidence.score[own], 24),
        "newest": [frame(evidence, int(i)) | {"map": picture(evidence.maps[i])} for i in newest],
    }
