"""Trouble that comes with every sample is logged once a minute, with how often it came."""

import logging
import time
from collections.abc import Callable


class Seldom:
    """A logger of warnings; each kind of them at most once in ``every`` seconds. Safe from several threads' use of
    different kinds."""

    def __init__(self, log: logging.Logger, every: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._every, self._clock = log, every, clock
        self._last: dict[str, tuple[float, int]] = {}

    def warn(self, kind: str, text: object) -> None:
        """Log ``text``, or count it for the next time."""
        now = self._clock()
        last, silent = self._last.get(kind, (float("-inf"), 0))
        if now - last < self._every:
            self._last[kind] = last, silent + 1
            return
        self._log.warning("%s: %s%s", kind, text, f" (and {silent} times since the last line)" if silent else "")
        self._last[kind] = now, 0
