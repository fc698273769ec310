"""The agent of a node: samples in, explanations out to the broker by way of the outbox.

Three threads: this one predicts, explains, obeys commands and fills the outbox; `Link` empties it; `Feed` waits for
samples. A broker that is slow or away never holds a prediction up, and a source that waits holds no command up.
"""

import logging
import queue
import threading
import time
from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from edgexai.agent import report
from edgexai.agent.counts import Counts
from edgexai.agent.explaining import Explaining
from edgexai.agent.feed import End, Feed, Sample
from edgexai.agent.link import Link
from edgexai.agent.orders import Orders
from edgexai.agent.outbox import Item
from edgexai.agent.recent import Held
from edgexai.agent.settings import Settings
from edgexai.agent.sparkplug import Sparkplug
from edgexai.agent.state import State
from edgexai.errors import Error

log = logging.getLogger(__name__)

METRICS_EVERY = 5.0


class Agent:
    """One node. `run` returns when the samples end, the limit is reached or `end` is called, and the outbox is empty
    or ``drain`` seconds have passed; what is left then is sent at the next start."""

    def __init__(self, settings: Settings) -> None:
        self.state = State(settings)
        self._events: queue.SimpleQueue[Sample | End | bytes | None] = queue.SimpleQueue()
        self._metrics_due = 0.0
        self.left = 0
        self.stop = threading.Event()
        try:
            self.orders = Orders(self.state, self)
            self._link = Link(settings.broker, self.state.session, settings.fleet, settings.node, self._take)
            self._sparkplug = None if settings.sparkplug is None else Sparkplug(settings)
        except Error:
            self.state.outbox.close()
            raise
        self._explaining = Explaining(self.state, self.orders, self._sparkplug)

    def run(self, source: Iterable[NDArray[Any]]) -> Counts:
        """Explain samples until there are no more; see the class. Raises the source's DataError."""
        for news in (self.state.outbox.repaired, self.state.outbox.volatile):
            if news:
                log.warning(news)
        self._link.birth(self.status())
        self._link.start()
        if self._sparkplug is not None:
            self._sparkplug.start()
        last, feed = "failed", Feed(source, self._events.put)
        try:
            self._work(feed)
            feed.end()
            self._drain()
            last = "stopped" if self.stop.is_set() else "finished"
        finally:
            self._report(now=True)
            self._link.stop(last, patience=5.0)
            if self._sparkplug is not None:
                self._sparkplug.stop()
            self.left = self.state.outbox.depth()[0]
            self.state.outbox.close()
        return self.state.counts

    def end(self) -> None:
        """Stop soon; safe in a signal handler and from other threads."""
        self.stop.set()
        self._events.put(None)

    def waiting(self) -> list[Item]:
        """The oldest frames that nobody has taken, at most a hundred."""
        return self.state.outbox.after(-1, 100)

    def _work(self, feed: Feed) -> None:
        feed.start()
        while not self.stop.is_set() and self.state.counts.samples != self.state.settings.limit:
            feed.ask()
            sample = self._wait(None)
            if not isinstance(sample, Sample):
                if isinstance(sample, End) and sample.error is not None:
                    raise sample.error
                return
            self.step(sample.x)
            self._wait(self.state.settings.interval)

    def _wait(self, seconds: float | None) -> Sample | End | None:
        """The next sample, or None after so many seconds or if the agent is to stop; obeys and reports meanwhile."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self.stop.is_set():
            self._report()
            now = time.monotonic()
            until = self._metrics_due if deadline is None else min(deadline, self._metrics_due)
            try:
                event = self._events.get(timeout=max(0.0, until - now))
            except queue.Empty:
                if deadline is not None and time.monotonic() >= deadline:
                    return None
                continue
            if isinstance(event, bytes):
                self.orders.obey(event)
            elif event is not None:
                return event
        return None

    def status(self) -> dict[str, Any]:
        """The retained birth message."""
        return report.status(self.state, self.orders.taken)

    def metrics(self) -> dict[str, Any]:
        """Totals since the start, as they travel."""
        told = report.metrics(self.state, self.orders.refused, self._link.refused)
        if "probe" in self.state.settings.privacy.send:
            told["trials"] = {"model": self.state.model_id.hex(), "found": self.orders.probing.told()}
        return told

    def step(self, x: NDArray[Any]) -> bool:
        """Predict one sample, and explain it if the policy or a command wants so; whether it was explained."""
        return self._explaining.step(x)

    def leave_out(self) -> None:
        """Count a file of samples that could not be read; safe from the feed's thread."""
        self.state.counts.files_refused += 1

    def accept(self, held: Held, worth: int) -> bool:
        """Put an explanation into the outbox, as far as it may leave; whether it is there."""
        return self._explaining.accept(held, worth)

    def reply(self, message: dict[str, Any]) -> None:
        """Answer the one who ordered."""
        self._link.send("reply", message)

    def _report(self, now: bool = False) -> None:
        if now or time.monotonic() >= self._metrics_due:
            told = self.metrics()
            if "metrics" in self.state.settings.privacy.send:
                self._link.send("metrics", told, retain=True)
                if self._sparkplug is not None:
                    self._sparkplug.report(told)
            self._metrics_due = time.monotonic() + METRICS_EVERY

    def _drain(self) -> None:
        deadline = time.monotonic() + self.state.settings.drain
        while not self.stop.is_set() and time.monotonic() < deadline and self.state.outbox.depth()[0]:
            self._wait(0.05)

    def _take(self, payload: bytes) -> None:
        """Called by the link for each command, which is carried out between two samples."""
        if self.orders.taken and self._events.qsize() < 100:
            self._events.put(payload)
