"""A fleet as `enrol` sets it up, under attack: mosquitto with mutual TLS, a worker, two honest nodes that go on."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from arrivals import message
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from mosquitto import free_port, needs_mosquitto, running
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edgexai.fleet.ingest.ingest import Ingest, Stream
from edgexai.fleet.keys.enrol import enrol
from edgexai.fleet.store.store import Store
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import topic

pytestmark = needs_mosquitto


class Node:
    """A client with a certificate; says what the broker answered to each of its messages."""

    def __init__(self, keys: Path, port: int, name: str, client_id: str = "", ca: Path | None = None) -> None:
        broker = Broker.parse(
            f"mqtts://localhost:{port}", False, ca or keys / "ca.pem", keys / f"{name}.pem", keys / f"{name}.key"
        )
        self.answers: dict[int, ReasonCode] = {}
        self.online = self.gone = False
        self.client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        context = broker.context()
        assert context is not None
        self.client.tls_set_context(context)
        self.client.on_connect, self.client.on_publish = self._connected, self._answered
        self.client.on_disconnect = self._gone
        try:
            self.client.connect("localhost", port)
            self.client.loop_start()
            until(lambda: self.online or self.gone, 3)
        except (ssl.SSLError, ConnectionError):
            self.gone = True

    def send(self, where: str, payload: bytes) -> MQTTMessageInfo:
        return self.client.publish(where, payload, qos=1)

    def refused(self, where: str, payload: bytes) -> bool:
        """Whether the broker said that this may not be published."""
        sent = self.send(where, payload)
        assert until(lambda: sent.mid in self.answers)
        return self.answers[sent.mid].getName() == "Not authorized"

    def end(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _connected(self, client: Client, _: Any, flags: Any, code: ReasonCode, props: Any) -> None:
        self.online = not code.is_failure

    def _answered(self, client: Client, _: Any, mid: int, code: ReasonCode, props: Any) -> None:
        self.answers[mid] = code

    def _gone(self, *_: Any) -> None:
        self.online, self.gone = False, True


def until(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


class Fleet:
    """Broker, worker, store and two honest nodes; `healthy` has both deliver one more frame."""

    def __init__(self, keys: Path, port: int, store: Store, log: Path) -> None:
        self.keys, self.port, self.store, self.log = keys, port, store, log
        fleet = Broker.parse(
            f"mqtts://localhost:{port}", False, keys / "ca.pem", keys / "fleet.pem", keys / "fleet.key"
        )
        self.ingest = Ingest(fleet, store.journal, Stream("one", "workers"))
        self.ingest.start()
        assert until(lambda: self.ingest.meter.connected)
        time.sleep(0.2)
        self.nodes = {n: Node(keys, port, f"nodes/{n}") for n in ("a", "b")}
        self.sent = 0

    def healthy(self) -> bool:
        for name, node in self.nodes.items():
            node.send(topic("line", name, "heatmap"), message(sequence=self.sent))
        self.sent += 1
        return until(lambda: self.store.journal.totals() == {("line", n): (self.sent, self.size()) for n in "ab"})

    def size(self) -> int:
        return sum(len(message(sequence=n)) - 8 for n in range(self.sent))

    def counted(self, text: str) -> int:
        """How often the broker's log says this."""
        return self.log.read_text().count(text)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    keys, port = tmp_path / "keys", free_port()
    enrol(keys, "line", ["a", "b", "bad"], ["localhost"], port)
    configuration, log = keys / "mosquitto.conf", tmp_path / "mosquitto.log"
    configuration.write_text(configuration.read_text() + f"log_dest file {log}\nlog_type all\n")
    store = Store(tmp_path / "store")
    with running(configuration, port):
        one = Fleet(keys, port, store, log)
        assert one.healthy()
        yield one
        assert one.healthy()  # whatever happened, the honest nodes go on
        assert all(n.online for n in one.nodes.values())
        for node in one.nodes.values():
            node.end()
        one.ingest.stop()
    store.close()


