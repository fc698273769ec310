"""The node's side of the conversation with the broker, without any I/O: events and time in, actions out.

    offline --Connect--> connecting --connected--> online --lost--> offline (waits: exponential, full jitter)

A frame is in flight from its publish until it is confirmed: by the fleet's receipt (`confirm="store"`, it is in the
store), or by the broker's acknowledgement (`confirm="broker"`). At most ``window`` frames are in flight. Whatever was
in flight when the connection broke is sent again, in order, from the oldest; the store drops what it has. Frames for
which no receipt has come four times may be such as nobody can read: later ones may pass them then, and they are tried
again when there is nothing else, or at the next connection.
"""

import random
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

from edgexai.agent.outbox import Item
from edgexai.messaging.messages import Ranges


class State(Enum):
    """Where the conversation stands."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    ONLINE = "online"


@dataclass(frozen=True)
class Connect:
    """Open a connection to the broker."""


@dataclass(frozen=True)
class Disconnect:
    """Give the connection up; the broker does not answer any more."""

    reason: str


@dataclass(frozen=True)
class Publish:
    """Send a frame with QoS 1."""

    item: Item


_TRIES = 4

Action = Connect | Disconnect | Publish


class Queue(Protocol):
    """What the session needs of an outbox."""

    def after(self, item: int, limit: int) -> list[Item]: ...

    def confirm(self, boot: str, stored: Ranges, up_to: int) -> int: ...


@dataclass
class _Flight:
    item: Item
    since: float
    acknowledged: bool = False


@dataclass
class Session:
    """Decides what is sent when. Times are seconds of any clock that does not go back.

    ``ack_timeout``: an acknowledgement that takes longer means a dead connection. ``receipt_timeout``: a receipt that
    takes longer means that the frame was lost behind the broker, and it is sent again; doubles up to 32 times that.
    """

    queue: Queue
    confirm: Literal["store", "broker"] = "store"
    window: int = 64
    ack_timeout: float = 30.0
    receipt_timeout: float = 20.0
    backoff: tuple[float, float] = (1.0, 60.0)
    dice: random.Random = field(default_factory=random.Random)

    state: State = State.OFFLINE
    confirmed: int = 0
    resent: int = 0
    _flights: dict[int, _Flight] = field(default_factory=dict)
    _cursor: int = -1
    _base: int = -1
    _passed_at: float | None = None
    _high: int = -1
    _failures: int = 0
    _patience: int = 0
    _next_attempt: float = float("-inf")
    _connecting_since: float = 0.0
    _online_since: float = 0.0

    @property
    def is_unheard(self) -> bool:
        """Whether frames have reached the broker and no receipt has come for them in time."""
        return self._patience > 0

    def connected(self, now: float) -> None:
        """The broker has accepted the connection."""
        self.state, self._online_since = State.ONLINE, now

    def lost(self, now: float) -> None:
        """The connection broke, or never came about."""
        low, high = self.backoff
        if self.state is State.ONLINE and now - self._online_since > high:
            self._failures = 0  # it held: this is a new fault, not the old one going on
        ceiling = min(high, low * 2.0 ** min(self._failures, 30))
        self._next_attempt = now + self.dice.uniform(low / 2, ceiling)
        self._failures += 1
        self.state = State.OFFLINE
        self._start_over()

    def acknowledged(self, item: int, now: float) -> None:
        """The broker has a frame."""
        flight = self._flights.get(item)
        if flight is None:
            return
        if self.confirm == "broker":
            self._done(flight.item.boot, [(flight.item.sequence, flight.item.sequence)])
        elif not flight.acknowledged:
            flight.acknowledged, flight.since = True, now

    def received(self, boot: str, stored: Ranges) -> None:
        """The store has frames. What was never sent stays, whatever a receipt says of it."""
        if self.confirm == "store":
            self._done(boot, stored)

    def poll(self, now: float) -> list[Action]:
        """What to do now."""
        if self.state is State.OFFLINE:
            if now < self._next_attempt:
                return []
            self.state, self._connecting_since = State.CONNECTING, now
            return [Connect()]
        if self.state is State.CONNECTING:
            late = now - self._connecting_since > self.ack_timeout
            return [Disconnect(f"no answer to the connection for {self.ack_timeout:g} s")] if late else []
        oldest = min((f.since for f in self._flights.values() if not f.acknowledged), default=now)
        if now - oldest > self.ack_timeout:
            return [Disconnect(f"no acknowledgement for {self.ack_timeout:g} s")]
        waited = min((f.since for f in self._flights.values() if f.acknowledged), default=now)
        if now - waited > self.receipt_timeout * 2 ** min(self._patience, 5):
            self._patience += 1
            self._flights.clear()
            if self._patience % _TRIES == 0 and self.queue.after(self._cursor, 1):
                self._base, self._passed_at, self._patience = self._cursor, now, _TRIES // 2
            self._cursor = self._base
        if self._passed_at is not None and not self._flights and now - self._passed_at > 32 * self.receipt_timeout:
            self._start_over()
        return self._fill(now)

    def wake(self, now: float) -> float:
        """Seconds until `poll` can have something to do by itself, at most 1."""
        return min(1.0, max(0.0, self._next_attempt - now)) if self.state is State.OFFLINE else 1.0

    @property
    def in_flight(self) -> int:
        """Frames that were sent on this connection and are not confirmed."""
        return len(self._flights)

    def _fill(self, now: float) -> list[Action]:
        room = self.window - len(self._flights)
        actions: list[Action] = []
        for item in self.queue.after(self._cursor, room) if room > 0 else ():
            self.resent += item.id <= self._high
            self._cursor = item.id
            self._high = max(self._high, item.id)
            self._flights[item.id] = _Flight(item, now)
            actions.append(Publish(item))
        return actions

    def _done(self, boot: str, stored: Ranges) -> None:
        self.confirmed += self.queue.confirm(boot, stored, self._high)
        for key, flight in list(self._flights.items()):
            if flight.item.boot == boot and any(first <= flight.item.sequence <= last for first, last in stored):
                del self._flights[key]
                self._patience = 0

    def _start_over(self) -> None:
        self._flights.clear()
        self._cursor = self._base = -1
        self._passed_at = None
