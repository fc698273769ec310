"""The agent of a node: samples in, explanations out to the broker by way of the outbox.

Three threads: this one predicts, explains, obeys commands and fills the outbox; `Link` empties it; `Feed` waits for
samples. A broker that is slow or away never holds a prediction up, and a source that waits holds no command up.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.agent import report
from edgexai.agent.counts import Counts, add
from edgexai.agent.feed import End, Feed, Sample
from edgexai.agent.ledger import Ledger
from edgexai.agent.link import Link
from edgexai.agent.orders import Orders
from edgexai.agent.outbox import Item, Outbox, OutboxFull
from edgexai.agent.policy import ORDERED, Budget, Prediction
from edgexai.agent.privacy import Guard, pooled
from edgexai.agent.recent import Held, Recent
from edgexai.agent.seldom import Seldom
from edgexai.agent.session import Session
from edgexai.agent.settings import Settings
from edgexai.agent.sparkplug import Sparkplug
from edgexai.errors import ConfigError, DataError, Error, FrameError
from edgexai.heatmap import encode, shorten
from edgexai.heatmap.basis import Basis, load
from edgexai.messaging.messages import name
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.interpreter import Interpreter

log = logging.getLogger(__name__)

METRICS_EVERY = 5.0
_EARLIEST, _LATEST = 1_577_836_800.0, 2_650_000_000.0  # what a frame can say; a clock beyond it sends the end of that


class Agent:
    """One node. `run` returns when the samples end, the limit is reached or `end` is called, and the outbox is empty
    or ``drain`` seconds have passed; what is left then is sent at the next start."""

    def __init__(self, settings: Settings) -> None:
        name(settings.fleet, "fleet name")
        name(settings.node, "node name")
        self.settings = settings
        self.counts = Counts()
        self.explainer = Explainer(settings.model)
        self.predictor = None if settings.predictor is None else Interpreter(settings.predictor)
        if self.explainer.takes_weights and self.predictor is None:
            raise ConfigError("an explainer file of target 'input' needs --predictor: the class to explain is its")
        self.check_budget(settings.hourly)
        self.model_id = _model_id(self.explainer.metadata.source)
        self.basis = None if settings.basis is None else self._basis(settings.basis)
        self.recent = Recent()
        self._seldom = Seldom(log)
        self._events: queue.SimpleQueue[Sample | End | bytes | None] = queue.SimpleQueue()
        self.started = time.time()
        self._metrics_due = 0.0
        self.left = 0
        self.stop = threading.Event()
        self.outbox = Outbox(settings.state, settings.state_bytes, settings.state_days * 86400.0, shorten=_shorter)
        try:
            self.session = Session(self.outbox, confirm=settings.confirm, window=settings.window)
            self.guard = Guard(settings.privacy, self.classes, self._ledger())
            self.orders = Orders(self)
            self.link = Link(settings.broker, self.session, settings.fleet, settings.node, self._take)
            self.sparkplug = None if settings.sparkplug is None else Sparkplug(settings)
        except Error:
            self.outbox.close()
            raise

    def run(self, source: Iterable[NDArray[Any]]) -> Counts:
        """Explain samples until there are no more; see the class. Raises the source's DataError."""
        for news in (self.outbox.repaired, self.outbox.volatile):
            if news:
                log.warning(news)
        self.link.birth(self.status())
        self.link.start()
        if self.sparkplug is not None:
            self.sparkplug.start()
        last, feed = "failed", Feed(source, self._events.put)
        try:
            self._work(feed)
            feed.end()
            self._drain()
            last = "stopped" if self.stop.is_set() else "finished"
        finally:
            self._report(now=True)
            self.link.stop(last, patience=5.0)
            if self.sparkplug is not None:
                self.sparkplug.stop()
            self.left = self.outbox.depth()[0]
            self.outbox.close()
        return self.counts

    def end(self) -> None:
        """Stop soon; safe in a signal handler and from other threads."""
        self.stop.set()
        self._events.put(None)

    @property
    def classes(self) -> int:
        """How many outputs the model has."""
        ports = self.explainer.outputs if self.predictor is None else self.predictor.outputs
        return int(np.prod(ports[0].shape))

    def check_budget(self, hourly: Budget) -> None:
        """ConfigError if a budget counts µJ and nobody knows what an explanation takes."""
        if "energy_uj" in hourly.limits and self.settings.energy is None:
            raise ConfigError("per_hour energy_uj needs a board whose power is known; give --board, or another budget")

    def _basis(self, path: Path) -> Basis:
        """The basis of a file; ConfigError if it is none, or is of other maps than those that leave."""
        try:
            basis = load(path.read_bytes())
        except FrameError as error:
            raise ConfigError(f"{path}: {error}") from None
        shape, grid = tuple(self.explainer.outputs[-3].shape[1:]), self.settings.privacy.grid
        if grid is not None:
            shape = pooled(np.zeros(shape, np.float32), grid).shape
        if not basis.fits(shape, self.model_id):
            told = "another model" if basis.shape == shape else f"maps of {basis.shape}, this node sends {shape}"
            raise ConfigError(f"{path} is a basis of {told}; make one of this explainer file with `edgexai basis`")
        return basis

    def waiting(self) -> list[Item]:
        """The oldest frames that nobody has taken, at most a hundred."""
        return self.outbox.after(-1, 100)

    def step(self, x: NDArray[Any]) -> bool:
        """Predict one sample, and explain it if the policy or a command wants so; whether it was explained.

        A sample that does not fit is counted and skipped; DataError if it is the first.
        """
        try:
            return self._step(x)
        except DataError as error:
            if self.counts.samples == 0:
                raise
            self.counts.samples += 1
            self.counts.refused += 1
            self._seldom.warn("a sample is skipped", error)
            return False

    def _work(self, feed: Feed) -> None:
        feed.start()
        while not self.stop.is_set() and self.counts.samples != self.settings.limit:
            feed.ask()
            sample = self._wait(None)
            if not isinstance(sample, Sample):
                if isinstance(sample, End) and sample.error is not None:
                    raise sample.error
                return
            self.step(sample.x)
            self._wait(self.settings.interval)

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

    def _step(self, x: NDArray[Any]) -> bool:
        explanation = None
        begin = time.perf_counter()
        if self.predictor is None:
            explanation = self.explainer(x)
            target, score = explanation.target, explanation.score
            margin = _lead(explanation.outputs[0])
        else:
            outputs = self.predictor.run(x)
            target, score, margin = int(np.argmax(outputs[0])), float(np.max(outputs[0])), _lead(outputs[0])
            self.counts.predict.add((time.perf_counter() - begin) * 1e3)
        now = time.monotonic()
        worth = self.settings.policy.worth(Prediction(self.counts.samples, now, target, score, margin))
        self.counts.samples += 1
        add(self.counts.predicted, target)
        self.orders.see(x)
        wanted = worth > 0 and self.settings.hourly.allows(now)
        ordered, asked = self.orders.explain_next()
        if explanation is None:
            if not wanted and not ordered:
                return False
            begin = time.perf_counter()
            weights = np.eye(self.classes)[target if asked is None else asked]
            explanation = self.explainer(x, weights if self.explainer.takes_weights else None)
        held = self.recent.keep(explanation, time.time(), (time.perf_counter() - begin) * 1e3)
        if not wanted and not ordered:
            return False
        self.accept(held, ORDERED if ordered else worth)
        return True

    def accept(self, held: Held, worth: int) -> bool:
        """Put an explanation into the outbox, as far as it may leave; whether it is there."""
        e, counts, now = held.explanation, self.counts, time.monotonic()
        held.sent = True
        counts.explained += 1
        counts.latency.add(held.latency_ms)
        counts.score.add(e.score)
        add(counts.targets, e.target)
        self.guard.count(e.target, e.score, now)
        energy = 0.0 if self.settings.energy is None else self.settings.energy(held.latency_ms)
        counts.energy_uj += energy
        self.settings.hourly.spend(explanations=1, energy_uj=energy)
        released = self.guard.release(e, now)
        if released is None:
            return False
        try:
            if not math.isfinite(released.score):
                raise FrameError(f"its score is {released.score}")
            frame = encode(
                released.relevance,
                budget=self.settings.frame_bytes,
                model=self.model_id,
                sequence=self.outbox.next_sequence,
                time=min(max(held.time, _EARLIEST), _LATEST),
                target=released.target,
                score=released.score,
                conservation=released.conservation,
                basis=self.basis,
            )
            self.outbox.append(frame, worth)
        except (FrameError, OutboxFull) as error:
            counts.refused += 1
            self._seldom.warn("an explanation was not accepted", error)
            return False
        counts.bytes += len(frame)
        self.settings.hourly.spend(bytes=len(frame))
        if self.sparkplug is not None:
            self.sparkplug.explained(released)
        return True

    def status(self) -> dict[str, Any]:
        """The retained birth message."""
        return report.status(self)

    def metrics(self) -> dict[str, Any]:
        """Totals since the start, as they travel."""
        return report.metrics(self)

    def _report(self, now: bool = False) -> None:
        if now or time.monotonic() >= self._metrics_due:
            told = self.metrics()
            if "metrics" in self.settings.privacy.send:
                self.link.send("metrics", told, retain=True)
                if self.sparkplug is not None:
                    self.sparkplug.report(told)
            self._metrics_due = time.monotonic() + METRICS_EVERY

    def _drain(self) -> None:
        deadline = time.monotonic() + self.settings.drain
        while not self.stop.is_set() and time.monotonic() < deadline and self.outbox.depth()[0]:
            self._wait(0.05)

    def _take(self, payload: bytes) -> None:
        """Called by the link for each command, which is carried out between two samples."""
        if self.orders.taken and self._events.qsize() < 100:
            self._events.put(payload)

    def _ledger(self) -> Ledger:
        if self.settings.privacy.epsilon is not None and self.settings.state is None:
            raise ConfigError("[privacy] epsilon needs --state: what was spent has to outlive a restart")
        lost = self.outbox.repaired or self.outbox.volatile
        kept = "lost" if lost else self.outbox.recall("epsilon")
        limits = self.settings.privacy
        return Ledger(limits.per_day, kept, self._remember_epsilon, limits.unit)

    def _remember_epsilon(self, spent: str) -> None:
        if self.outbox.volatile:
            raise OutboxFull("what was spent cannot be kept")
        self.outbox.keep("epsilon", spent)


def _model_id(source: str) -> bytes:
    try:
        return bytes.fromhex(source)[:8]
    except ValueError:
        raise ConfigError("the explainer file names its source model wrongly; attach the pass again") from None


def _shorter(frame: bytes, size: int) -> bytes:
    """The frame cut to a coarser map; as it is if it was written by a version that is not known any more."""
    try:
        return shorten(frame, size)
    except FrameError:
        return frame


def _lead(output: NDArray[Any]) -> float:
    """By how much the first is ahead of the second, in the output's own units; nan for a single output."""
    flat = output.reshape(-1)
    if flat.size < 2:
        return float("nan")
    second, first = np.partition(flat, flat.size - 2)[-2:].astype(np.float64)
    return float(first - second)
