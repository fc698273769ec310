"""From the broker into the store: at least once becomes exactly once.

A message is acknowledged to the broker only after the store has it on disk, and the node gets a receipt then. Commits
are as large as what has arrived meanwhile, so a quiet fleet has small ones and a busy fleet large. One thread reads,
stores and acknowledges in turn; while the store is slow, nothing is read (`subscription.py`).
"""

import json
import logging
import math
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from edgexai.errors import Error, FrameError
from edgexai.fleet.ingest.metrics import Meter
from edgexai.fleet.ingest.subscription import Message, Subscription
from edgexai.fleet.store.database import damaged
from edgexai.fleet.store.journal import Arrival, Journal, Refusal
from edgexai.fleet.store.ranges import insert
from edgexai.fleet.tried import kind
from edgexai.heatmap import header
from edgexai.intervention.trial import outcome
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import address, pack_receipt, topic, unpack_heatmap
from edgexai.messaging.notes import note
from edgexai.messaging.strict import dumps

log = logging.getLogger(__name__)

BATCH = 2000  # messages of a commit at most
LINGER = 0.03  # seconds that a batch grows after its first message
LARGEST = 3.4028234e38  # what a float32 column holds
WAIT = 0.2  # seconds after which a quiet worker looks up


@dataclass(frozen=True)
class Note:
    """A node's status or metrics; a text of None takes back what it said."""

    fleet: str
    node: str
    kind: str
    received: float
    text: str | None


Content = Arrival | Note | Refusal | None


def read(message_topic: str, payload: bytes, received: float) -> Content:
    """What a message says; a Refusal for anything hostile or broken, None for what is not for the store."""
    try:
        who = address(message_topic)
        if who.channel in ("status", "metrics"):
            if not payload:  # a retained message that was cleared: nobody says it any more
                return Note(who.fleet, who.node, who.channel, received, None)
            return Note(who.fleet, who.node, who.channel, received, dumps(note(who.channel, payload)).decode())
        if who.channel != "heatmap":
            return None
        boot, content = unpack_heatmap(payload)
        frame = header(content)
        if math.isnan(frame.score):
            raise FrameError("the frame's score is no number")
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
            score=min(max(frame.score, -LARGEST), LARGEST),  # short frames say infinity from 65,520 on; JSON cannot
            conservation=_finite(frame.conservation),
            frame=content,
        )
    except FrameError as error:
        return Refusal(received, message_topic, str(error), payload)


def trials(metrics: Note) -> Iterator[Note]:
    """What a node's trials have found, a note of its own for every suspicion: it outlives the node's next start."""
    if metrics.kind != "metrics" or '"trials"' not in (metrics.text or ""):
        return
    said = json.loads(metrics.text or "{}").get("trials")
    for found in said["found"] if said else []:
        try:
            which = kind(said["model"], outcome(found))
        except FrameError:  # of another version, or counts that cannot be
            continue
        yield Note(metrics.fleet, metrics.node, which, metrics.received, dumps(found).decode())


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Stream:
    """What a ``worker`` of this name reads of a broker: one ``fleet`` or all (+), in this ``version`` of MQTT.

    ``share`` names a group of workers that the broker divides the heatmaps among (`$share/…`). Every worker reads all
    status and metrics: retained messages do not come through a shared subscription, and the order in which a node said
    `online` and `lost` would not survive being divided.
    """

    worker: str = "0"
    share: str | None = None
    version: str = "auto"
    fleet: str = "+"

    @property
    def topics(self) -> list[str]:
        """What is subscribed to."""
        heatmaps = topic(self.fleet, "+", "heatmap")
        status = [topic(self.fleet, "+", channel) for channel in ("status", "metrics")]
        return [heatmaps if self.share is None else f"$share/{self.share}/{heatmaps}", *status]


