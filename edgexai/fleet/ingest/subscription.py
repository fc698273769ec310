"""The fleet's ear at the broker: messages in batches, acknowledged when their reader says so; paho-mqtt, one thread.

Nothing is read between two calls of `receive`. While a store is slow, what arrives waits in the kernel's buffer of the
socket, then at the broker, which sends at most `WINDOW` messages that are not acknowledged: memory stays bounded
without a queue of our own.

MQTT 5 is tried first and 3.1.1 if the broker does not know it (it says so, hangs up, or never answers). What 5 brings:
the broker forgets a worker that has been away for `EXPIRY` seconds (3.1.1: never), takes our window instead of its own,
and says if it cannot share.
"""

import logging
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgexai.errors import ConfigError
from edgexai.messaging.broker import Broker

log = logging.getLogger(__name__)

VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
KEEPALIVE = 30
WINDOW = 2000  # messages on their way that are not acknowledged (MQTT 5; the broker's own bound otherwise)
MOST_BYTES = 4 << 20  # of one batch
LARGEST_PACKET = 2 << 20  # the broker drops what is larger (MQTT 5); what is not for us is refused and counted here
EXPIRY = 300  # seconds after which the broker forgets a worker that is away (MQTT 5)
PATIENCE = 5.0  # seconds for the broker's answer to a connection
BACKOFF = (0.5, 30.0)
HELD = 10.0  # seconds after which a connection has held; of what ends before, the next attempts come ever later
SAME = (
    "does another one call itself the same? A second service or worker has a --worker name and a certificate of its own"
)


@dataclass(frozen=True)
class Message:
    """As it came: ``connection`` says on which connection, since a message id means nothing on the next one."""

    connection: int
    mid: int
    qos: int
    topic: str
    payload: bytes


