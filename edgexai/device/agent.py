"""The agent of a node: samples in, explanations out to the broker by way of the outbox.

Two threads: this one predicts, explains and fills the outbox; `Link` empties it. A broker that is slow or away
never holds a prediction up.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgexai._version import VERSION
from edgexai.device.explainer import Explainer, Explanation
from edgexai.device.interpreter import Interpreter
from edgexai.device.link import Link
from edgexai.device.orders import carry_out
from edgexai.device.outbox import Outbox, OutboxFull
from edgexai.device.policy import Budget, Every, Policy, Prediction
from edgexai.device.session import Session
from edgexai.device.source import Samples
from edgexai.errors import ConfigError, DataError, FrameError
from edgexai.heatmap import encode
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import CommandRefused, Gate, load_public
from edgexai.messaging.histogram import Histogram
from edgexai.messaging.messages import name

log = logging.getLogger(__name__)

METRICS_EVERY = 5.0
_EARLIEST = 1_577_836_800.0  # 2020: what a frame can say; a node that has lost its clock sends that


@dataclass
class Settings:
    """What an agent is told; `edgexai agent --help` says what each means.

    ``energy`` estimates the µJ of an explanation on ``board`` from the milliseconds that it took here.
    """

    fleet: str
    node: str
    model: Path
    broker: Broker
    state: Path | None = None
    state_bytes: int = 16 * 2**20
    state_days: float = 7.0
    predictor: Path | None = None
    board: str | None = None
    energy: Callable[[float], float] | None = None
    budget: int = 256
    policy: Policy = field(default_factory=Every)
    hourly: Budget = field(default_factory=lambda: Budget({}))
    interval: float = 0.0
    limit: int | None = None
    confirm: Literal["store", "broker"] = "store"
    window: int = 64
    drain: float = 30.0
    labels: tuple[str, ...] = ()
    commands: Path | None = None


@dataclass
class Counts:
    """Totals since the start of the process."""

    samples: int = 0
    explained: int = 0
    bytes: int = 0
    refused: int = 0
    energy_uj: float = 0.0
    latency: Histogram = field(default_factory=Histogram)
    score: Histogram = field(default_factory=Histogram)
    targets: dict[int, int] = field(default_factory=dict)


class Agent:
    """One node. `run` returns when the samples end, the limit is reached or ``stop`` is set, and the outbox is empty
    or ``drain`` seconds have passed; what is left then is sent at the next start."""

    def __init__(self, settings: Settings) -> None:
        name(settings.fleet, "fleet name")
        name(settings.node, "node name")
        self.settings = settings
        self.counts = Counts()
        self.explainer = Explainer(settings.model)
        self.predictor = None if settings.predictor is None else Interpreter(settings.predictor)
        self.model_id = _model_id(self.explainer.metadata.source)
        self.outbox = Outbox(settings.state, settings.state_bytes, settings.state_days * 86400.0)
        self.session = Session(self.outbox, confirm=settings.confirm, window=settings.window)
        self.link = Link(settings.broker, self.session, settings.fleet, settings.node, self._take)
        self.gate = None if settings.commands is None else self._gate(settings.commands)
        if self.explainer.takes_weights and self.predictor is None:
            raise ConfigError("an explainer file of target 'input' needs --predictor: the class to explain is its")
        self.left = self.ordered = 0
        self.ordered_class: int | None = None
        self.stop = threading.Event()
        self._awake = threading.Event()
        self._orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._started = time.time()
        self._metrics_due = 0.0

    def run(self, source: Samples) -> Counts:
        """Explain samples until there are no more; see the class."""
        self.link.birth(self.status())
        self.link.start()
        for news in (self.outbox.repaired, self.outbox.volatile):
            if news:
                log.warning(news)
        try:
            for x in source:
                if self.stop.is_set() or self.counts.samples == self.settings.limit:
                    break
                self.step(x)
                self._pause(self.settings.interval)
            self._drain()
        finally:
            self._report(now=True)
            self.link.stop("stopped" if self.stop.is_set() else "finished", patience=5.0)
            self.left = self.outbox.depth()[0]
            self.outbox.close()
        return self.counts

    def end(self) -> None:
        """Stop soon; safe in a signal handler and from other threads."""
        self.stop.set()
        self._awake.set()

    @property
    def classes(self) -> int:
        """How many outputs the model has; 0 if no predictor says so."""
        return 0 if self.predictor is None else int(np.prod(self.predictor.outputs[0].shape))

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
            log.warning("a sample is skipped: %s", error)
            return False

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
        now = time.monotonic()
        prediction = Prediction(self.counts.samples, now, target, score, margin)
        self.counts.samples += 1
        wanted = self.settings.policy.wants(prediction) and self.settings.hourly.allows(now)
        if not wanted and self.ordered == 0:
            return False
        if explanation is None:
            begin = time.perf_counter()
            asked = self.ordered_class if self.ordered and self.ordered_class is not None else target
            explanation = self.explainer(x, np.eye(self.classes)[asked] if self.explainer.takes_weights else None)
        self.ordered = max(0, self.ordered - 1)
        self._accept(explanation, (time.perf_counter() - begin) * 1e3)
        return True

    def _accept(self, e: Explanation, latency_ms: float) -> None:
        counts = self.counts
        counts.explained += 1
        try:
            frame = encode(
                e.relevance,
                budget=self.settings.budget,
                model=self.model_id,
                sequence=self.outbox.next_sequence,
                time=max(time.time(), _EARLIEST),
                target=e.target,
                score=e.score,
                conservation=e.conservation,
            )
        except FrameError as error:
            counts.refused += 1
            log.warning("an explanation fits into no frame: %s", error)
            return
        counts.latency.add(latency_ms)
        counts.score.add(e.score)
        counts.targets[e.target] = counts.targets.get(e.target, 0) + 1
        energy = 0.0 if self.settings.energy is None else self.settings.energy(latency_ms)
        counts.energy_uj += energy
        self.settings.hourly.spend(explanations=1, bytes=len(frame), energy_uj=energy)
        try:
            self.outbox.append(frame)
            counts.bytes += len(frame)
        except OutboxFull as error:
            counts.refused += 1
            log.warning("%s", error)

    def status(self) -> dict[str, Any]:
        """The retained birth message."""
        about = self.explainer.metadata
        return {
            "state": "online",
            "boot": self.outbox.boot,
            "version": VERSION,
            "model": self.model_id.hex(),
            "composite": about.composite,
            "target": about.target,
            "grid": about.grid,
            "board": self.settings.board,
            "started": self._started,
            "labels": list(self.settings.labels),
            "commands": self.gate is not None,
            "outbox": self.outbox.volatile or ("memory" if self.settings.state is None else "disk"),
        }

    def metrics(self) -> dict[str, Any]:
        """Totals since the start, as they travel."""
        counts, (waiting, waiting_bytes) = self.counts, self.outbox.depth()
        return {
            "boot": self.outbox.boot,
            "time": time.time(),
            "uptime": round(time.time() - self._started, 3),
            "samples": counts.samples,
            "explained": counts.explained,
            "bytes": counts.bytes,
            "confirmed": self.session.confirmed,
            "resent": self.session.resent,
            "refused": counts.refused,
            "commands_refused": 0 if self.gate is None else self.gate.refused,
            "dropped": self.outbox.dropped,
            "shortened": self.outbox.shortened,
            "waiting": {"frames": waiting, "bytes": waiting_bytes},
            "latency_ms": counts.latency.message(),
            "score": counts.score.message(),
            "targets": {str(k): v for k, v in sorted(counts.targets.items())},
            "energy_uj": None if self.settings.energy is None else round(counts.energy_uj, 1),
        }

    def _report(self, now: bool = False) -> None:
        if now or time.monotonic() >= self._metrics_due:
            self.link.send("metrics", self.metrics(), retain=True)
            self._metrics_due = time.monotonic() + METRICS_EVERY

    def _drain(self) -> None:
        deadline = time.monotonic() + self.settings.drain
        while not self.stop.is_set() and time.monotonic() < deadline and self.outbox.depth()[0]:
            self._pause(0.05)

    def _pause(self, seconds: float) -> None:
        """Wait, and report and obey meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            self._obey()
            self._report()
            left = deadline - time.monotonic()
            if left <= 0 or self.stop.is_set():
                return
            self._awake.wait(min(left, METRICS_EVERY))
            self._awake.clear()

    def _gate(self, key: Path) -> Gate:
        last = int(self.outbox.recall("command") or 0)
        return Gate(
            load_public(key),
            self.settings.fleet,
            self.settings.node,
            last,
            lambda number: self.outbox.keep("command", str(number)),
        )

    def _take(self, payload: bytes) -> None:
        """Called by the link for each command; `_obey` carries it out between two samples."""
        if self.gate is not None:
            self._orders.put(payload)
            self._awake.set()

    def _obey(self) -> None:
        while self.gate is not None and not self._orders.empty():
            try:
                command = self.gate.open(self._orders.get(), time.time())
            except (CommandRefused, OutboxFull) as error:
                log.warning("a command was refused: %s", error)
                continue
            reply: dict[str, Any] = {"id": command.id, "ok": True}
            try:
                reply["result"] = carry_out(self, command.do, command.parameters)
            except ConfigError as error:
                reply = {"id": command.id, "ok": False, "error": str(error)}
            log.info("command %s %s: %s", command.id, command.do, "done" if reply["ok"] else reply["error"])
            self.link.send("reply", reply)


def _model_id(source: str) -> bytes:
    try:
        return bytes.fromhex(source)[:8]
    except ValueError:
        raise ConfigError("the explainer file names its source model wrongly; attach the pass again") from None


def _lead(output: NDArray[Any]) -> float:
    """By how much the first is ahead of the second, in the output's own units; nan for a single output."""
    flat = output.reshape(-1)
    if flat.size < 2:
        return float("nan")
    second, first = np.partition(flat, flat.size - 2)[-2:].astype(np.float64)
    return float(first - second)
