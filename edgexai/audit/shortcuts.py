"""Clever-Hans findings, each with an intervention: is the suspected part really what the class is recognised by?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.evidence import Evidence
from edgexai.audit.outputs import Kind
from edgexai.fleet.analysis.analyse import RATE, SUSPECT
from edgexai.fleet.analysis.evidence import Evidence as Frames
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.shortcut import LEAST, shortcuts
from edgexai.fleet.analysis.statistics import false_discovery
from edgexai.graph import serialize
from edgexai.intervention.features import flat
from edgexai.intervention.place import Place, densest, excess
from edgexai.intervention.place import tried as boxed
from edgexai.intervention.trial import ENOUGH
from edgexai.intervention.tried import HOST, NEITHER, ORDINARY, SUSPECTED, Given, tried
from edgexai.intervention.whole import Whole, whole
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.interpreter import Interpreter

__all__ = ["ENOUGH", "LEAST", "SUSPECT", "as_a_whole", "frames", "placed", "tested"]
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
        evidence.targets,
        np.array([e.score for e in said], np.float64) * evidence.signs,
        np.array([e.conservation for e in said], np.float64),
        np.stack([flat(m) for m in evidence.maps]).astype(np.float32),
        np.maximum(np.stack(concepts) * evidence.signs[:, None], 0).astype(np.float32),
    )


def tested(evidence: Evidence) -> list[Finding]:
    """Shortcuts that are worth a trial, or are reported at the false-discovery rate, each with its trial."""
    found, scores = shortcuts(frames(evidence)), _scores(evidence)
    if not found:
        return []
    rates = false_discovery([f.p for f in found])
    judged = [f.judged(float(q)) for f, q in zip(found, rates, strict=True)]
    worth = [f for f in judged if f.q <= RATE or f.p <= SUSPECT]
    return [_tried(evidence, finding, scores) for finding in worth]


def as_a_whole(evidence: Evidence) -> Whole | None:
    """The class that turns most others by the most relevant tenth of any of its members."""
    return whole(evidence.x[evidence.chosen], evidence.maps, evidence.predicted[evidence.chosen], _scores(evidence))


def placed(evidence: Evidence, target: int) -> tuple[Place, NDArray[np.float64]] | None:
    """The box in which a class finds what other classes do not, with its trial, and how much more relevance the class
    has at each place (rows, columns); None where it has nowhere more.

    By LRP-ε, which says what speaks for this class and no other; ``edge`` lights up a tag in whatever image has one.
    """
    predicted = evidence.predicted[evidence.chosen]
    explainer = Explainer(serialize(attach(evidence.graph, "epsilon")))
    chosen = evidence.x[evidence.chosen]
    found = [explainer(one, unit="by type").relevance for one in chosen]
    maps = np.stack([flat(m * s) for m, s in zip(found, evidence.signs, strict=True)])
    more = excess(maps, predicted, target)
    box = densest(more)
    if box is None:
        return None
    return boxed(chosen, predicted, target, box, (more.shape[0], more.shape[1]), _scores(evidence)), more


def _scores(evidence: Evidence) -> Callable[[NDArray[Any]], NDArray[Any]]:
    model = Interpreter(serialize(evidence.graph))

    def scores(x: NDArray[Any]) -> NDArray[Any]:
        found = model.outputs[0].real(model.run(x)[0])
        if evidence.kind is not Kind.YES_OR_NO:
            return found
        yes = float(np.clip(found.reshape(-1)[0], 0, 1))
        return np.array([1 - yes, yes])

    return scores


def _tried(evidence: Evidence, finding: Finding, scores: Callable[[NDArray[Any]], NDArray[Any]]) -> Finding:
    target = int(finding.target or 0)
    role = np.where(evidence.predicted[evidence.chosen] == target, NEITHER, HOST)
    role[[m.id for m in finding.members]] = [SUSPECTED if m.score >= CARRIER else ORDINARY for m in finding.members]
    given = Given(evidence.x[evidence.chosen], evidence.maps, role, target, scores)
    return finding.tried([tried(given)], evidence.called(target))
