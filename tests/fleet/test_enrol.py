"""Certificates and rules: mosquitto, as `enrol` configures it, lets each node do what is its own and nothing else."""

import signal
import ssl
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from mosquitto import free_port, needs_mosquitto, running
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.fleet.keys.enrol import enrol
from edgexai.messaging.broker import Broker


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    enrol(directory, "line", ["a", "b"], ["localhost", "127.0.0.1"], port=free_port())
    return directory


def test_private_keys_are_private_and_nothing_is_made_twice(keys: Path) -> None:
    private = [*keys.rglob("*.key")]
    assert {p.name for p in private} == {"ca.key", "broker.key", "fleet.key", "a.key", "b.key", "command.key"}
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in private)
    before = {p: p.read_bytes() for p in keys.rglob("*") if p.is_file()}
    made = enrol(keys, "line", ["a", "b", "c"], ["localhost"])
    assert {p.name for p in made} == {"c.key", "c.pem"}
    assert all(p.read_bytes() == content for p, content in before.items())


def test_a_name_that_would_leave_the_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        enrol(tmp_path, "line", ["../x"], ["localhost"])


class Peer:
    """A client with a certificate."""

    def __init__(self, keys: Path, name: str, port: int, client_id: str = "", ca: Path | None = None) -> None:
        broker = Broker.parse(
            f"mqtts://localhost:{port}", False, ca or keys / "ca.pem", keys / f"{name}.pem", keys / f"{name}.key"
        )
        self.got: list[tuple[str, bytes]] = []
        self.acknowledged: set[int] = set()
        self.online = False
        self.client = Client(CallbackAPIVersion.VERSION2, client_id)
        context = broker.context()
        assert context is not None
        self.client.tls_set_context(context)
        self.client.on_connect = self._connected
        self.client.on_message = self._message
        self.client.connect(broker.host, broker.port)
        self.turn(lambda: self.online)

    def _connected(self, client: Client, _: Any, flags: Any, code: Any, props: Any) -> None:
        self.online = not code.is_failure

    def _message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        self.got.append((message.topic, message.payload))

    def turn(self, until: Any, seconds: float = 5.0) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not until():
            if self.client.loop(0.02) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        return bool(until())


@pytest.fixture(scope="module")
def port(keys: Path) -> Iterator[int]:
    port = int((keys / "mosquitto.conf").read_text().split("listener ")[1].split()[0])
    with running(keys / "mosquitto.conf", port):
        yield port


def seen_by_the_fleet(keys: Path, port: int, sender: str, topic: str) -> bool:
    fleet, node = Peer(keys, "fleet", port), Peer(keys, sender, port)
    fleet.client.subscribe("edgexai/+/+/heatmap", 1)
    fleet.turn(lambda: False, 0.15)
    node.client.publish(topic, b"x", qos=1)
    node.client.publish(f"edgexai/line/{sender.split('/')[-1]}/heatmap", b"last", qos=1)
    node.turn(lambda: False, 0.1)
    assert fleet.turn(lambda: any(p == b"last" for _, p in fleet.got))
    return any(p == b"x" for _, p in fleet.got)


@needs_mosquitto
def test_a_node_writes_under_its_own_name(keys: Path, port: int) -> None:
    assert seen_by_the_fleet(keys, port, "nodes/a", "edgexai/line/a/heatmap")


@needs_mosquitto
@pytest.mark.parametrize("topic", ["edgexai/line/b/heatmap", "edgexai/other/a/heatmap", "edgexai/line/a/x/heatmap"])
def test_a_node_cannot_write_under_another_name(keys: Path, port: int, topic: str) -> None:
    assert not seen_by_the_fleet(keys, port, "nodes/a", topic)


@needs_mosquitto
def test_a_node_reads_its_own_receipts_and_commands_and_nobody_elses(keys: Path, port: int) -> None:
    fleet, a, b = Peer(keys, "fleet", port), Peer(keys, "nodes/a", port), Peer(keys, "nodes/b", port)
    for node in (a, b):
        node.client.subscribe("edgexai/#", 1)
        node.turn(lambda: False, 0.15)
    for channel in ("command", "receipt"):
        fleet.client.publish(f"edgexai/line/a/{channel}", channel.encode(), qos=1)
    fleet.turn(lambda: False, 0.1)
    assert a.turn(lambda: len(a.got) == 2)
    assert not b.turn(lambda: bool(b.got), 0.3)


@needs_mosquitto
def test_a_node_cannot_command_another_or_forge_its_receipt(keys: Path, port: int) -> None:
    a, b = Peer(keys, "nodes/a", port), Peer(keys, "nodes/b", port)
    b.client.subscribe("edgexai/line/b/+", 1)
    b.turn(lambda: False, 0.15)
    for channel in ("command", "receipt"):
        a.client.publish(f"edgexai/line/b/{channel}", b"forged", qos=1)
    a.turn(lambda: False, 0.1)
    assert not b.turn(lambda: bool(b.got), 0.3)