def test_certificates_of_others_expired_ones_and_none_are_refused_and_in_the_log(fleet: Fleet, tmp_path: Path) -> None:
    enrol(tmp_path / "other", "line", ["a"], ["localhost"])
    stranger = Node(tmp_path / "other", fleet.port, "nodes/a", ca=fleet.keys / "ca.pem")
    assert not stranger.online
    expired(fleet.keys, "a", tmp_path / "old.pem")
    late = Node(tmp_path, fleet.port, "old", ca=fleet.keys / "ca.pem")
    assert not late.online
    assert until(lambda: fleet.counted("certificate verify failed") == 2)
    context = ssl.create_default_context(cafile=str(fleet.keys / "ca.pem"))  # and no certificate of its own
    with socket.create_connection(("localhost", fleet.port)) as plain:
        secure = context.wrap_socket(plain, server_hostname="localhost")
        with pytest.raises((ssl.SSLError, ConnectionError), match=r"certificate required|reset"):
            secure.recv(1)
    assert until(lambda: fleet.counted("peer did not return a certificate") == 1)
    for one in (stranger, late):
        one.end()


def test_another_nodes_topics_commands_and_receipts_are_refused_and_in_the_log(fleet: Fleet) -> None:
    a = fleet.nodes["a"]
    forged = [topic("line", "b", c) for c in ("heatmap", "status", "metrics", "reply", "command", "receipt")]
    forged += [topic("line", "a", c) for c in ("command", "receipt")] + [topic("other", "a", "heatmap"), "$SYS/x"]
    assert all(a.refused(where, message(sequence=99)) for where in forged)
    assert not a.refused(topic("line", "a", "heatmap"), b"x")  # its own is its own, whatever it says
    assert until(lambda: fleet.ingest.meter.refused["heatmap"] == 1)
    assert fleet.counted("Denied PUBLISH") == len(forged)


def test_a_payload_of_a_megabyte_costs_its_sender_the_connection(fleet: Fleet) -> None:
    bad = Node(fleet.keys, fleet.port, "nodes/bad")
    bad.send(topic("line", "bad", "heatmap"), bytes(1_000_000))
    assert until(lambda: bad.gone)
    bad.end()
    assert until(lambda: fleet.counted("line/bad") >= 2)
    assert fleet.ingest.meter.messages["quarantined"] == 0  # it never came this far


def test_a_replayed_frame_is_dropped_and_counted(fleet: Fleet) -> None:
    for _ in range(5):
        fleet.nodes["a"].send(topic("line", "a", "heatmap"), message(sequence=0))
    assert until(lambda: fleet.store.journal.counters()["duplicates"] == 5)


def expired(keys: Path, node: str, to: Path) -> None:
    """A certificate that was the node's until yesterday, and its key."""
    authority = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes())
    signing = serialization.load_pem_private_key((keys / "ca.key").read_bytes(), None)
    own = serialization.load_pem_private_key((keys / "nodes" / f"{node}.key").read_bytes(), None)
    now = datetime.now(UTC)
    old = (
        x509.CertificateBuilder()
        .subject_name(x509.load_pem_x509_certificate((keys / "nodes" / f"{node}.pem").read_bytes()).subject)
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now - timedelta(days=1))
        .sign(signing, hashes.SHA256())
    )
    to.write_bytes(old.public_bytes(serialization.Encoding.PEM))
    to.with_suffix(".key").write_bytes((keys / "nodes" / f"{node}.key").read_bytes())
    to.with_suffix(".key").chmod(0o600)


def test_a_node_cannot_join_a_shared_subscription_and_swallow_a_fleets_frames(fleet: Fleet) -> None:
    thief = Node(fleet.keys, fleet.port, "nodes/bad")
    wanted = [
        "$share/g/edgexai/+/+/heatmap",
        "$share/ingest/#",
        "edgexai/+/+/heatmap",
        "#",
        topic("line", "a", "command"),
    ]
    codes: list[str] = []
    thief.client.on_subscribe = lambda client, data, mid, found, props: codes.extend(c.getName() for c in found)
    for pattern in [*wanted, topic("line", "bad", "command")]:
        thief.client.subscribe(pattern, 1)
    assert until(lambda: len(codes) == len(wanted) + 1)
    assert codes == ["Not authorized"] * len(wanted) + ["Granted QoS 1"]
    assert fleet.healthy()  # each of these frames is stored: nobody else was given one
    thief.end()


def test_a_node_cannot_take_over_the_service_or_another_node_by_their_client_ids(fleet: Fleet) -> None:
    before = fleet.ingest.meter.reconnects
    for victim in ("fleet-service", "fleet-service:w1", "line/a", "edgexai-line-a", ""):
        taker = Node(fleet.keys, fleet.port, "nodes/bad", victim)
        assert taker.online
        assert fleet.healthy()
        taker.end()
    assert fleet.ingest.meter.reconnects == before
    assert all(node.online for node in fleet.nodes.values())