class Ingest(threading.Thread):
    """Subscribes to fleets and fills a journal; any number of workers may share one, and a subscription.

    Ends by itself only with an ``error``: a damaged journal, say.
    """

    def __init__(self, broker: Broker, journal: Journal, stream: Stream = Stream()) -> None:
        super().__init__(name="edgexai-ingest", daemon=True)
        self._shared = stream.share is not None
        name = f"fleet-service:{stream.worker}"
        self._subscription = Subscription(broker, name, stream.topics, stream.version)
        self._journal = journal
        self._stopping = threading.Event()
        self.meter = Meter(stream.worker)
        self.error: Error | None = None
        self.ended = threading.Event()

    def stop(self) -> None:
        """Store and acknowledge what the broker has sent, and end; other workers of the share get the rest."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """The thread."""
        try:
            while not self._stopping.is_set():
                self._take(self._subscription.receive(BATCH, WAIT, LINGER))
            self._finish()
        except Error as error:
            self.error = error
        except Exception as error:  # whoever started this must hear of it, and end with an error
            log.exception("the worker ended")
            self.error = Error(f"the worker ended by a fault of its own: {type(error).__name__}: {error}")
        finally:
            self._subscription.close()
            self.ended.set()

    def _finish(self) -> None:
        if self._shared:
            self._subscription.unsubscribe()
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            batch = self._subscription.receive(BATCH, 0.1, LINGER)
            if not batch and (not self._shared or self._subscription.unsubscribed):
                return
            self._take(batch)

    def _take(self, batch: list[Message]) -> None:
        meter, subscription = self.meter, self._subscription
        meter.connected, meter.version = subscription.connected, subscription.version
        meter.reconnects = max(0, subscription.reconnects)
        if not batch:
            return
        contents = self._store([_read_safely(m, time.time()) for m in batch])
        if contents is None:
            return  # nothing is acknowledged: the broker and the nodes keep it
        subscription.acknowledge(batch)
        self._send_receipts([c for c in contents if isinstance(c, Arrival)])
        meter.bytes += sum(len(m.payload) for m in batch)

    def _store(self, contents: list[Content]) -> list[Content] | None:
        """Until it is durable, and what was made so; None if that was given up because the worker is to end."""
        while True:
            begin = time.monotonic()
            try:
                self._commit(contents)
            except sqlite3.OperationalError as error:  # a full disk, say: nothing of the batch is in the store
                self.meter.store_errors += 1
                self.meter.failing = True
                log.error("the store cannot write (%s); trying again", error)
                if self._stopping.wait(1.0):
                    return None
                continue
            except Exception as error:
                if type(error) is sqlite3.DatabaseError:
                    raise damaged(self._journal.path, error) from error
                log.exception("a batch was refused; its messages are stored one by one")
                contents = [self._alone(c) for c in contents]
                continue
            self.meter.failing = False
            self.meter.committed(time.monotonic() - begin)
            return contents

    def _alone(self, content: Content) -> Content:
        try:
            self._commit([content])
        except sqlite3.OperationalError:
            return content
        except Exception as error:
            return Refusal(time.time(), "", f"could not be stored: {type(error).__name__}", repr(content).encode())
        return content

    def _commit(self, contents: list[Content]) -> None:
        arrivals = [c for c in contents if isinstance(c, Arrival)]
        refusals = [c for c in contents if isinstance(c, Refusal)]
        said = [c for c in contents if isinstance(c, Note)]
        notes = {(c.fleet, c.node, c.kind): c for one in said for c in (one, *trials(one))}
        new = self._journal.add(arrivals, refusals, [(*key, n.received, n.text) for key, n in notes.items()])
        count = self.meter.messages
        count["stored"] += new
        count["duplicate"] += len(arrivals) - new
        count["quarantined"] += len(refusals)
        count["note"] += sum(isinstance(c, Note) for c in contents)
        count["ignored"] += sum(c is None for c in contents)
        for refusal in refusals:
            channel = refusal.topic.rsplit("/", 1)[-1]
            self.meter.refused[channel if channel in ("heatmap", "status", "metrics") else "other"] += 1

    def _send_receipts(self, arrivals: list[Arrival]) -> None:
        stored: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for a in arrivals:
            stored[a.fleet, a.node, a.boot].append(a.sequence)
        for (fleet, node, boot), sequences in stored.items():
            ranges, _ = insert([], sequences)
            self._subscription.publish(topic(fleet, node, "receipt"), pack_receipt(boot, ranges))


def _read_safely(message: Message, received: float) -> Content:
    try:
        return read(message.topic, message.payload, received)
    except Exception as error:  # a fault of ours must not let one payload stop the stream of all nodes
        log.exception("a message on %r could not be read", message.topic)
        return Refusal(received, message.topic, f"could not be read: {type(error).__name__}", message.payload)
