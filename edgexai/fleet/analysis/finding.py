"""A finding: what an analysis holds for worth an operator's time, with how sure it is and what to do next."""

import math
from dataclasses import dataclass, replace
from typing import Any

NEXT = {
    "shortcut": "Look at the frames of the cluster; if they share what is not the thing itself, retrain without it.",
    "bias": "Compare the two groups' maps; if the reason differs without need, balance or correct the training data.",
    "drift": "Look at the newest frames beside the old ones; check the sensor first, then the model.",
    "compare": "Look at the samples where the two versions differ before the new one goes to more nodes.",
    "health": "Go to the node, or ask it for its last explanations: `edgexai fleet command … last`.",
}


@dataclass(frozen=True)
class Member:
    """A frame of a suspected class: its id in the store, and how much speaks for it carrying the artefact, 0 to 1."""

    id: int
    node: str
    sequence: int
    score: float


@dataclass(frozen=True)
class Finding:
    """``kind`` is shortcut, bias, drift, compare or health; ``target`` a class or None; ``frames`` how many it rests
    on; ``p`` of the test, ``q`` once all that was tested is accounted for; ``effect`` in standard deviations with its
    95 % ``interval``; ``where`` a region or the concepts, in words."""

    kind: str
    model: str
    target: int | None
    nodes: tuple[str, ...]
    frames: int
    p: float
    effect: float
    text: str
    interval: tuple[float, float] = (math.nan, math.nan)
    where: str = ""
    q: float = math.nan
    members: tuple[Member, ...] = ()

    @property
    def severity(self) -> str:
        """high, medium or low: by the size of the effect and how sure it is."""
        sure = self.p if math.isnan(self.q) else self.q
        if sure <= 0.001 and abs(self.effect) >= 1:
            return "high"
        return "medium" if sure <= 0.05 and abs(self.effect) >= 0.5 else "low"

    @property
    def next(self) -> str:
        """What to do."""
        return NEXT[self.kind]

    def judged(self, q: float) -> "Finding":
        """The same with its false-discovery rate."""
        return replace(self, q=q)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        said: dict[str, Any] = {k: getattr(self, k) for k in ("kind", "model", "target", "frames", "p", "q", "effect")}
        said |= {"nodes": list(self.nodes), "text": self.text, "severity": self.severity, "next": self.next}
        said["interval"] = None if any(map(math.isnan, self.interval)) else list(self.interval)
        said["q"] = None if math.isnan(self.q) else self.q
        said["where"] = self.where
        if self.kind == "shortcut":
            said["members"] = [vars(member) for member in self.members]
        return said


def urgency(finding: Finding) -> tuple[int, float]:
    """Sorts the most urgent first."""
    return ("high", "medium", "low").index(finding.severity), finding.p
