"""The findings of a running service: looked for in its newest frames, now and then, and kept for whoever asks."""

import base64
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgexai.fleet.analysis.analyse import RATE, SUSPECT, analysed
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.latencies import slow_nodes
from edgexai.fleet.read import Place, evidence, opened, places
from edgexai.fleet.store.store import Store
from edgexai.fleet.tried import tried
from edgexai.fleet.ways import otherwise

log = logging.getLogger(__name__)

NEWEST = 20_000
"""Frames that are looked at: the newest of all models."""
SHOWN = 8
"""Frames that are shown with a finding: those that speak most for it."""
REST = 4.0
"""How much longer than a look it takes until the next: where frames always come, looks have a fifth of a processor."""

OURS = ("members", "probe", "senders", "reported", "like", "begun")
"""Parts of a finding that no page gets."""

Answer = dict[str, Any]


def newest(directory: Path, most: int = NEWEST) -> list[Answer]:
    """The findings of a store's newest frames, and suspicions that are not sure enough to be reported."""
    return found(directory, evidence(directory, newest=most), slow_nodes(directory), suspicions=True)


def found(
    directory: Path, models: Sequence[Evidence], more: Sequence[Finding] = (), suspicions: bool = False
) -> list[Answer]:
    """The findings of frames of a store, as JSON, the most urgent first; each with some frames that show it.
    ``more`` are tests of what is in no frame; with ``suspicions`` there is also what is not `reported`.

    What is no part of what is sent to a page: ``members``, (id, score) of every frame of a suspected class; ``probe``,
    the suspicion as nodes try it; ``like``, names of those that were tried and are this one; ``senders``, nodes that
    sent such frames, those first that sent most carriers; ``begun``, when it was looked for.
    """
    begun, known = time.time(), tried(directory)
    findings = otherwise(directory, analysed(models, tried=known, suspicions=suspicions, more=more))
    with opened(directory) as store:
        frames = _frames(store, {m.id for f in findings for m in _strongest(f)})
        where = places(store)
    return [_described(finding, frames, where) | {"begun": begun} for finding in findings]


def key(finding: Finding) -> str:
    """What a finding is known by, today and tomorrow: decisions are about it.

    The node that is ill and its figure, the group that is seen otherwise, the model that is compared with; not the
    nodes that happen to have sent frames.
    """
    about = finding.sides[0] if finding.sides else ""
    if finding.kind == "health":
        about = f"{','.join(finding.nodes)} {finding.figure}"
    return f"{finding.kind} {finding.model} {finding.target} {about}".strip()[:400]


def _strongest(finding: Finding) -> list[Any]:
    return sorted(finding.members, key=lambda member: -member.score)[:SHOWN]


def _described(finding: Finding, frames: dict[int, bytes], where: dict[str, list[Place]]) -> Answer:
    said = finding.as_json()
    shown = [
        {"id": m.id, "node": m.node, "score": m.score, "frame": base64.b64encode(frames[m.id]).decode()}
        for m in _strongest(finding)
        if m.id in frames
    ]
    said["carriers"] = sum(member.score > 0.5 for member in finding.members)
    said["members"] = tuple((member.id, member.score) for member in finding.members)
    sent = Counter(member.node for member in finding.members)
    carried = Counter(member.node for member in finding.members if member.score > 0.5)
    said["senders"] = sorted(sent, key=lambda node: (-carried[node], -sent[node], node))
    said["like"] = list(finding.like)
    said["reported"] = finding.q <= RATE or finding.verdict == "confirmed"
    said["places"] = ["/".join(place) for node in finding.nodes[:SHOWN] for place in where.get(node, [])]
    return {**said, "id": key(finding), "verdict": finding.verdict, "shown": shown}


def _frames(store: Store, ids: set[int]) -> dict[int, bytes]:
    return {one.id: one.frame for one in store.of(ids)}


def for_page(finding: Answer) -> Answer:
    """What a page gets."""
    return {name: value for name, value in finding.items() if name not in OURS}


@dataclass
class Watch:
    """``look`` finds what there is; it is called again when ``news`` are others, in whatever process it likes.
    ``suspicions`` are shortcuts that are worth a trial, reported or not."""

    directory: Path
    news: Callable[[], object]
    look: Callable[[Path], list[Answer]] = newest
    findings: list[Answer] = field(default_factory=list)
    suspicions: list[Answer] = field(default_factory=list)
    computed: float | None = None
    took: float = 0.0
    _seen: object = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def again(self) -> bool:
        """Look again if there are news, and not all the time; whether it did."""
        last = self.news()
        if last == self._seen or time.time() - (self.computed or 0.0) < REST * self.took:
            return False
        begun = time.time()
        found = self.look(self.directory)
        with self._lock:
            self.findings = [one for one in found if one.get("reported", True)]
            self.suspicions = [one for one in found if one.get("probe") and one["p"] <= SUSPECT]
            self.computed, self.took, self._seen = time.time(), time.time() - begun, last
        return True

    def ids(self) -> set[str] | None:
        """What the findings of the last look are known by; None before there was one."""
        with self._lock:
            return None if self.computed is None else {finding["id"] for finding in self.findings}

    def answer(self) -> Answer:
        """What was found last, and when."""
        with self._lock:
            return {"computed": self.computed, "took": self.took, "newest": NEWEST, "findings": list(self.findings)}
