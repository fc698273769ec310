"""From a sample to the outbox: predict, ask the policy, explain, and let out what may leave."""

import logging
import math
import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgexai.agent.counts import add
from edgexai.agent.outbox import OutboxFull
from edgexai.agent.policy import ORDERED, Prediction
from edgexai.agent.probing import Probing
from edgexai.agent.recent import Held
from edgexai.agent.seldom import Seldom
from edgexai.agent.sparkplug import Sparkplug
from edgexai.agent.state import State
from edgexai.errors import DataError, FrameError
from edgexai.heatmap import encode
from edgexai.heatmap.concepts import folded
from edgexai.runtime.explanation import Explanation

log = logging.getLogger(__name__)

ROOM_FOR_CONCEPTS = 60
"""Bytes of a frame below which concepts, up to 36 of them, would leave none for the map."""

_EARLIEST, _LATEST = 1_577_836_800.0, 2_650_000_000.0  # what a frame can say; a clock beyond it sends the end of that


class Wishes(Protocol):
    """What orders have left to do for the next samples."""

    def see(self, x: NDArray[Any]) -> None:
        """A sample that a profile may be waiting for."""

    def explain_next(self) -> tuple[bool, int | None]:
        """Whether the present sample is to be explained whatever the policy says, and for which class."""

    @property
    def probing(self) -> Probing:
        """The trial that goes on."""


class Explaining:
    """Steps of one node. ``wishes`` may ask for more than the policy does."""

    def __init__(self, state: State, wishes: Wishes, sparkplug: Sparkplug | None = None) -> None:
        self._state, self._wishes, self._sparkplug = state, wishes, sparkplug
        self._seldom = Seldom(log)

    def step(self, x: NDArray[Any]) -> bool:
        """Predict one sample, and explain it if the policy or a command wants so; whether it was explained.

        A sample that does not fit is counted and skipped; DataError if it is the first.
        """
        try:
            return self._step(x)
        except DataError as error:
            if self._state.counts.samples == 0 and not self._state.settings.patient:
                raise
            self._state.counts.samples += 1
            self._state.counts.refused += 1
            self._seldom.warn("a sample is skipped", error)
            return False

    def _step(self, x: NDArray[Any]) -> bool:
        explanation = None
        begin = time.perf_counter()
        if self._state.predictor is None:
            explanation = self._state.explainer(x, unit="by type")
            target, score = explanation.target, explanation.score
            margin = _lead(explanation.outputs[0])
        else:
            outputs = self._state.predictor.run(x)
            target, score, margin = int(np.argmax(outputs[0])), float(np.max(outputs[0])), _lead(outputs[0])
            self._state.counts.predict.add((time.perf_counter() - begin) * 1e3)
        now = time.monotonic()
        worth = self._state.settings.policy.worth(Prediction(self._state.counts.samples, now, target, score, margin))
        self._state.counts.samples += 1
        add(self._state.counts.predicted, target)
        self._wishes.see(x)
        wanted = worth > 0 and self._state.settings.hourly.allows(now)
        ordered, asked = self._wishes.explain_next()
        probing = self._wishes.probing
        if explanation is None:
            if not wanted and not ordered and not probing.wants(target):
                probing.see(x, target, None)
                return False
            begin = time.perf_counter()
            weights = np.eye(self._state.classes)[target if asked is None else asked]
            explanation = self._state.explainer(
                x, weights if self._state.explainer.takes_weights else None, unit="by type"
            )
        held = self._state.recent.keep(explanation, time.time(), (time.perf_counter() - begin) * 1e3)
        probing.see(x, target, explanation)
        if not wanted and not ordered:
            return False
        self.accept(held, ORDERED if ordered else worth)
        return True

    def accept(self, held: Held, worth: int) -> bool:
        """Put an explanation into the outbox, as far as it may leave; whether it is there."""
        e, counts, now = held.explanation, self._state.counts, time.monotonic()
        held.sent = True
        counts.explained += 1
        counts.latency.add(held.latency_ms)
        counts.score.add(e.score)
        add(counts.targets, e.target)
        self._state.guard.count(e.target, e.score, now)
        energy = 0.0 if self._state.settings.energy is None else self._state.settings.energy(held.latency_ms)
        counts.energy_uj += energy
        self._state.settings.hourly.spend(explanations=1, energy_uj=energy)
        released = self._state.guard.release(e, now)
        if released is None:
            return False
        try:
            if not math.isfinite(released.score):
                raise FrameError(f"its score is {released.score}")
            frame = encode(
                released.relevance,
                budget=self._state.settings.frame_bytes,
                model=self._state.model_id,
                sequence=self._state.outbox.next_sequence,
                time=min(max(held.time, _EARLIEST), _LATEST),
                target=released.target,
                score=released.score,
                conservation=released.conservation,
                concepts=self._concepts(e),
                basis=self._state.basis,
            )
            self._state.outbox.append(frame, worth)
        except (FrameError, OutboxFull) as error:
            counts.refused += 1
            self._seldom.warn("an explanation was not accepted", error)
            return False
        counts.bytes += len(frame)
        self._state.settings.hourly.spend(bytes=len(frame))
        if self._sparkplug is not None:
            self._sparkplug.explained(released)
        return True

    def _concepts(self, e: Explanation) -> list[NDArray[np.float32]] | None:
        """An explanation's concepts, where the file has them, the frame has room and nothing promises noise."""
        limits, room = self._state.settings.privacy, self._state.settings.frame_bytes
        if e.concepts is None or limits.epsilon is not None or room < ROOM_FOR_CONCEPTS:
            return None
        return folded([part.of(e.concepts) for part in self._state.explainer.metadata.concepts])


def _lead(output: NDArray[Any]) -> float:
    """By how much the first is ahead of the second, in the output's own units; nan for a single output."""
    flat = output.reshape(-1)
    if flat.size < 2:
        return float("nan")
    second, first = np.partition(flat, flat.size - 2)[-2:].astype(np.float64)
    return float(first - second)
