"""From the broker into the store: at least once becomes exactly once.

A message is acknowledged to the broker only after the store has it on disk, and the node gets a receipt then. Commits
are as large as what has arrived while the last one was written, so a quiet fleet has small ones and a busy fleet large.
"""

import logging
import math
import queue
import sqlite3
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgexai.errors import FrameError
from edgexai.fleet.journal import Arrival, Journal, Refusal
from edgexai.fleet.ranges import insert
from edgexai.heatmap import header
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import address, pack_receipt, topic, unpack, unpack_heatmap

log = logging.getLogger(__name__)

BATCH = 5000


@dataclass(frozen=True)
class Message:
    """As it came: ``connection`` says on which connection, since a message id means nothing on the next one."""

    connection: int
    mid: int
    qos: int
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Note:
    """A node's status or metrics."""

    fleet: str
    node: str
    kind: str
    received: float
    text: str


def read(message_topic: str, payload: bytes, received: float) -> Arrival | Note | Refusal | None:
    """What a message says; a Refusal for anything hostile or broken, None for what is not for the store."""
    try:
        who = address(message_topic)
        if who.channel in ("status", "metrics"):
            unpack(payload)
            return Note(who.fleet, who.node, who.channel, received, payload.decode())
        if who.channel != "heatmap":
            return None
        boot, content = unpack_heatmap(payload)
        frame = header(content)
        if not math.isfinite(frame.score):
            raise FrameError("the frame's score is not finite")
        if not (0 <= frame.sequence < 2**63 and -(2**31) <= frame.target < 2**31):
            raise FrameError(f"the frame's sequence {frame.sequence} or target {frame.target} is out of range")
        return Arrival(
            fleet=who.fleet,
            node=who.node,
            boot=boot,
            sequence=frame.sequence,
            received=received,
            time=frame.time,
            model=frame.model.hex() or "unknown",
            target=frame.target,
            score=frame.score,
            conservation=frame.conservation,
            frame=content,
        )
    except FrameError as error:
        return Refusal(received, message_topic, str(error), payload)


class Ingest:
    """Subscribes to fleets and fills a journal; any number of them may share one, and a subscription.

    ``share`` names a group of workers that the broker divides the heatmaps among (`$share/…`).
    """

    def __init__(self, broker: Broker, journal: Journal, fleet: str = "+", worker: str = "0", share: str | None = None):
        self._broker, self._journal, self._fleet, self._share = broker, journal, fleet, share
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._connection = 0
        self._stopping = threading.Event()
        self.connected = threading.Event()
        client = Client(
            CallbackAPIVersion.VERSION2,
            f"edgexai-ingest-{worker}",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        tls = broker.context()
        if tls is not None:
            client.tls_set_context(tls)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        client.reconnect_delay_set(1, 30)
        client.on_connect, client.on_disconnect, client.on_message = self._connected, self._disconnected, self._message
        self._client = client
        self._writer = threading.Thread(target=self._write, name="edgexai-ingest", daemon=True)

    def start(self) -> None:
        """Connect and go on in the background; a broker that is away is waited for."""
        self._writer.start()
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Store what has arrived, and end."""
        self._client.unsubscribe([t for t, _ in self._topics()])
        self._stopping.set()
        self._queue.put(None)
        self._writer.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _topics(self) -> list[tuple[str, int]]:
        heatmaps = topic(self._fleet, "+", "heatmap")
        return [
            (heatmaps if self._share is None else f"$share/{self._share}/{heatmaps}", 1),
            (topic(self._fleet, "+", "status"), 1),
            (topic(self._fleet, "+", "metrics"), 1),
        ]

    def _connected(
        self, client: Client, _: Any, flags: ConnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        if code.is_failure:
            log.error("the broker %s refuses the connection: %s", self._broker.url, code)
            return
        self._connection += 1
        client.subscribe(self._topics())
        self.connected.set()

    def _disconnected(
        self, client: Client, _: Any, flags: DisconnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        self.connected.clear()

    def _message(self, client: Client, _: Any, m: MQTTMessage) -> None:
        self._queue.put(Message(self._connection, m.mid, m.qos, m.topic, bytes(m.payload)))

    def _write(self) -> None:
        going = True
        while going:
            batch, going = self._next_batch()
            if batch:
                self._store(batch)

    def _next_batch(self) -> tuple[list[Message], bool]:
        batch: list[Message] = []
        while len(batch) < BATCH:
            try:
                message = self._queue.get(block=not batch)
            except queue.Empty:
                break
            if message is None:
                return batch, False
            batch.append(message)
        return batch, True

    def _store(self, batch: list[Message]) -> None:
        received = time.time()
        read_all = [read(m.topic, m.payload, received) for m in batch]
        arrivals = [r for r in read_all if isinstance(r, Arrival)]
        refusals = [r for r in read_all if isinstance(r, Refusal)]
        notes = [r for r in read_all if isinstance(r, Note)]
        while not self._stored(arrivals, refusals, notes):
            if self._stopping.wait(1.0):  # nothing is acknowledged: the broker and the nodes keep it
                return
        for message in batch:
            if message.connection == self._connection:
                self._client.ack(message.mid, message.qos)
        self._send_receipts(arrivals)

    def _stored(self, arrivals: list[Arrival], refusals: list[Refusal], notes: list[Note]) -> bool:
        try:
            self._journal.add(arrivals, refusals)
            self._journal.note((n.fleet, n.node, n.kind, n.received, n.text) for n in notes)
        except sqlite3.OperationalError as error:
            log.error("the store cannot write (%s); trying again", error)
            return False
        return True

    def _send_receipts(self, arrivals: list[Arrival]) -> None:
        stored: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for a in arrivals:
            stored[a.fleet, a.node, a.boot].append(a.sequence)
        for (fleet, node, boot), sequences in stored.items():
            ranges, _ = insert([], sequences)
            self._client.publish(topic(fleet, node, "receipt"), pack_receipt(boot, ranges), qos=0)
