"""The thin shell between `Session` and a real broker: paho-mqtt, one thread, one fresh client a connection.

paho keeps its own list of what is not acknowledged and sends all of it at once after a reconnect; a fresh client has
nothing to flood with, and the session's window decides. Whatever goes wrong on this thread, a hostile packet or a disk
that fails, ends the connection and not the thread.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgexai.agent.seldom import Seldom
from edgexai.agent.session import Connect, Disconnect, Publish, Session, State
from edgexai.errors import FrameError
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import CHANNELS, MAX_PAYLOAD, pack, pack_heatmap, topic, unpack_receipt

log = logging.getLogger(__name__)

KEEPALIVE = 30
UNHEARD = (
    "%s takes this node's frames, but no fleet service has confirmed one in %g s; they wait. Either no `edgexai fleet` "
    "listens there to this fleet, or it refuses them: its page and its log say why"
)
TURN = 0.2  # seconds that a quiet network turn waits: five wake-ups a second cost less than 0.2 % of a core


class Link(threading.Thread):
    """Keeps the connection, sends what the session says, and the last status and metrics of the node.

    ``on_command`` is called on this thread with the payload of each command. ``reason`` is why there is no connection,
    ``refused`` how many messages were too long or no receipts.
    """

    def __init__(
        self,
        broker: Broker,
        session: Session,
        fleet: str,
        node: str,
        on_command: Callable[[bytes], None] | None = None,
    ) -> None:
        super().__init__(name="edgexai-link", daemon=True)
        self._broker, self._session, self._on_command = broker, session, on_command
        self._topic = {channel: topic(fleet, node, channel) for channel in CHANNELS}
        self._client_id = f"{fleet}/{node}"  # as its certificate: no two names make one id
        self._tls = broker.context()
        self._client: Client | None = None
        self._items: dict[int, int] = {}
        self._status: dict[str, Any] = {}
        self._due: list[tuple[str, bytes, bool]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._last_state = "stopped"
        self._seldom = Seldom(log)
        self._is_told = False
        self._detail = ""  # what the broker says about the present connection
        self.reason = ""
        self.refused = 0

    def birth(self, status: dict[str, Any]) -> None:
        """What every new connection says first, retained; its ``state`` turns to ``lost`` by the last will."""
        self._status = status

    def send(self, channel: str, message: dict[str, Any], retain: bool = False) -> None:
        """Publish a JSON message soon, once, if there is a connection; only the latest of a channel is kept."""
        with self._lock:
            self._due = [d for d in self._due if d[0] != channel or channel == "reply"][-31:]
            self._due.append((channel, pack(message), retain))

    def stop(self, state: str, patience: float) -> None:
        """Say goodbye with a last ``state`` and end the thread, after at most ``patience`` seconds."""
        self._last_state = state
        self._stopping.set()
        self.join(patience)

    def run(self) -> None:
        """The thread."""
        while not self._stopping.is_set():
            try:
                self._round()
            except Exception as error:
                log.debug("the connection failed", exc_info=True)
                self._lose(f"{type(error).__name__}: {error}")
                self._stopping.wait(TURN)
        with suppress(Exception):
            self._goodbye()

    def _round(self) -> None:
        for action in self._session.poll(time.monotonic()):
            self._do(action)
        if not self._session.is_unheard:
            self._is_told = False
        elif not self._is_told:
            self._is_told = True
            log.warning(UNHEARD, self._broker.url, self._session.receipt_timeout)
        if self._client is None:
            self._stopping.wait(min(TURN, self._session.wake(time.monotonic())))
        elif self._turn(TURN) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose("the connection broke")

    def _do(self, action: Connect | Disconnect | Publish) -> None:
        if isinstance(action, Connect):
            self._connect()
        elif isinstance(action, Disconnect):
            self._lose(action.reason)
        elif self._client is not None:
            item = action.item
            payload = pack_heatmap(item.boot, item.payload)
            info = self._client.publish(self._topic["heatmap"], payload, qos=1)
            self._items[info.mid] = item.id

    def _connect(self) -> None:
        client = Client(
            CallbackAPIVersion.VERSION2, self._client_id, clean_session=True, protocol=MQTTProtocolVersion.MQTTv311
        )
        client.max_inflight_messages_set(0)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        lost = {**self._status, "state": "lost"}
        client.will_set(self._topic["status"], pack(lost), qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.on_publish, client.on_message = self._acknowledged, self._message
        self._client = client
        try:
            client.connect(self._broker.host, self._broker.port, KEEPALIVE)
        except (OSError, ValueError) as error:
            self._lose(str(error))

    def _connected(
        self, client: Client, _: Any, flags: ConnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        if code.is_failure:
            self._detail = f"the broker refuses the connection: {code}"
            return
        if self.reason:
            log.info("connected again", extra={"broker": self._broker.url})
        self.reason = ""
        client.subscribe([(self._topic["receipt"], 1), (self._topic["command"], 1)])
        client.publish(self._topic["status"], pack({**self._status, "time": time.time()}), qos=1, retain=True)
        self._session.connected(time.monotonic())

    def _disconnected(
        self, client: Client, _: Any, flags: DisconnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        self._detail = self._detail or str(code)

    def _acknowledged(self, client: Client, _: Any, mid: int, code: ReasonCode, props: Properties | None) -> None:
        item = self._items.pop(mid, None)
        if item is not None:
            self._session.acknowledged(item, time.monotonic())

    def _message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        if len(message.payload) > MAX_PAYLOAD:
            self.refused += 1
            self._seldom.warn("a message was refused", f"{len(message.payload)} bytes are too many")
        elif message.topic == self._topic["receipt"]:
            try:
                self._session.received(*unpack_receipt(bytes(message.payload)))
            except FrameError as error:
                self.refused += 1
                self._seldom.warn("a receipt was refused", error)
        elif message.topic == self._topic["command"] and self._on_command is not None:
            self._on_command(bytes(message.payload))

    def _turn(self, wait: float) -> MQTTErrorCode:
        if self._client is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        if self._session.state is State.ONLINE:
            with self._lock:
                due, self._due = self._due, []
            for channel, payload, retain in due:
                self._client.publish(self._topic[channel], payload, qos=1, retain=retain)
        return self._client.loop(wait)

    def _lose(self, reason: str) -> None:
        self.reason, self._detail = self._detail or reason, ""
        self._seldom.warn(f"no connection to {self._broker.url}", self.reason)
        client, self._client = self._client, None
        if client is not None:
            client.on_disconnect = None
            with suppress(Exception):  # it may be in any state
                client.disconnect()
                client.loop(0.0)
        self._items.clear()
        self._session.lost(time.monotonic())

    def _goodbye(self) -> None:
        if self._client is None or self._session.state is not State.ONLINE:
            return
        self._turn(0.0)
        last = self._client.publish(
            self._topic["status"],
            pack({**self._status, "state": self._last_state, "time": time.time()}),
            qos=1,
            retain=True,
        )
        deadline = time.monotonic() + 2.0
        while not last.is_published() and time.monotonic() < deadline:
            if self._client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
        self._client.disconnect()
        self._client.loop(0.1)
