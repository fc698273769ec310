"""Clever-Hans findings, each with an intervention: is the suspected part really what the class is recognised by?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.evidence import Evidence
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.fleet.analysis.analyse import RATE
from edgexai.fleet.analysis.evidence import Evidence as Frames
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.regions import flat
from edgexai.fleet.analysis.shortcut import LEAST, shortcuts
from edgexai.fleet.analysis.statistics import false_discovery

__all__ = ["ENOUGH", "LEAST", "Tested", "frames", "tested"]
TOP = 0.1
"""Share of the most relevant positions that are transplanted."""
ENOUGH = 0.3
"""Flips by suspected samples' evidence above those by ordinary ones of the same class, from which it is confirmed."""
CARRIER = 0.5
DRAWS = 200


@dataclass(frozen=True)
class Tested:
    """A finding, and the shares of other classes' inputs that become this class when the most relevant tenth of a
    suspected (or an ordinary) member is pasted into them."""

    finding: Finding
    suspected: float
    ordinary: float
    n: int

    @property
    def confirmed(self) -> bool:
        """Whether suspects' evidence turns others far more often than ordinary members' does."""
        return self.suspected - self.ordinary >= ENOUGH


def frames(evidence: Evidence, groups: NDArray[Any] | None = None) -> Frames:
    """The explanations as the fleet's analyses read them."""
    said, n = evidence.explanations, len(evidence.explanations)
    concepts = [e.concepts if e.concepts is not None else np.zeros(0, np.float32) for e in said]
    return Frames(
        evidence.model.name,
        np.arange(n),
        np.arange(n),
        np.full(n, "audit"),
        np.full(n, "") if groups is None else groups.astype(str),
        np.arange(n, dtype=np.float64),
        np.array([e.target for e in said]),
        np.array([e.score for e in said], np.float64),
        np.array([e.conservation for e in said], np.float64),
        np.stack([flat(e.relevance) for e in said]).astype(np.float32),
        np.maximum(np.stack(concepts), 0).astype(np.float32),
    )


def tested(evidence: Evidence) -> list[Tested]:
    """What the shortcut analysis finds at its false-discovery rate, each with its intervention."""
    found = shortcuts(frames(evidence))
    if not found:
        return []
    rates = false_discovery([f.p for f in found])
    return [_transplanted(evidence, f.judged(float(q))) for f, q in zip(found, rates, strict=True) if q <= RATE]


def _transplanted(evidence: Evidence, finding: Finding) -> Tested:
    score = {m.id: m.score for m in finding.members}
    carriers = np.array([i for i, s in score.items() if s >= CARRIER], np.int64)
    ordinary = np.array([i for i, s in score.items() if s < CARRIER], np.int64)
    others = np.flatnonzero(evidence.predicted[evidence.chosen] != finding.target)
    if not len(carriers) or not len(ordinary) or not len(others):
        return Tested(finding, 0.0, 0.0, 0)
    random = np.random.default_rng(0)
    hosts = random.choice(others, DRAWS)
    flips = [_flips(evidence, random.choice(members, DRAWS), hosts, finding.target) for members in (carriers, ordinary)]
    return Tested(finding, flips[0], flips[1], DRAWS)


def _flips(evidence: Evidence, donors: NDArray[np.int64], hosts: NDArray[np.int64], target: int | None) -> float:
    x, maps = evidence.x[evidence.chosen], evidence.maps[donors]
    rows = maps.reshape(len(donors), -1)
    order = np.argsort(-rows, axis=1, kind="stable")[:, : max(1, round(TOP * rows.shape[1]))]
    mask = np.zeros(rows.shape, bool)
    np.put_along_axis(mask, order, True, axis=1)
    mask = mask.reshape(*maps.shape, *[1] * (x.ndim - maps.ndim))
    mixed = np.where(mask, x[donors], x[hosts]).astype(x.dtype)
    return float((probabilities(evidence.graph, mixed).argmax(1) == target).mean())
