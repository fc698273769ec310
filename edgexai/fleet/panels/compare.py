"""Two sides, class by class: two models, or two groups or nodes of a model."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgexai.errors import DataError
from edgexai.fleet.analysis.difference import difference, views
from edgexai.fleet.analysis.evidence import Evidence, joined
from edgexai.fleet.panels.counts import evenly
from edgexai.fleet.panels.picture import side_by_side

LEAST = 20
"""Frames of a class and side below which nothing is tested."""
MOST = 400
"""Frames of a class and side that are tested."""

KINDS = ("group", "other", "node")


@dataclass(frozen=True)
class Side:
    """Frames of a model; of one ``group`` or ``node`` of it, or of all groups but an ``other`` one, if not ""."""

    model: str
    group: str = ""
    other: str = ""
    node: str = ""

    @classmethod
    def parse(cls, text: str) -> "Side":
        """MODEL, MODEL~group~NAME, MODEL~other~NAME or MODEL~node~NAME; DataError for anything else."""
        model, *rest = text.split("~", 2)
        if not model.isalnum() or len(model) > 64 or (rest and (len(rest) < 2 or rest[0] not in KINDS)):
            raise DataError(f"{text[:100]!r} is no side; write MODEL, MODEL~group~NAME or MODEL~node~NAME")
        return cls(model, **({rest[0]: rest[1]} if rest else {}))

    def of(self, evidence: Evidence) -> Evidence:
        """Its frames."""
        chosen = np.ones(len(evidence), bool)
        if self.group:
            chosen &= evidence.group == self.group
        if self.other:
            chosen &= (evidence.group != self.other) & (evidence.group != "")
        if self.node:
            chosen &= evidence.node == self.node
        return evidence.where(chosen)


def compare(first: Evidence, second: Evidence) -> dict[str, Any]:
    """Mean maps and scores of every class on both sides, and what differs; the class that differs most comes first.

    p is that of `difference` (as for biases), of each class for itself: whoever looks at many classes finds some below
    0.05 by chance. Between two models maps and scores are compared, not channels.
    """
    same = first.model == second.model and first.concepts.shape[1] == second.concepts.shape[1]
    if not same:
        first, second = (replace(e, concepts=np.zeros((len(e), 0), np.float32)) for e in (first, second))
    alike = first.maps.shape[1:] == second.maps.shape[1:]
    seen = views(joined(first, second)) if alike and len(first) and len(second) else None
    classes = []
    for target in np.union1d(first.target, second.target):
        one, other = np.flatnonzero(first.target == target), np.flatnonzero(second.target == target)
        said: dict[str, Any] = {"target": int(target), "p": None, "effect": None, "maps": {}}
        for name, evidence, rows in (("first", first, one), ("second", second, other)):
            share, score = len(rows) / max(len(evidence), 1), float(evidence.score[rows].mean()) if len(rows) else None
            said[name] = {"frames": len(rows), "share": share, "score": score}
        if len(one) and len(other) and alike:
            said["maps"] = side_by_side(first.maps[one], second.maps[other])
        else:
            for name, evidence, rows in (("first", first, one), ("second", second, other)):
                if len(rows):
                    said["maps"][name] = side_by_side(evidence.maps[rows], evidence.maps[rows])["first"]
        if seen is not None and min(len(one), len(other)) >= LEAST:
            differs = difference(seen, evenly(one, MOST), evenly(other, MOST) + len(first))
            said |= {"p": differs.p, "effect": differs.shift}
        classes.append(said)
    classes.sort(key=lambda one: (one["p"] is None, one["p"] if one["p"] is not None else 0.0))
    return {"frames": [len(first), len(second)], "alike": alike, "channels": same, "classes": classes}


def sides(evidence: Evidence) -> dict[str, list[str]]:
    """Groups and nodes of a model that can be compared, those with the most frames first."""
    found = {}
    for name, column in (("groups", evidence.group), ("nodes", evidence.node)):
        values, counts = np.unique(column[column != ""], return_counts=True)
        found[name] = [str(v) for v in values[np.argsort(-counts, kind="stable")[:30]]]
    return found
