"""A class over time: what its explanations are, when they changed most, and what is different since."""

from typing import Any

import numpy as np

from edgexai.errors import DataError
from edgexai.fleet.analysis.difference import everything
from edgexai.fleet.analysis.drift import LEAST, change_point
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.panels.counts import by_node, channels, evenly, frame, over_time
from edgexai.fleet.panels.picture import picture, side_by_side

SHOWN = 8


def drift(evidence: Evidence, target: int) -> dict[str, Any]:
    """DataError if the class has too few frames, or all of one moment."""
    own = evidence.where(np.flatnonzero(evidence.target == target))
    own = own.where(np.argsort(own.time, kind="stable"))
    found = change_point(own)
    if found is None:
        raise DataError(
            f"class {target} of model {evidence.model} has {len(own)} frames of {len(np.unique(own.time))} moments in "
            f"this time range; a change is looked for from {2 * LEAST} frames of 10 moments on"
        )
    x, late = everything(own), np.arange(len(own)) >= found.at
    direction = x[late].mean(0) - x[~late].mean(0)
    along = x @ (direction / max(float(np.linalg.norm(direction)), 1e-12))
    along = (along - along[~late].mean()) / max(float(along[~late].std()), 1e-12)
    before, after = np.flatnonzero(~late), np.flatnonzero(late)
    shown = [evenly(rows, SHOWN) for rows in (before, after)]
    return {
        "target": target,
        "frames": len(own),
        "change": {
            "time": found.time,
            "before": found.at,
            "after": len(own) - found.at,
            "p": found.p,
            "effect": found.effect,
        },
        "reasons": over_time(own.time, along),
        "scores": over_time(own.time, own.score),
        "mix": _mix(evidence, found.time),
        "maps": side_by_side(own.maps[~late], own.maps[late]),
        "channels": channels(own, late),
        "nodes": by_node(own, late),
        "before": [frame(own, int(i)) | {"map": picture(own.maps[i])} for i in shown[0]],
        "after": [frame(own, int(i)) | {"map": picture(own.maps[i])} for i in shown[1]],
    }


def _mix(evidence: Evidence, time: float) -> list[dict[str, float]]:
    """Each class's share of all frames before and after."""
    late = evidence.time >= time
    return [
        {
            "target": int(k),
            "before": float((evidence.target[~late] == k).mean()) if (~late).any() else 0.0,
            "after": float((evidence.target[late] == k).mean()) if late.any() else 0.0,
        }
        for k in np.unique(evidence.target)
    ]
