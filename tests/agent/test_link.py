"""The node's link against a real broker that is slow, mute, cut off, refuses, or cannot be trusted."""

import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from broker_wire import Wire
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from mosquitto import free_port, needs_mosquitto, plain_configuration, running
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from edgexai.agent import link as link_module
from edgexai.agent.link import Link
from edgexai.agent.outbox import Outbox
from edgexai.agent.session import Session
from edgexai.fleet.keys.enrol import Terms, enrol
from edgexai.messaging.broker import Broker
from edgexai.messaging.messages import pack_receipt, unpack, unpack_heatmap

WINDOW = 8


class Store:
    """Takes heatmaps and sends receipts, as the fleet does."""

    def __init__(self, broker: Broker, receipts: bool = True) -> None:
        self.frames: list[bytes] = []
        self.states: list[str] = []
        self.most_unconfirmed = 0
        self._receipts = receipts
        self._client = Client(CallbackAPIVersion.VERSION2, "")
        if (tls := broker.context()) is not None:
            self._client.tls_set_context(tls)
        self._client.on_message = self._message
        subscribed = threading.Event()
        self._client.on_connect = lambda c, *_: c.subscribe([("edgexai/+/+/heatmap", 1), ("edgexai/+/+/status", 1)])
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert subscribed.wait(10)

    def _message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        if message.topic.endswith("status"):
            self.states.append(unpack(message.payload)["state"])
            return
        boot, frame = unpack_heatmap(message.payload)
        self.frames.append(frame)
        if self._receipts:
            client.publish("edgexai/f/n/receipt", pack_receipt(boot, [(int(frame), int(frame))]))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Node:
    """A link with its session and outbox, and patience of a second where a node has thirty."""

    def __init__(self, broker: Broker, frames: int = 0, **session: Any) -> None:
        self.outbox = Outbox(None)
        self.fill(frames)
        patience = {"ack_timeout": 1.0, "receipt_timeout": 1.0, "backoff": (0.1, 0.5), "window": WINDOW} | session
        self.session = Session(self.outbox, **patience)
        self.commands: list[bytes] = []
        self.link = Link(broker, self.session, "f", "n", self.commands.append)
        self.link.birth({"state": "online"})
        self.link.start()

    def fill(self, frames: int) -> None:
        for _ in range(frames):
            self.outbox.append(b"%d" % self.outbox.next_sequence)

    def wait(self, until: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, (self.outbox.depth(), self.session.state, self.link.reason)
            time.sleep(0.01)

    @property
    def empty(self) -> bool:
        return self.outbox.depth()[0] == 0


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    with running(plain_configuration(tmp_path, port), port):
        yield port


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    one = Wire(port)
    yield one
    one.close()


@pytest.fixture
def store(port: int) -> Iterator[Store]:
    one = Store(Broker.parse(f"mqtt://127.0.0.1:{port}"))
    yield one
    one.close()


def through(wire: Wire) -> Broker:
    return Broker.parse(f"mqtt://127.0.0.1:{wire.port}")


def in_order(frames: list[bytes]) -> bool:
    first_time = list(dict.fromkeys(int(f) for f in frames))
    return first_time == sorted(first_time)


@needs_mosquitto
def test_frames_arrive_in_order_and_leave_at_their_receipts(wire: Wire, store: Store) -> None:
    node = Node(through(wire), 100)
    node.wait(lambda: node.empty)
    node.link.stop("finished", 5.0)
    node.wait(lambda: store.states[-1:] == ["finished"])
    assert store.frames == [b"%d" % i for i in range(100)]
    assert "online" in store.states


@needs_mosquitto
def test_a_cut_wire_is_mended_and_nothing_is_lost(wire: Wire, store: Store) -> None:
    node = Node(through(wire), 300)
    for n in range(3):
        node.wait(lambda n=n: len(store.frames) > 60 * n or node.empty)  # type: ignore[misc]
        wire.cut()
    node.wait(lambda: node.empty)
    assert {int(f) for f in store.frames} == set(range(300))
    assert in_order(store.frames)
    assert wire.connections >= 2
    node.link.stop("finished", 5.0)


@needs_mosquitto
def test_a_half_open_connection_is_found_and_left_and_all_arrives(wire: Wire, store: Store) -> None:
    node = Node(through(wire), 5)
    node.wait(lambda: node.empty)
    wire.mute = True
    node.fill(50)
    node.wait(lambda: "no acknowledgement" in node.link.reason)
    assert node.outbox.depth()[0] == 50
    wire.cut()
    wire.mute = False
    node.wait(lambda: node.empty)
    assert {int(f) for f in store.frames} == set(range(55))
    assert in_order(store.frames)
    node.link.stop("finished", 5.0)


@needs_mosquitto
def test_a_half_open_connection_is_found_also_when_there_is_nothing_to_send(
    wire: Wire, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "KEEPALIVE", 1)
    node = Node(through(wire), 1)
    node.wait(lambda: node.empty)
    wire.mute = True
    node.wait(lambda: node.link.reason != "")
    wire.cut()
    wire.mute = False
    node.fill(3)
    node.wait(lambda: node.empty)
    assert len(store.frames) == 4
    node.link.stop("finished", 5.0)


@needs_mosquitto
def test_slow_acknowledgements_slow_the_node_down_and_make_no_second_copies(wire: Wire, store: Store) -> None:
    node = Node(through(wire), ack_timeout=10.0, receipt_timeout=10.0)
    node.wait(lambda: node.session.state.value == "online")
    wire.delay = 0.1
    node.fill(40)
    node.wait(lambda: node.empty)
    assert len(store.frames) == 40
    assert node.session.resent == 0
    assert wire.connections == 1
    node.link.stop("finished", 5.0)


@needs_mosquitto
def test_a_reconnect_sends_no_more_than_the_window(wire: Wire, port: int) -> None:
    deaf = Store(Broker.parse(f"mqtt://127.0.0.1:{port}"), receipts=False)
    node = Node(through(wire), 500, receipt_timeout=60.0, ack_timeout=60.0)
    node.wait(lambda: len(deaf.frames) == WINDOW)
    wire.cut()
    node.wait(lambda: len(deaf.frames) == 2 * WINDOW)
    time.sleep(0.5)
    assert len(deaf.frames) == 2 * WINDOW
    assert deaf.frames[:WINDOW] == deaf.frames[WINDOW:] == [b"%d" % i for i in range(WINDOW)]
    node.link.stop("stopped", 5.0)
    deaf.close()


@needs_mosquitto
def test_a_broker_that_closes_every_connection_is_tried_with_growing_pauses(wire: Wire, store: Store) -> None:
    wire.refuse = True
    node = Node(through(wire), 10)
    time.sleep(2.0)
    assert 3 <= wire.connections <= 20
    wire.refuse = False
    node.wait(lambda: node.empty)
    assert len(store.frames) == 10
    node.link.stop("finished", 5.0)


def test_nobody_listening_costs_no_frame_and_a_late_broker_gets_all(tmp_path: Path) -> None:
    node = Node(Broker.parse(f"mqtt://127.0.0.1:{free_port()}"), 3)
    time.sleep(0.5)
    assert node.link.is_alive()
    assert node.outbox.depth()[0] == 3
    assert "refused" in node.link.reason
    node.link.stop("stopped", 5.0)
    assert not node.link.is_alive()


HOSTILE = [
    b"\x00" * 64,
    b"\xff" * 64,
    b"\x20\x02\x00\x00" + b"\x30\xff\xff\xff\xff\xff",  # a length without end
    b"\x20\x02\x00\x00" + b"\x30\x04\x00\x05ab",  # a topic longer than its packet
    b"\x20\x02\x00\x00" + b"\x30\x06\x00\x04\xff\xfe\xfd\xfc",  # a topic that is no text
    b"\x20\x02\x00\x00" + b"\x40\x02\xff\xff" * 50,  # acknowledgements for nothing
    b"\x20\x02\x00\x00" + b"\x90\x02\x00\x01",  # a SUBACK without codes
    b"\x20\x02\x00\x00" + b"\xf0\x00",
    b"\x20\x02\x00\x00" + struct.pack(">BBH", 0x32, 2, 0),
    b"\x20\x02\x00\x00" + b"\x30\x13\x00\x11edgexai/f/n/receipt"[:21] + b"not JSON",
]


@pytest.mark.parametrize("answer", HOSTILE)
def test_a_hostile_broker_never_ends_the_thread(answer: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    accepted = threading.Event()

    def serve() -> None:
        for n in range(3):
            try:
                one, _ = server.accept()
            except OSError:
                return
            one.settimeout(0.2)
            try:
                one.recv(1000)
                one.sendall(answer)
                one.recv(1000)
            except OSError:
                pass
            one.close()
            if n:
                accepted.set()

    threading.Thread(target=serve, daemon=True).start()
    node = Node(Broker.parse(f"mqtt://127.0.0.1:{server.getsockname()[1]}"), 3)
    assert accepted.wait(15), "the node did not come back"
    assert node.link.is_alive()
    assert node.outbox.depth()[0] == 3
    node.link.stop("stopped", 5.0)
    assert not node.link.is_alive()
    server.close()


def test_a_disk_that_fails_does_not_end_the_thread() -> None:
    node = Node(Broker.parse(f"mqtt://127.0.0.1:{free_port()}"))

    def fails(now: float) -> Any:
        raise OSError("the disk is gone")

    whole = node.session.poll
    node.session.poll = fails  # type: ignore[method-assign]
    node.wait(lambda: "the disk is gone" in node.link.reason)
    node.session.poll = whole  # type: ignore[method-assign]
    assert node.link.is_alive()
    node.link.stop("stopped", 5.0)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    enrol(directory, "f", ["n", "m"], ["localhost", "127.0.0.1"], Terms(port=free_port()))
    return directory


@pytest.fixture
def tls_port(keys: Path) -> Iterator[int]:
    port = int((keys / "mosquitto.conf").read_text().split("listener ")[1].split()[0])
    with running(keys / "mosquitto.conf", port):
        yield port


def trusted(keys: Path, port: int, name: str = "nodes/n", ca: Path | None = None) -> Broker:
    return Broker.parse(
        f"mqtts://localhost:{port}", False, ca or keys / "ca.pem", keys / f"{name}.pem", keys / f"{name}.key"
    )


@needs_mosquitto
def test_frames_travel_over_mutual_tls(keys: Path, tls_port: int) -> None:
    store = Store(trusted(keys, tls_port, "fleet"))
    node = Node(trusted(keys, tls_port), 20)
    node.wait(lambda: node.empty)
    assert len(store.frames) == 20
    node.link.stop("finished", 5.0)
    store.close()


def expired(keys: Path, to: Path) -> None:
    """The node's certificate again, of last week."""
    old, key = x509.load_pem_x509_certificate((keys / "nodes/n.pem").read_bytes()), (keys / "nodes/n.key").read_bytes()
    own, signing = (serialization.load_pem_private_key(k, None) for k in (key, (keys / "ca.key").read_bytes()))
    authority, now = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes()), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now - timedelta(days=1))
        .sign(signing, hashes.SHA256())  # type: ignore[arg-type]
    )
    (to / "n.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (to / "n.key").write_bytes(key)
    (to / "n.key").chmod(0o600)


@needs_mosquitto
@pytest.mark.parametrize("fault", ["authority", "name", "expired", "stranger", "none"])
def test_without_the_right_certificates_nothing_leaves_and_nothing_is_lost(
    keys: Path, tls_port: int, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    if fault in ("authority", "stranger"):
        enrol(tmp_path, "f", ["n"], ["localhost"])
    if fault == "authority":  # the broker is of an authority that the node does not trust
        broker, says = trusted(keys, tls_port, ca=tmp_path / "ca.pem"), "certificate verify failed"
    elif fault == "name":  # the broker's certificate is for another host
        broker, says = trusted(keys, tls_port), "certificate verify failed"
        broker = Broker(**{**vars(broker), "host": "localhost.localdomain"})
        try:
            socket.getaddrinfo(broker.host, tls_port)
        except OSError:
            broker = Broker(**{**vars(broker), "host": socket.gethostname()})
    elif fault == "expired":
        expired(keys, tmp_path)
        broker, says = trusted(tmp_path, tls_port, "n", keys / "ca.pem"), ""
    elif fault == "stranger":  # the node's certificate is of another authority
        broker, says = trusted(tmp_path, tls_port, ca=keys / "ca.pem"), ""
    else:  # a node without a certificate
        broker, says = Broker.parse(f"mqtts://localhost:{tls_port}", ca=keys / "ca.pem"), ""
    store = Store(trusted(keys, tls_port, "fleet"))
    with caplog.at_level(logging.DEBUG):
        node = Node(broker, 5)
        node.wait(lambda: node.link.reason != "")
        time.sleep(0.5)
        assert node.link.is_alive()
        assert node.session.state.value != "online"
    node.link.stop("stopped", 5.0)
    assert node.outbox.depth()[0] == 5
    assert store.frames == []
    assert says in caplog.text
    assert "PRIVATE KEY" not in caplog.text
    store.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_a_broker_of_old_tls_is_refused(keys: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_1
    server.set_ciphers("ALL:@SECLEVEL=0")
    server.load_cert_chain(keys / "broker.pem", keys / "broker.key")
    listener = socket.create_server(("127.0.0.1", 0))
    failures: list[str] = []

    def serve() -> None:
        one, _ = listener.accept()
        try:
            server.wrap_socket(one, server_side=True)
        except (ssl.SSLError, OSError) as error:
            failures.append(str(error))

    threading.Thread(target=serve, daemon=True).start()
    node = Node(trusted(keys, listener.getsockname()[1]), 1)
    node.wait(lambda: bool(failures) and node.link.reason != "")
    assert node.outbox.depth()[0] == 1
    node.link.stop("stopped", 5.0)
    listener.close()


@needs_mosquitto
def test_a_password_travels_and_is_in_no_log_and_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n")
    secret = tmp_path / "password"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    broker = Broker.parse(f"mqtt://127.0.0.1:{port}", username="n", password_file=secret)
    assert broker.password == "correct horse battery"
    with running(configuration, port), caplog.at_level(logging.DEBUG):
        node = Node(broker, 1)
        node.wait(lambda: "Not authorized" in node.link.reason)
        node.link.stop("stopped", 5.0)
    for told in (caplog.text, repr(broker), str(broker), broker.url, node.link.reason):
        assert "horse" not in told
