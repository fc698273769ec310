"""The findings of a running service: looked for in its newest frames, now and then, and kept for whoever asks."""

import base64
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgexai.fleet.analysis.analyse import analysed
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.read import evidence, trials
from edgexai.fleet.store.store import Store

log = logging.getLogger(__name__)

NEWEST = 20_000
"""Frames that are looked at: the newest of all models."""
SHOWN = 8
"""Frames that are shown with a finding: those that speak most for it."""
REST = 4.0
"""How much longer than a look it takes until the next: where frames always come, looks have a fifth of a processor."""
KEYED_BY_NODES = ("health", "bias")

Answer = dict[str, Any]


def found(directory: Path, newest: int = NEWEST) -> list[Answer]:
    """The findings of a store's newest frames, as JSON, the most urgent first; each with some frames that show it."""
    answers = trials(directory)

    def tried(finding: Finding) -> Finding:
        outcomes = answers.get((finding.model, finding.target or 0), [])
        return finding.tried(outcomes) if outcomes else finding

    findings = analysed(evidence(directory, newest=newest), tried=tried)
    frames = _frames(directory, {m.id for f in findings for m in _strongest(f)})
    return [_described(finding, frames) for finding in findings]


def key(finding: Finding) -> str:
    """What a finding is known by, today and tomorrow: decisions are about it."""
    who = ",".join(finding.nodes) if finding.kind in KEYED_BY_NODES else ""
    return f"{finding.kind} {finding.model} {finding.target} {who}".strip()[:400]


def _strongest(finding: Finding) -> list[Any]:
    return sorted(finding.members, key=lambda member: -member.score)[:SHOWN]


def _described(finding: Finding, frames: dict[int, bytes]) -> Answer:
    said = finding.as_json()
    members = said.pop("members", [])
    said.pop("probe", None)
    shown = [
        {"id": m.id, "node": m.node, "score": m.score, "frame": base64.b64encode(frames[m.id]).decode()}
        for m in _strongest(finding)
        if m.id in frames
    ]
    carriers = sum(member["score"] > 0.5 for member in members)
    return {**said, "id": key(finding), "verdict": finding.verdict, "carriers": carriers, "shown": shown}


def _frames(directory: Path, ids: set[int]) -> dict[int, bytes]:
    store, kept = Store(directory), dict[int, bytes]()
    try:
        for wanted in sorted(ids):
            kept |= {one.id: one.frame for one in store.since(wanted - 1, 1)}
    finally:
        store.close()
    return kept


@dataclass
class Watch:
    """``look`` finds what there is; it is called again when frames have come since, in whatever process it likes."""

    directory: Path
    last_id: Callable[[], int]
    look: Callable[[Path], list[Answer]] = found
    findings: list[Answer] = field(default_factory=list)
    computed: float | None = None
    took: float = 0.0
    _seen: int = -2
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def again(self) -> bool:
        """Look again if frames have come since, and not all the time; whether it did."""
        last = self.last_id()
        if last == self._seen or time.time() - (self.computed or 0.0) < REST * self.took:
            return False
        begun = time.time()
        findings = self.look(self.directory)
        with self._lock:
            self.findings, self.computed, self.took, self._seen = findings, time.time(), time.time() - begun, last
        return True

    def answer(self) -> Answer:
        """What was found last, and when."""
        with self._lock:
            return {"computed": self.computed, "took": self.took, "newest": NEWEST, "findings": list(self.findings)}
