"""The last explanations in memory, for the command that asks for them."""

from collections import deque
from dataclasses import dataclass

from edgexai.runtime.explanation import Explanation

MOST, MOST_BYTES = 64, 2 * 2**20


@dataclass
class Held:
    """An explanation of unix time ``time`` that took ``latency_ms``; ``sent`` once it has been put into a frame."""

    explanation: Explanation
    time: float
    latency_ms: float
    sent: bool = False


class Recent:
    """At most 64 explanations, whose maps have at most 2 MiB together; the oldest goes first."""

    def __init__(self) -> None:
        self._held: deque[Held] = deque(maxlen=MOST)

    def keep(self, explanation: Explanation, time: float, latency_ms: float) -> Held:
        """Remember one."""
        held = Held(explanation, time, latency_ms)
        self._held.append(held)
        while len(self._held) > 1 and len(self._held) * explanation.relevance.nbytes > MOST_BYTES:
            self._held.popleft()
        return held

    def last(self, count: int) -> list[Held]:
        """The newest, the oldest of them first."""
        return list(self._held)[-count:]