@needs_mosquitto
def test_a_node_that_is_locked_out_can_do_nothing_more_and_the_others_go_on(tmp_path: Path) -> None:
    port = free_port()
    enrol(tmp_path, "line", ["a", "b"], ["localhost"], port, sparkplug="plant")
    with running(tmp_path / "mosquitto.conf", port) as broker:
        time.sleep(0.2)
        assert seen_by_the_fleet(tmp_path, port, "nodes/a", "edgexai/line/a/heatmap")
        assert main(["fleet", "enrol", "--fleet", "line", "--lock-out", "a", "--out", str(tmp_path)]) == 0
        broker.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        fleet, a, b = (Peer(tmp_path, name, port) for name in ("fleet", "nodes/a", "nodes/b"))
        fleet.client.subscribe("edgexai/+/+/heatmap", 1)
        fleet.turn(lambda: False, 0.15)
        for node, name in ((a, "a"), (b, "b")):
            node.client.publish(f"edgexai/line/{name}/heatmap", name.encode(), qos=1)
            node.turn(lambda: False, 0.1)
        assert fleet.turn(lambda: any(p == b"b" for _, p in fleet.got))
        assert all(p != b"a" for _, p in fleet.got)


@needs_mosquitto
def test_a_node_of_a_sparkplug_group_speaks_for_itself_there_and_for_nobody_else(tmp_path: Path) -> None:
    port = free_port()
    enrol(tmp_path, "line", ["a", "b"], ["localhost"], port, sparkplug="plant")
    before = (tmp_path / "acl").read_text()
    enrol(tmp_path, "line", ["a", "b"], ["localhost"], port, sparkplug="plant")
    assert (tmp_path / "acl").read_text() == before
    with (tmp_path / "acl").open("a") as rules:
        rules.write("\nuser fleet-service\ntopic read spBv1.0/#\n")  # as a host application has it
    with running(tmp_path / "mosquitto.conf", port):
        host, a = Peer(tmp_path, "fleet", port), Peer(tmp_path, "nodes/a", port)
        host.client.subscribe("spBv1.0/#", 1)
        host.turn(lambda: False, 0.15)
        for topic in ("plant/NBIRTH/line:b", "other/NBIRTH/line:a", "plant/NBIRTH/line:a"):
            a.client.publish(f"spBv1.0/{topic}", b"x", qos=1)
        a.turn(lambda: False, 0.1)
        assert host.turn(lambda: bool(host.got))
        assert [t for t, _ in host.got] == ["spBv1.0/plant/NBIRTH/line:a"]


@needs_mosquitto
def test_a_broker_of_another_authority_is_not_trusted(keys: Path, port: int, tmp_path: Path) -> None:
    enrol(tmp_path, "line", [], ["localhost"])
    with pytest.raises(ssl.SSLCertVerificationError):
        Peer(keys, "nodes/a", port, ca=tmp_path / "ca.pem")


@needs_mosquitto
def test_a_certificate_of_another_authority_is_refused(keys: Path, port: int, tmp_path: Path) -> None:
    enrol(tmp_path, "line", ["a"], ["localhost"])
    assert not refused_or_online(tmp_path, "nodes/a", port, keys / "ca.pem")


@needs_mosquitto
def test_an_expired_certificate_is_refused(keys: Path, port: int, tmp_path: Path) -> None:
    authority = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes())
    signing = serialization.load_pem_private_key((keys / "ca.key").read_bytes(), None)
    own = serialization.load_pem_private_key((keys / "nodes" / "a.key").read_bytes(), None)
    now = datetime.now(UTC)
    old = (
        x509.CertificateBuilder()
        .subject_name(x509.load_pem_x509_certificate((keys / "nodes" / "a.pem").read_bytes()).subject)
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now - timedelta(days=1))
        .sign(signing, hashes.SHA256())
    )
    (tmp_path / "a.pem").write_bytes(old.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "a.key").write_bytes((keys / "nodes" / "a.key").read_bytes())
    (tmp_path / "a.key").chmod(0o600)
    assert not refused_or_online(tmp_path, "a", port, keys / "ca.pem")


def refused_or_online(keys: Path, name: str, port: int, ca: Path) -> bool:
    try:
        return Peer(keys, name, port, ca=ca).online
    except (ssl.SSLError, ConnectionError):
        return False


def test_tls_verifies_chain_and_name_and_is_at_least_1_2(keys: Path) -> None:
    context = Broker.parse("mqtts://localhost", ca=keys / "ca.pem").context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
