"""Questions whose answers take a while: each computed once, elsewhere, and kept for whoever asks next."""

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from edgexai.errors import Error

MOST_WAITING = 32
MOST_KEPT = 64
STALE = 30.0
"""Seconds after which an answer is computed anew if frames have come since; it is shown until then."""
NEVER = -2
"""No store's last id."""
REST = 4.0
"""How much longer than it took an answer is kept at least."""


@dataclass
class _Known:
    answer: Any = None
    at: float = 0.0
    took: float = 0.0
    last: int = NEVER
    is_waiting: bool = False


@dataclass
class Asked:
    """``compute`` answers one question after the other, in the thread that calls `once`; ``last_id`` says whether
    frames have come."""

    compute: Callable[[Any], Any]
    last_id: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[Hashable, _Known] = field(default_factory=OrderedDict)
    _waiting: "queue.Queue[Hashable]" = field(default_factory=lambda: queue.Queue(MOST_WAITING))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, question: Hashable) -> Any:
        """The answer, or None while there is none yet; Error if too many questions wait."""
        with self._lock:
            known = self._known.setdefault(question, _Known())
            self._known.move_to_end(question)
            old = self.clock() - known.at > max(STALE, REST * known.took) and self.last_id() != known.last
            if not known.is_waiting and (known.answer is None or old):
                try:
                    self._waiting.put_nowait(question)
                    known.is_waiting = True
                except queue.Full:
                    if known.answer is None:
                        del self._known[question]
                        raise Error("too many questions wait for an answer; ask again in a minute") from None
            while len(self._known) > MOST_KEPT:
                gone = next((q for q, k in self._known.items() if not k.is_waiting), None)
                if gone is None:
                    break
                del self._known[gone]
            return known.answer

    def once(self, patience: float = 0.5) -> None:
        """Answer the question that waits longest. What cannot be answered is said to who asks, and raised."""
        try:
            question = self._waiting.get(timeout=patience)
        except queue.Empty:
            return
        last, begun = self.last_id(), self.clock()
        try:
            answer = self.compute(question)
        except Exception as error:  # the next time may go well, though no frame has come
            self._keep(question, {"error": f"this could not be computed: {error}"}, NEVER, begun)
            raise
        self._keep(question, answer, last, begun)

    def _keep(self, question: Hashable, answer: Any, last: int, begun: float) -> None:
        with self._lock:
            now = self.clock()
            self._known[question] = _Known(answer, now, now - begun, last)
