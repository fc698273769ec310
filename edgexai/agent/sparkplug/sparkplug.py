"""The node as SCADA tools see it: a Sparkplug B edge node of its own connection, births, data and deaths.

    spBv1.0/<group>/NBIRTH/<fleet>:<node>   all metrics, at each connection and when a host asks for a rebirth
    spBv1.0/<group>/NDATA/…                 the last explanation and the counts, every five seconds
    spBv1.0/<group>/NDEATH/…                the last will, and at a clean end

Sparkplug keeps the present value and no history: a host that was away has missed what the outbox has not.
"""

import itertools
import logging
import ssl
import threading
import time
from dataclasses import replace
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgexai._version import VERSION
from edgexai.agent.privacy import Released
from edgexai.agent.settings import Settings
from edgexai.agent.sparkplug.payload import BOOLEAN, DOUBLE, INT64, STRING, Value, is_rebirth, pack

log = logging.getLogger(__name__)

KINDS = {
    "Explanation/Class": INT64,
    "Explanation/Label": STRING,
    "Explanation/Score": DOUBLE,
    "Explanation/Conservation": DOUBLE,
    "Counts/Samples": INT64,
    "Counts/Explained": INT64,
    "Counts/Refused": INT64,
    "Outbox/Waiting": INT64,
    "Outbox/Dropped": INT64,
    "Latency/p50 ms": DOUBLE,
    "Latency/p95 ms": DOUBLE,
    "Energy/uJ": DOUBLE,
    "Properties/Version": STRING,
    "Node Control/Rebirth": BOOLEAN,
}


class Sparkplug:
    """One edge node. Connects by itself, again if it must; nothing here holds the agent up."""

    def __init__(self, settings: Settings) -> None:
        assert settings.sparkplug is not None
        self._broker, self._labels = settings.broker, settings.labels
        name = f"{settings.fleet}:{settings.node}"
        self._topic = {
            kind: f"spBv1.0/{settings.sparkplug}/{kind}/{name}" for kind in ("NBIRTH", "NDATA", "NDEATH", "NCMD")
        }
        self._values: dict[str, Value] = dict.fromkeys(KINDS)
        self._values.update({"Properties/Version": VERSION, "Node Control/Rebirth": False})
        self._changed: dict[str, Value] = {}
        self._lock = threading.Lock()
        # a host tells a late death of the last life by its number, so that a life does not begin at zero
        self._births, self._seq = itertools.count(int(time.time())), itertools.count()
        self._client = Client(CallbackAPIVersion.VERSION2, f"{settings.fleet}/{settings.node}:sparkplug")
        # a broker that takes ids from certificates wants another certificate for a second connection
        own = None if self._broker.certificate is None else self._broker.certificate.with_suffix(".sparkplug.pem")
        if own is not None and own.is_file():
            self._broker = replace(self._broker, certificate=own, key=own.with_suffix(".key"))
        tls: ssl.SSLContext | None = self._broker.context()
        if tls is not None:
            self._client.tls_set_context(tls)
        if self._broker.username is not None:
            self._client.username_pw_set(self._broker.username, self._broker.password)
        self._client.on_pre_connect = self._before
        self._client.on_connect, self._client.on_message = self._connected, self._message
        self._client.reconnect_delay_set(1, 60)
        self._client.max_queued_messages_set(10)
        pack({}, 0, 0)  # says now if protobuf is missing

    def start(self) -> None:
        """Connect, on a thread of the client's."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=30)
        self._client.loop_start()

    def explained(self, said: Released) -> None:
        """The last explanation, as it was released."""
        label = self._labels[said.target] if 0 <= said.target < len(self._labels) else None
        with self._lock:
            self._set("Explanation/Class", said.target)
            self._set("Explanation/Label", label)
            self._set("Explanation/Score", said.score)
            self._set("Explanation/Conservation", said.conservation)

    def report(self, metrics: dict[str, Any]) -> None:
        """The agent's metrics; sends what has changed."""
        with self._lock:
            self._set("Counts/Samples", metrics["samples"])
            self._set("Counts/Explained", metrics["explained"])
            self._set("Counts/Refused", metrics["refused"])
            self._set("Outbox/Waiting", metrics["waiting"]["frames"])
            self._set("Outbox/Dropped", metrics["dropped"])
            latency = metrics["latency_ms"] or {"p50": None, "p95": None}
            self._set("Latency/p50 ms", latency["p50"])
            self._set("Latency/p95 ms", latency["p95"])
            self._set("Energy/uJ", metrics["energy_uj"])
            if self._changed and self._client.is_connected():
                self._publish("NDATA", self._changed)
                self._changed = {}

    def stop(self) -> None:
        """Say goodbye; a clean end has no last will."""
        if self._client.is_connected():
            self._client.publish(self._topic["NDEATH"], self._death, qos=1).wait_for_publish(2.0)
        self._client.disconnect()
        self._client.loop_stop()

    def _set(self, name: str, value: Value) -> None:
        if self._values[name] != value:
            self._values[name] = self._changed[name] = value

    def _publish(self, kind: str, metrics: dict[str, Value]) -> None:
        self._client.publish(self._topic[kind], pack(metrics, _now(), next(self._seq) % 256, KINDS), qos=0)

    def _before(self, client: Client, _: Any) -> None:
        """A new connection has a new birth number, which its will and its birth share."""
        self._number = next(self._births) % 256
        self._death = pack({"bdSeq": self._number}, _now(), None)
        client.will_set(self._topic["NDEATH"], self._death, qos=1, retain=False)

    def _connected(
        self, client: Client, _: Any, flags: ConnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        if code.is_failure:
            log.warning("sparkplug: the broker refuses the connection: %s", code)
            return
        client.subscribe(self._topic["NCMD"], 1)
        self._birth()

    def _birth(self) -> None:
        with self._lock:
            self._seq, self._changed = itertools.count(), {}
            self._publish("NBIRTH", {"bdSeq": self._number, **self._values})

    def _message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        if is_rebirth(bytes(message.payload)):
            self._birth()


def _now() -> int:
    return int(time.time() * 1000)
