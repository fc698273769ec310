"""Tells nodes what to do, and waits for their replies."""

import queue
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edgexai.errors import ConfigError, Error, FrameError
from edgexai.messaging.broker import Broker
from edgexai.messaging.command import sign
from edgexai.messaging.lines import held
from edgexai.messaging.messages import name, topic, unpack

SILENT = (
    "it is away, or refuses in silence what another key has signed, or what its clock takes for late; "
    "its log and its status say more"
)
"""Why a node does not answer."""
Reply = dict[str, Any]


class NoReply(Error):
    """The node did not answer in time."""


class Ended(Error):
    """The connection ended before a reply came: whether an order was carried out is not known."""


@dataclass(frozen=True)
class Order:
    """What a node is told to ``do``, with which ``parameters``."""

    fleet: str
    node: str
    do: str
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name(self.fleet, "fleet name")
        name(self.node, "node name")


def send(broker: Broker, key: Ed25519PrivateKey, order: Order, patience: float = 30.0) -> Reply:
    """The reply to an order that expires after ``patience`` seconds: id, ok, result or error.

    Raises NoReply if none comes by then, Ended if the connection ends before, ConfigError if there is none.
    """
    (reply,) = ask(broker, key, [order], patience)
    if reply is None:
        raise NoReply(f"{order.fleet}/{order.node} did not answer within {patience:g} s: {SILENT}")
    return reply


def ask(broker: Broker, key: Ed25519PrivateKey, orders: Sequence[Order], patience: float = 30.0) -> list[Reply | None]:
    """The replies to orders that are given together, over one connection; None for a node that is silent.

    All of them take ``patience`` seconds at most, however many are silent; where all names of an operator are in use,
    one is waited for as long. Where the connection ends, what has come until then is returned. Raises Ended if that is
    nothing, ConfigError if there is no connection.
    """
    with held(broker, patience) as mine:
        return _asked(mine, key, orders, patience)


def _asked(broker: Broker, key: Ed25519PrivateKey, orders: Sequence[Order], patience: float) -> list[Reply | None]:
    line = _Line(broker, sorted({topic(one.fleet, one.node, "reply") for one in orders}))
    replies: list[Reply | None] = [None] * len(orders)
    try:
        line.open(patience)
        until, waiting = time.monotonic() + patience, {}
        for row, one in enumerate(orders):
            identity, payload = sign(key, one.fleet, one.node, one.do, one.parameters, patience)
            waiting[topic(one.fleet, one.node, "reply"), identity] = row
            line.client.publish(topic(one.fleet, one.node, "command"), payload, qos=1)
        while waiting and (heard := line.heard(until)) is not None:
            try:
                reply = unpack(heard[1])
            except FrameError:
                continue
            row = waiting.pop((heard[0], str(reply.get("id"))), -1)
            if row >= 0:
                replies[row] = reply
    except Ended:
        if not any(replies):
            raise
    finally:
        line.close()
    return replies


class _Line:
    """A connection that has subscribed, and what comes over it."""

    def __init__(self, broker: Broker, topics: Sequence[str]) -> None:
        self._broker, self._topics = broker, topics
        self._ready = threading.Event()
        self._failed: Error | None = None
        self._events: queue.SimpleQueue[tuple[str, bytes] | Error] = queue.SimpleQueue()
        identity = f"edgexai-command-{secrets.token_hex(4)}"
        # what ended is not opened anew: with a name that two share, each would end the other's without end
        self.client = Client(CallbackAPIVersion.VERSION2, identity, reconnect_on_failure=False)
        tls = broker.context()
        if tls is not None:
            self.client.tls_set_context(tls)
        if broker.username is not None:
            self.client.username_pw_set(broker.username, broker.password)
        self.client.on_connect, self.client.on_subscribe = self._connected, self._subscribed
        self.client.on_message, self.client.on_disconnect = self._message, self._ended

    def open(self, patience: float) -> None:
        """Connect and subscribe."""
        try:
            self.client.connect(self._broker.host, self._broker.port, keepalive=30)
        except OSError as error:
            raise ConfigError(f"no connection to {self._broker.url}: {error}") from None
        self.client.loop_start()
        if not self._ready.wait(patience):
            raise ConfigError(f"{self._broker.url} does not answer; is it a broker?")
        if self._failed is not None:
            raise self._failed

    def heard(self, until: float) -> tuple[str, bytes] | None:
        """The next topic and payload; None if none comes until then (monotonic seconds). Raises Ended."""
        try:
            event = self._events.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return None
        if isinstance(event, Error):
            raise event
        return event

    def close(self) -> None:
        """Leave."""
        self.client.disconnect()
        self.client.loop_stop()

    def _connected(self, client: Client, _: Any, flags: Any, code: Any, props: Any) -> None:
        if code.is_failure:
            self._fail(ConfigError(f"{self._broker.url} does not let this client in: {code}"))
        else:
            client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(self, client: Client, _: Any, mid: int, codes: Any, props: Any) -> None:
        if any(code.is_failure for code in codes):
            wrong = f"{self._broker.url} lets this client read no replies; orders are given with operator.pem"
            self._fail(ConfigError(f"{wrong}, and mosquitto knows new names when it is started anew"))
        self._ready.set()

    def _message(self, client: Client, _: Any, m: MQTTMessage) -> None:
        self._events.put((m.topic, bytes(m.payload)))

    def _ended(self, client: Client, _: Any, flags: Any, code: Any, props: Any) -> None:
        why = "the broker was ended, does not know the certificate, or somebody else gives orders with it now"
        self._fail(Ended(f"the connection to {self._broker.url} ended: {why}; try again"))

    def _fail(self, error: Error) -> None:
        self._failed = self._failed or error
        self._events.put(error)
        self._ready.set()
