"""Looks at a stream, again and again: which findings are so sure that they may become alarms.

A false-discovery rate holds for one look. Who looks again and again has one more chance of a false alarm each time, and
windows that overlap do not make that one less. So a rate for a day is spent in equal parts on the looks of a day
(Bonferroni: it holds whatever the looks share), and no more looks than that raise alarms; the page shows all of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

RATE, LOOKS = 0.1, 24
"""At most so probable is a false alarm in a day of a fleet without faults; and so many looks a day may raise alarms."""
DAY = 86400.0


def level(rate: float = RATE, looks: int = LOOKS) -> float:
    """The false-discovery rate up to which a finding of one look is an alarm."""
    return rate / looks


@dataclass
class Looks:
    """``answer`` gives what was found last (`Watch.answer`). What a trial has confirmed is an alarm at once.

    A service that begins anew has one look more.
    """

    answer: Callable[[], dict[str, Any]]
    clock: Callable[[], float] = time.monotonic
    _sure: list[dict[str, Any]] = field(default_factory=list)
    _last: float = -DAY
    _seen: float | None = None

    def sure(self) -> list[dict[str, Any]]:
        """The findings that may be told."""
        said, now = self.answer(), self.clock()
        if said["computed"] not in (None, self._seen) and now - self._last >= DAY / LOOKS:
            self._seen, self._last = said["computed"], now
            self._sure = [one for one in said["findings"] if one["q"] is not None and one["q"] <= level()]
        known = {one["id"] for one in self._sure}
        confirmed = [one for one in said["findings"] if one.get("verdict") == "confirmed" and one["id"] not in known]
        return [*self._sure, *confirmed]
