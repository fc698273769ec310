"""What a service does again and again, each in a thread that no failure ends: told once, counted, tried again."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgexai.fleet.apart import Apart
from edgexai.fleet.ingest.metrics import family

log = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
"""Seconds that a duty waits at most after failures, which double its pause."""


@dataclass
class Duty:
    """``do`` every ``seconds``, by the ``process`` if it has one. ``failing`` is why it did not go well the last time,
    "" if it did."""

    name: str
    seconds: float
    do: Callable[[], object]
    process: Apart | None = None
    failures: int = 0
    failing: str = ""
    _row: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> "Duty":
        """Begin; the first time is after a pause."""
        self._thread = threading.Thread(target=self._run, name=f"edgexai-{self.name}", daemon=True)
        self._thread.start()
        return self

    def end(self) -> None:
        """End, after what is being done."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.pause):
            self.once()

    @property
    def pause(self) -> float:
        """Seconds until the next time."""
        return max(self.seconds, min(self.seconds * 2.0 ** min(self._row, 6), LONGEST_PAUSE))

    def once(self) -> None:
        """Do it; whatever goes wrong is kept, and told if it is news."""
        try:
            self.do()
        except Exception as error:  # a full disk, say, or a process that was killed: the next time may go well
            said = str(error) or type(error).__name__
            if said != self.failing:
                log.error("%s: %s; trying again", self.name, said)
            self.failures, self._row, self.failing = self.failures + 1, self._row + 1, said
        else:
            if self.failing:
                log.warning("%s: goes well again", self.name)
            self._row, self.failing = 0, ""


def duty_lines(duties: Sequence[Duty]) -> list[str]:
    """How often each failed, and whether it does now, in the Prometheus text format."""
    return [
        *family(
            "edgexai_duty_failures_total",
            "counter",
            "What the service does again and again, and how often that failed.",
            [(f'{{duty="{d.name}"}}', d.failures) for d in duties],
        ),
        *family(
            "edgexai_duty_failing",
            "gauge",
            "Whether it failed the last time.",
            [(f'{{duty="{d.name}"}}', int(bool(d.failing))) for d in duties],
        ),
        *family(
            "edgexai_duty_deaths_total",
            "counter",
            "Processes for it that were killed, died or hung.",
            [(f'{{duty="{d.name}"}}', d.process.deaths) for d in duties if d.process is not None],
        ),
    ]
