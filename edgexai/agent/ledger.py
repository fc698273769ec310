"""What privacy has been spent: never more than a day's in any 24 hours of running time, over restarts too.

Time counts only while the agent runs, by a clock that does not go back: a restart, or a clock that somebody sets, gives
nothing back. What is spent is on disk before anything leaves.
"""

import json
import math
from collections.abc import Callable

from edgexai.agent.outbox import OutboxFull

HOUR, HOURS = 3600.0, 25


class Ledger:
    """``kept`` is what `keep` was last given, None at a first start, and anything else if it was lost: that counts as
    a day that is spent, for privacy that cannot be proven is none; so does what was kept in another ``unit``. ``keep``
    may raise OutboxFull."""

    def __init__(self, per_day: float, kept: str | None, keep: Callable[[str], None], unit: str = "epsilon") -> None:
        self._per_day, self._keep, self._unit = per_day, keep, unit
        self._now: float | None = None
        self._into = 0.0
        self._hours = [0.0] * HOURS
        if kept is not None and math.isfinite(per_day):
            self._read(kept)

    def spent(self, now: float) -> float:
        """What the last 24 hours cost, at most one hour more."""
        self._advance(now)
        return sum(self._hours)

    def spend(self, cost: float, now: float) -> bool:
        """Whether so much may be spent; it is spent then."""
        if self.spent(now) + cost > self._per_day * (1 + 1e-12):
            return False
        self._hours[0] += cost
        try:
            self._keep(json.dumps({"unit": self._unit, "into": self._into, "hours": self._hours}))
        except OutboxFull:
            self._hours[0] -= cost
            return False
        return True

    def _advance(self, now: float) -> None:
        self._into += max(0.0, now - (now if self._now is None else self._now))
        self._now = now
        full = int(min(self._into // HOUR, HOURS))
        if full:
            self._hours = [0.0] * full + self._hours[: HOURS - full]
            self._into = self._into % HOUR

    def _read(self, kept: str) -> None:
        try:
            said = json.loads(kept)
            into, hours = float(said["into"]), [float(h) for h in said["hours"]]
            if (
                said["unit"] != self._unit
                or len(hours) != HOURS
                or not 0 <= into < 2 * HOUR
                or not all(0 <= h < math.inf for h in hours)
            ):
                raise ValueError
            self._into, self._hours = into, hours
        except (ValueError, KeyError, TypeError):
            self._hours[0] = self._per_day
