"""Sessions of the page, and the patience that it has with wrong passwords."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

IDLE, WHOLE = 8 * 3600.0, 24 * 3600.0
"""Seconds that a session lasts without a request, and at most."""
MOST = 10_000
FREE, FIRST, LONGEST = 5, 30.0, 900.0
"""Wrong passwords that cost nothing; the wait after the next, which doubles; and its bound, s."""

Clock = Callable[[], float]


@dataclass
class Session:
    """Who is logged in, by which ``password`` (its hash); ``csrf`` has to come back with everything that changes
    something."""

    user: str
    password: str
    csrf: str
    begun: float
    seen: float


class Sessions:
    """By token, in memory: a restart logs everybody out."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, Session] = OrderedDict()

    def begin(self, user: str, password: str) -> str:
        """A new session's token."""
        now, token = self._clock(), secrets.token_urlsafe(32)
        self._known[token] = Session(user, password, secrets.token_urlsafe(32), now, now)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return token

    def of(self, token: str) -> Session | None:
        """The session of a token, if it lasts."""
        session, now = self._known.get(token), self._clock()
        if session is None:
            return None
        if now - session.seen > IDLE or now - session.begun > WHOLE:
            self.end(token)
            return None
        session.seen = now
        return session

    def end(self, token: str) -> None:
        """Log out."""
        self._known.pop(token, None)


class Lockout:
    """Whoever gave five wrong passwords waits, for longer each time; by name and by address."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, *keys: str) -> float:
        """Seconds until the next attempt counts; 0 for at once."""
        now = self._clock()
        return max(0.0, *(until - now for _, until in (self._failed.get(key, (0, 0.0)) for key in keys)))

    def failed(self, *keys: str) -> None:
        """A wrong password."""
        for key in keys:
            count = self._failed.pop(key, (0, 0.0))[0] + 1
            rest = min(LONGEST, FIRST * 2.0 ** min(count - FREE, 10)) if count >= FREE else 0.0
            self._failed[key] = (count, self._clock() + rest)
        while len(self._failed) > MOST:
            self._failed.popitem(last=False)

    def passed(self, *keys: str) -> None:
        """A right one: forgotten."""
        for key in keys:
            self._failed.pop(key, None)