class Subscription:
    """Topics of one broker under a client id that the broker knows again; for one thread.

    ``version`` is "5", "3.1.1" or "auto". A broker that is away is tried again with exponential back-off and jitter.
    """

    def __init__(self, broker: Broker, client_id: str, topics: list[str], version: str = "auto") -> None:
        if version not in (*VERSIONS, "auto"):
            raise ConfigError(f"{version!r} is no version of MQTT; take 5, 3.1.1 or auto")
        self._broker, self._client_id, self._topics, self._auto = broker, client_id, topics, version == "auto"
        self._tls = broker.context()
        self.version = "5" if self._auto else version
        self.connected = False
        self.reconnects = -1
        self._client: Client | None = None
        self._connection = 0
        self._got: list[Message] = []
        self._bytes = 0
        self._reason = ""
        self._reported = ""
        self._failures = 0
        self._since = 0.0
        self._next_attempt = float("-inf")
        self._give_up_at = 0.0
        self._unsubscribed = False

    def receive(self, most: int, wait: float, linger: float) -> list[Message]:
        """What has come: at most about ``most`` messages, or none after ``wait`` seconds.

        After the first it goes on reading for ``linger`` seconds, since one flush of a disk costs as much as a hundred.
        """
        end = time.monotonic() + wait
        lingering = False
        while len(self._got) < most and self._bytes < MOST_BYTES:
            now = time.monotonic()
            if self._got and not lingering:
                lingering, end = True, now + linger
            if now >= end:
                break
            self._turn(end - now)
        got, self._got, self._bytes = self._got, [], 0
        return got

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that it may forget these; it sends the others again after the next connection."""
        for message in messages:
            if self._client is not None and message.connection == self._connection and message.qos > 0:
                self._client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0; nothing happens without a connection."""
        if self._client is not None and self.connected:
            self._client.publish(topic, payload, qos=0)

    def unsubscribe(self) -> None:
        """Let the other workers have the stream from now on. What the broker has already sent still comes."""
        if self._client is not None and self.connected:
            self._client.unsubscribe(self._topics)

    @property
    def unsubscribed(self) -> bool:
        """Whether the broker has answered `unsubscribe`, or there is no broker to wait for."""
        return self._unsubscribed or not self.connected

    def close(self) -> None:
        """Say goodbye."""
        if self._client is not None:
            with suppress(Exception):
                self._client.disconnect()
                self._client.loop(0.1)
            self._client, self.connected = None, False

    def _turn(self, wait: float) -> None:
        now = time.monotonic()
        if self._client is None:
            if now < self._next_attempt:
                time.sleep(min(wait, self._next_attempt - now, 0.2))
                return
            self._connect()
        elif not self.connected and now > self._give_up_at:
            self._other_version()
            self._lose("the broker does not answer")
        elif not self._read(self._client, min(wait, 0.2)):
            if not self.connected and not self._reason:
                self._other_version()
            self._lose(self._reason or "the connection broke")

    def _read(self, client: Client, wait: float) -> bool:
        """Take what has come; whether the connection still holds."""
        try:
            return client.loop(wait) == MQTTErrorCode.MQTT_ERR_SUCCESS
        except Exception as error:  # paho raises what comes to its mind for a packet that is none
            log.debug("the connection failed", exc_info=True)
            self._reason = f"what came is no MQTT ({type(error).__name__}: {error})"
            return False

    def _other_version(self) -> None:
        if self._auto:
            self.version = "3.1.1" if self.version == "5" else "5"

    def _connect(self) -> None:
        self._reason = ""
        protocol = VERSIONS[self.version]
        modern = protocol is MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if modern else False,
            protocol=protocol,
            manual_ack=True,
        )
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_unsubscribe, client.on_message = (
            self._on_subscribe,
            self._on_unsub,
            self._on_message,
        )
        self._client, self._give_up_at = client, time.monotonic() + PATIENCE
        self._connection += 1
        try:
            if modern:
                client.connect(
                    self._broker.host, self._broker.port, KEEPALIVE, clean_start=False, properties=_properties()
                )
            else:
                client.connect(self._broker.host, self._broker.port, KEEPALIVE)
        except (OSError, ValueError) as error:
            self._lose(str(error))

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        if code.is_failure:
            self._reason = f"the broker refuses the connection: {code}"
            if code.getName() == "Unsupported protocol version":
                self._other_version()
            return
        if self._reported:
            log.warning("connected to %s again", self._broker.url)
        self.connected, self._reported, self._since = True, "", time.monotonic()
        self.reconnects += 1
        if getattr(props, "SharedSubscriptionAvailable", 1) == 0 and any(t.startswith("$share") for t in self._topics):
            log.error("the broker %s cannot divide a stream among workers; leave --share away", self._broker.url)
        client.subscribe([(t, 1) for t in self._topics])

    def _on_subscribe(
        self, client: Client, _: Any, mid: int, codes: list[ReasonCode], props: Properties | None
    ) -> None:
        for topic, code in zip(self._topics, codes, strict=False):
            if code.is_failure:
                log.error("the broker %s refuses the subscription to %s: %s", self._broker.url, topic, code)

    def _on_unsub(self, client: Client, _: Any, mid: int, codes: Any, props: Properties | None) -> None:
        self._unsubscribed = True

    def _on_disconnect(
        self, client: Client, _: Any, flags: DisconnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        if self.connected:
            self._reason = self._reason or str(code)

    def _on_message(self, client: Client, _: Any, m: MQTTMessage) -> None:
        try:
            topic = m.topic
        except UnicodeDecodeError:  # no broker that keeps to the standard lets it through
            topic = ""
        self._got.append(Message(self._connection, m.mid, m.qos, topic, bytes(m.payload)))
        self._bytes += len(m.payload) + 100

    def _lose(self, reason: str) -> None:
        if self.connected and time.monotonic() - self._since >= HELD:
            self._failures = 0
        elif self.connected:
            reason = f"{reason}, soon after it was made: {SAME}"
        low, high = BACKOFF
        pause = random.uniform(low / 2, min(high, low * 2.0 ** min(self._failures, 30)))
        self._next_attempt = time.monotonic() + pause
        self._failures += 1
        if self._reported != reason:
            log.error("no connection to %s: %s; trying again", self._broker.url, reason)
            self._reported = reason
        client, self._client = self._client, None
        self.connected = False
        if client is not None:
            client.on_disconnect = None
            with suppress(Exception):  # it may be in any state
                client.disconnect()
                client.loop(0.0)


def _properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = WINDOW
    properties.SessionExpiryInterval = EXPIRY
    properties.MaximumPacketSize = LARGEST_PACKET
    return properties
