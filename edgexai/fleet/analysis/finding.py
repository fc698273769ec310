"""A finding: what an analysis holds for worth an operator's time, with how sure it is and what to do next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgexai.intervention.suspicion import Suspicion
from edgexai.intervention.trial import Outcome, together

OTHERWISE = "another composite"
"""Where a node leaves its peers that explains in another way than they do."""
NEXT = {
    "shortcut": "Look at the frames of the cluster, and have it tried: by nodes (`edgexai fleet command … probe`) "
    "or on samples (`--confirm`).",
    "shortcut, confirmed": "Look at the frames of the cluster; if they share what is not the thing itself, retrain "
    "without it.",
    "shortcut, not confirmed": "Nothing, unless the frames of the cluster share what is not the thing itself.",
    "bias": "Compare the two groups' maps; if the reason differs without need, balance or correct the training data.",
    "drift": "Look at the newest frames beside the old ones; check the sensor first, then the model.",
    "compare": "Look at the samples where the two versions differ before the new one goes to more nodes.",
    "health, latency": "Look at the node's load, temperature and supply, and whether it is the board that it declares; "
    "start it anew.",
    "health, conservation": "Look whether the node runs the same version and runtime as its peers; send it the model "
    "anew.",
    f"health, {OTHERWISE}": "Give the node the explainer that its peers run.",
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
    95 % ``interval``; ``where`` a region or the concepts, in words; ``sides`` are what is compared, as `fleet.panels`
    reads them; ``figure`` is latency or conservation, if it is that which leaves a node's peers; ``like`` names planes
    that were tried and divide the class's frames as ``probe`` does."""

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
    probe: Suspicion | None = None
    trial: Outcome | None = None
    sides: tuple[str, ...] = ()
    figure: str = ""
    like: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Of the trial: confirmed, not confirmed, or open; nothing where none was made."""
        return "" if self.trial is None else self.trial.verdict

    @property
    def severity(self) -> str:
        """high, medium or low: by the least size of the effect and how sure it is; by the trial where there is one."""
        if self.verdict in ("confirmed", "not confirmed"):
            return "high" if self.verdict == "confirmed" else "low"
        sure = self.p if math.isnan(self.q) else self.q
        if sure <= 0.001 and self.least >= 0.8:
            return "high"
        return "medium" if sure <= 0.05 and self.least >= 0.3 else "low"

    @property
    def least(self) -> float:
        """The end of the effect's interval that is nearer to nothing; the effect where there is no interval."""
        low, high = self.interval
        return abs(self.effect) if math.isnan(low) else max(low, -high, 0.0)

    @property
    def next(self) -> str:
        """What to do."""
        return NEXT.get(f"{self.kind}, {self.figure or self.verdict or self.where}", NEXT[self.kind])

    def tried(self, outcomes: Sequence[Outcome], called: str = "") -> "Finding":
        """The same with what trials of its suspicion found; ``called`` is the class."""
        trial = together(outcomes)
        return replace(self, trial=trial, text=f"{self.text} {trial.text(called or f'class {self.target}')}")

    def judged(self, q: float) -> "Finding":
        """The same with its false-discovery rate."""
        return replace(self, q=q)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        said: dict[str, Any] = {k: getattr(self, k) for k in ("kind", "model", "target", "frames", "p", "q", "effect")}
        said |= {"nodes": list(self.nodes), "text": self.text, "severity": self.severity, "next": self.next}
        said["interval"] = None if any(map(math.isnan, self.interval)) else list(self.interval)
        said["q"] = None if math.isnan(self.q) else self.q
        said |= {"where": self.where, "sides": list(self.sides), "figure": self.figure}
        if self.kind == "shortcut":
            said["members"] = [vars(member) for member in self.members]
            said["probe"] = None if self.probe is None else self.probe.as_json()
            said["trial"] = None if self.trial is None else self.trial.report()
        return said


def urgency(finding: Finding) -> tuple[int, float]:
    """Sorts the most urgent first."""
    return ("high", "medium", "low").index(finding.severity), finding.p
