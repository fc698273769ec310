"""Clever-Hans findings, each with an intervention: is the suspected part really what the class is recognised by?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.evidence import Evidence
from edgexai.fleet.analysis.analyse import RATE, SUSPECT
from edgexai.fleet.analysis.evidence import Evidence as Frames
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.shortcut import LEAST, shortcuts
from edgexai.fleet.analysis.statistics import false_discovery
from edgexai.graph import serialize
from edgexai.intervention.features import flat
from edgexai.intervention.trial import ENOUGH
from edgexai.intervention.tried import HOST, NEITHER, ORDINARY, SUSPECTED, Given, sought
from edgexai.runtime.interpreter import Interpreter

__all__ = ["ENOUGH", "LEAST", "SUSPECT", "frames", "tested"]
CARRIER = 0.5


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


def tested(evidence: Evidence) -> list[Finding]:
    """Shortcuts that a trial confirms, or that are suspected (p ≤ SUSPECT), each with its trial."""
    found = shortcuts(frames(evidence))
    if not found:
        return []
    rates = false_discovery([f.p for f in found])
    judged = [f.judged(float(q)) for f, q in zip(found, rates, strict=True)]
    model = Interpreter(serialize(evidence.graph))

    def scores(x: NDArray[Any]) -> NDArray[Any]:
        return model.outputs[0].real(model.run(x)[0])

    tries = [_tried(evidence, finding, scores) for finding in judged]
    return [f for f in tries if f.verdict == "confirmed" or f.q <= RATE or f.p <= SUSPECT]


def _tried(evidence: Evidence, finding: Finding, scores: Callable[[NDArray[Any]], NDArray[Any]]) -> Finding:
    target = int(finding.target or 0)
    role = np.where(evidence.predicted[evidence.chosen] == target, NEITHER, HOST)
    role[[m.id for m in finding.members]] = [SUSPECTED if m.score >= CARRIER else ORDINARY for m in finding.members]
    given = Given(evidence.x[evidence.chosen], evidence.maps, role, target, scores)
    outcome = sought(given, finding.q <= RATE or finding.p <= SUSPECT)
    return finding if outcome is None else finding.tried([outcome], evidence.called(target))
