"""A gateway: a microcontroller's frames, from its serial line to the fleet by way of the outbox.

The node explains by itself and has no clock and no memory for what waits, maybe. So each frame gets this node's number
(a microcontroller that is reset counts from the start again) and, where it says no time, the time at which it came;
then it waits in the outbox as any agent's does. Damaged frames are counted and left out: the line has no way back.
"""

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgexai._version import VERSION
from edgexai.agent.counts import Counts, add
from edgexai.agent.link import Link
from edgexai.agent.outbox import OutboxFull
from edgexai.agent.policy import Every
from edgexai.agent.privacy import Privacy
from edgexai.agent.seldom import Seldom
from edgexai.agent.sending import counted, lies, sending
from edgexai.agent.settings import Settings
from edgexai.errors import ConfigError, Error, FrameError
from edgexai.heatmap import header, renumbered, shorten
from edgexai.messaging.messages import name

log = logging.getLogger(__name__)

METRICS_EVERY = 5.0


class Relay:
    """One node behind a serial line. `run` returns when the frames end, the limit is reached or `end` is called, and
    the outbox is empty or ``drain`` seconds have passed. ConfigError for settings that only an explaining node has."""

    def __init__(self, settings: Settings) -> None:
        name(settings.fleet, "fleet name")
        name(settings.node, "node name")
        _check(settings)
        self.settings, self.counts, self.stop = settings, Counts(), threading.Event()
        self.model, self.left = b"", 0
        self._started, self._due, self._seldom = time.time(), 0.0, Seldom(log)
        self.outbox, self.session = sending(settings)
        try:
            self._link = Link(settings.broker, self.session, settings.fleet, settings.node)
        except Error:
            self.outbox.close()
            raise

    def run(self, frames: Iterable[bytes | None]) -> Counts:
        """Pass frames on until there are no more; see the class. None says that nothing came for a moment."""
        for news in filter(None, (self.outbox.repaired, self.outbox.volatile)):
            log.warning(news)
        self._link.birth(self.status())
        self._link.start()
        last = "failed"
        try:
            if self.settings.limit != 0:
                self._pass_on(frames)
            self._drain()
            last = "stopped" if self.stop.is_set() else "finished"
        finally:
            self._report(now=True)
            self._link.stop(last, patience=5.0)
            self.left = self.outbox.depth()[0]
            self.outbox.close()
        return self.counts

    def end(self) -> None:
        """Stop soon; safe in a signal handler."""
        self.stop.set()

    def take(self, frame: bytes) -> bool:
        """Put a frame into the outbox; whether it is there. A damaged one is counted."""
        self.counts.samples += 1
        try:
            about = header(frame)
            passed = renumbered(frame, self.outbox.next_sequence, time.time())
            passed = shorten(passed, self.settings.frame_bytes)
            self.outbox.append(passed)
        except (FrameError, OutboxFull) as error:
            self.counts.refused += 1
            self._seldom.warn("a frame of the serial line was not accepted", error)
            return False
        self.counts.explained += 1
        self.counts.bytes += len(passed)
        self.counts.score.add(about.score)
        add(self.counts.targets, about.target)
        if about.model != self.model:
            self.model = about.model
            self._link.birth(self.status())
            self._link.send("status", {**self.status(), "time": time.time()}, retain=True)
        return True

    def status(self) -> dict[str, Any]:
        """The retained birth message; the model is that of the last frame."""
        return {
            "state": "online",
            "boot": self.outbox.boot,
            "version": VERSION,
            "model": self.model.hex(),
            "started": self._started,
            "labels": list(self.settings.labels),
            "context": self.settings.context,
            "commands": False,
            "outbox": lies(self.outbox, self.settings),
        }

    def metrics(self) -> dict[str, Any]:
        """Totals since the start, as they travel; a sample is a frame of the line, refused are the damaged ones."""
        return {
            "boot": self.outbox.boot,
            "time": time.time(),
            "uptime": round(time.time() - self._started, 3),
            **self.counts.message(),
            **self.counts.content(),
            **counted(self.outbox, self.session),
        }

    def _pass_on(self, frames: Iterable[bytes | None]) -> None:
        for frame in frames:
            if frame is not None:
                self.take(frame)
            self._report()
            if self.stop.is_set() or self.counts.samples == self.settings.limit:
                return

    def _drain(self) -> None:
        deadline = time.monotonic() + self.settings.drain
        while not self.stop.is_set() and time.monotonic() < deadline and self.outbox.depth()[0]:
            self._report()
            time.sleep(0.05)

    def _report(self, now: bool = False) -> None:
        if now or time.monotonic() >= self._due:
            self._link.send("metrics", self.metrics(), retain=True)
            self._due = time.monotonic() + METRICS_EVERY


def _check(settings: Settings) -> None:
    """A node behind a serial line explains by itself: what says how an agent explains has no meaning here."""
    keys = ("predictor", "profiler", "basis", "board", "interval", "commands", "sparkplug")
    told = [key for key in keys if getattr(settings, key)]
    if settings.model != Path():
        told.append("model")
    if settings.hourly.limits or settings.policy != Every():
        told.append("[policy]")
    if replace(settings.privacy, bytes=None) != Privacy():
        told.append("[privacy] beside bytes")
    if told:
        raise ConfigError(f"a node behind a serial line explains by itself; take away {', '.join(told)}")
