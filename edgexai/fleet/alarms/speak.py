"""The channels of a running service, as its options name them, and what it tells them now and then."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from edgexai.fleet.alarms.alarms import Alarms, Channel
from edgexai.fleet.alarms.announce import Announcer, Name
from edgexai.fleet.alarms.looks import Looks
from edgexai.fleet.alarms.webhook import Webhook
from edgexai.fleet.findings import Watch
from edgexai.fleet.store.labels import labels
from edgexai.fleet.store.store import Stored
from edgexai.fleet.web.view import View, decoded
from edgexai.messaging.broker import Broker

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MOST_NODES = 1000
"""Nodes that are announced: those that were heard last."""


@dataclass(frozen=True)
class Told:
    """Who is told what: a webhook, a broker, or nobody; ``least`` is the severity that alarms begin at. Nodes are told
    to try what is suspected where there is a key, ``signing``, that they take orders by: over ``orders``, or the
    service's own broker."""

    webhook: Webhook | None = None
    broker: Broker | None = None
    least: str = "medium"
    signing: "Ed25519PrivateKey | None" = None
    orders: Broker | None = None


class Speaker:
    """Tells alarms, and announces nodes, of one service."""

    def __init__(self, told: Told, watch: Watch, view: View) -> None:
        self._announcer = None if told.broker is None else Announcer(told.broker)
        self._view = view
        found: list[Channel] = [c for c in (told.webhook, self._announcer) if c is not None]
        self.alarms = Alarms(watch.directory, Looks(watch.answer).sure, found, told.least, watch.ids)

    def announce(self) -> None:
        """Say which nodes are there, and what each saw last."""
        if self._announcer is None:
            return
        online: dict[Name, bool] = {}
        for fleet, node, kind, _, text in self._view.store.journal.nodes(MOST_NODES):
            if kind == "status":
                online[fleet, node] = json.loads(text).get("state") == "online"
        last = self._view.last_frames()
        self._announcer.states({**{(s.fleet, s.node): True for s in last}, **online})
        for stored in last:
            names = labels(self._view.store.directory, stored.model)
            label = names[stored.target] if 0 <= stored.target < len(names) else str(stored.target)
            self._announcer.frame(stored, label, lambda s=stored: _map(s, self._view.bases))  # type: ignore[misc]

    def close(self) -> None:
        """Leave the broker."""
        if self._announcer is not None:
            self._announcer.close()


def _map(stored: Stored, bases: Path) -> NDArray[Any] | None:
    found = decoded([stored.frame], bases)[0]
    return None if found is None else found[0]
