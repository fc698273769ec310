"""Findings that become alarms: each is told once to every channel, over restarts and after failures.

What has been gone for a day has ended: if it comes back, it is told anew, and is open again if it was confirmed.

STORE/alarms.jsonl     what was told, a line each: finding, severity, channel, time; or finding, ended
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edgexai.errors import Error
from edgexai.fleet.ingest.metrics import family
from edgexai.fleet.store.decisions import decide, decisions
from edgexai.fleet.store.lines import append, rows

log = logging.getLogger(__name__)

FILE = "alarms.jsonl"
SEVERITIES = ("high", "medium", "low")
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 300.0
"""Seconds until a channel that failed is tried again; doubled at each failure."""
GONE = 86400.0
"""Seconds without a finding until it has ended."""
PARTS = ("id", "kind", "severity", "model", "class", "target", "nodes", "frames", "p", "q", "effect", "text", "next")

Told = tuple[str, str, str]
"""Finding, severity, channel."""


class Channel(Protocol):
    """Tells somebody; `tell` raises Error or OSError if it cannot be known that the alarm arrived."""

    @property
    def name(self) -> str: ...

    def tell(self, alarm: dict[str, Any]) -> None: ...


@dataclass
class Alarms:
    """Of one store. ``findings`` gives today's as the page has them; those at least as severe as ``least`` that nobody
    has dismissed or confirmed are told. A finding that becomes more severe is told anew. ``present`` gives the ids of
    all that was found last, None before there was a look."""

    directory: Path
    findings: Callable[[], Sequence[dict[str, Any]]]
    channels: Sequence[Channel]
    least: str = "medium"
    present: Callable[[], Collection[str] | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    _told: set[Told] = field(default_factory=set)
    _seen: dict[str, float] = field(default_factory=dict)
    _waits: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for said in rows(self.directory / FILE):
            try:
                if "ended" in said:
                    self._forget(str(said["finding"]))
                else:
                    self._told.add((str(said["finding"]), str(said["severity"]), str(said["channel"])))
            except (TypeError, KeyError):
                continue

    def tell(self) -> int:
        """Tell what was not told yet; how many alarms were."""
        with self._lock:
            self._end()
            if not self.channels:
                return 0
            made, count = decisions(self.directory), 0
            loud = SEVERITIES[: SEVERITIES.index(self.least) + 1]
            for finding in self.findings():
                decided = made.get(finding["id"])
                if finding["severity"] not in loud or (decided is not None and decided.verdict != "open"):
                    continue
                count += sum(self._tell(channel, finding) for channel in self.channels)
            return count

    def lines(self) -> list[str]:
        """Counters in the Prometheus text format."""
        names = [channel.name for channel in self.channels]
        return [
            *family(
                "edgexai_alarms_sent_total",
                "counter",
                "Alarms that a channel has taken.",
                [(f'{{channel="{n}"}}', self.sent[n]) for n in names],
            ),
            *family(
                "edgexai_alarms_failed_total",
                "counter",
                "Attempts to tell an alarm that failed; each is tried again.",
                [(f'{{channel="{n}"}}', self.failed[n]) for n in names],
            ),
        ]

    def _tell(self, channel: Channel, finding: dict[str, Any]) -> bool:
        told, now = (finding["id"], finding["severity"], channel.name), self.clock()
        more_severe = SEVERITIES[: SEVERITIES.index(finding["severity"]) + 1]
        if any((told[0], severity, channel.name) in self._told for severity in more_severe):
            return False
        pause, until = self._waits.get(channel.name, (FIRST_PAUSE, now))
        if now < until:
            return False
        try:
            channel.tell({part: finding.get(part) for part in PARTS})
        except (Error, OSError) as error:
            self.failed[channel.name] += 1
            self._waits[channel.name] = min(2 * pause, LONGEST_PAUSE), now + pause
            log.error("the alarm %r was not taken by %s (%s); trying again", finding["id"], channel.name, error)
            return False
        self._waits.pop(channel.name, None)
        self.sent[channel.name] += 1
        self._keep(told)
        return True

    def _end(self) -> None:
        """Take note of what has been gone for so long that it would be new."""
        present, now = self.present(), self.clock()
        if present is None:
            return
        confirmed = {one.finding for one in decisions(self.directory).values() if one.verdict == "confirmed"}
        known = {told[0] for told in self._told} | confirmed
        self._seen = {one: now if one in present else self._seen.get(one, now) for one in known}
        for one in [one for one, at in self._seen.items() if now - at >= GONE]:
            if one in confirmed:
                decide(self.directory, one, "open", "the service", "it was gone for a day, so that this is a new one")
            append(self.directory / FILE, {"finding": one, "ended": time.time()})
            self._forget(one)

    def _forget(self, finding: str) -> None:
        self._told = {told for told in self._told if told[0] != finding}
        self._seen.pop(finding, None)

    def _keep(self, told: Told) -> None:
        said = dict(zip(("finding", "severity", "channel"), told, strict=True))
        append(self.directory / FILE, said | {"time": time.time()})
        self._told.add(told)


def findings_lines(findings: Sequence[dict[str, Any]], computed: float | None, decided: set[str]) -> list[str]:
    """How many findings there are, and when they were looked for, in the Prometheus text format."""
    count = Counter((f["kind"], f["severity"]) for f in findings if f["id"] not in decided)
    samples = [
        (f'{{kind="{kind}",severity="{severity}"}}', count[kind, severity])
        for kind in ("shortcut", "bias", "drift", "compare", "health")
        for severity in SEVERITIES
    ]
    looked = [] if computed is None else [("", round(computed, 1))]
    return [
        *family("edgexai_findings", "gauge", "Findings that nobody has decided about.", samples),
        *family("edgexai_findings_computed_time_seconds", "gauge", "Unix time of the last look for findings.", looked),
    ]
