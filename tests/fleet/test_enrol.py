"""Certificates and rules: mosquitto, as `enrol` configures it, lets each node do what is its own and nothing else."""

import json
import signal
import ssl
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from mosquitto import PROGRAM, free_port, needs_mosquitto, running
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.fleet.keys.enrol import Terms, enrol, lock_out, renew
from edgexai.messaging.broker import Broker
from edgexai.messaging.request import request


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    enrol(directory, "line", ["a", "b"], ["localhost", "127.0.0.1"], Terms(port=free_port()))
    return directory


def test_private_keys_are_private_and_nothing_is_made_twice(keys: Path) -> None:
    private = [*keys.rglob("*.key")]
    assert {p.name for p in private} == {
        "ca.key",
        "broker.key",
        "fleet.key",
        "operator.key",
        "a.key",
        "b.key",
        "command.key",
    }
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in private)
    before = {p: p.read_bytes() for p in keys.rglob("*") if p.is_file()}
    assert enrol(keys, "line", ["a", "b"], ["localhost"]) == []
    made = enrol(keys, "line", ["a", "b", "c"], ["localhost"])
    assert {p.name for p in made} == {"c.key", "c.pem", "dynamic-security.json"}
    rules = before.pop(keys / "dynamic-security.json")
    assert all(p.read_bytes() == content for p, content in before.items())
    now, then = (json.loads(text)["clients"] for text in ((keys / "dynamic-security.json").read_bytes(), rules))
    assert [c["username"] for c in now if c not in then] == ["line/c"]


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
        node.client.subscribe("edgexai/#", 1)  # is refused
        node.turn(lambda: False, 0.15)
    for channel in ("command", "receipt"):
        a.client.subscribe(f"edgexai/line/a/{channel}", 1)
        b.client.subscribe(f"edgexai/line/a/{channel}", 1)  # is refused, too
    for node in (a, b):
        node.turn(lambda: False, 0.15)
    for channel in ("command", "receipt"):
        fleet.client.publish(f"edgexai/line/a/{channel}", channel.encode(), qos=1)
    fleet.turn(lambda: False, 0.1)
    assert a.turn(lambda: len(a.got) == 2)
    assert not b.turn(lambda: bool(b.got), 0.3)


@needs_mosquitto
def test_a_node_cannot_command_another_or_forge_its_receipt(keys: Path, port: int) -> None:
    a, b = Peer(keys, "nodes/a", port), Peer(keys, "nodes/b", port)
    for channel in ("command", "receipt"):
        b.client.subscribe(f"edgexai/line/b/{channel}", 1)
    b.turn(lambda: False, 0.15)
    for channel in ("command", "receipt"):
        a.client.publish(f"edgexai/line/b/{channel}", b"forged", qos=1)
    a.turn(lambda: False, 0.1)
    assert not b.turn(lambda: bool(b.got), 0.3)


@needs_mosquitto
def test_a_node_that_is_locked_out_cannot_connect_any_more_and_the_others_go_on(tmp_path: Path) -> None:
    port = free_port()
    enrol(tmp_path, "line", ["a", "b"], ["localhost"], port)
    stolen = {p.name: p.read_bytes() for p in (tmp_path / "nodes").iterdir()}
    with running(tmp_path / "mosquitto.conf", port) as broker:
        time.sleep(0.2)
        assert seen_by_the_fleet(tmp_path, port, "nodes/a", "edgexai/line/a/heatmap")
        assert main(["fleet", "enrol", "--fleet", "line", "--lock-out", "a", "--out", str(tmp_path)]) == 0
        broker.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        for name in ("a.pem", "a.key"):  # whoever took the key has its certificate too
            (tmp_path / name).write_bytes(stolen[name])
            (tmp_path / name).chmod(0o600)
        assert not refused_or_online(tmp_path, "a", port, tmp_path / "ca.pem")
        assert seen_by_the_fleet(tmp_path, port, "nodes/b", "edgexai/line/b/heatmap")
        enrol(tmp_path, "line", ["a"], ["localhost"], port)  # the honest one gets a new key, under the same name
        assert seen_by_the_fleet(tmp_path, port, "nodes/a", "edgexai/line/a/heatmap")
    assert main(["fleet", "enrol", "--fleet", "line", "--lock-out", "never", "--out", str(tmp_path)]) == 1


@needs_mosquitto
def test_a_node_makes_its_own_key_and_the_fleet_signs_its_request(tmp_path: Path) -> None:
    port, own, keys = free_port(), tmp_path / "own", tmp_path / "keys"
    assert main(["agent", "request", "--fleet", "line", "--node", "a", "--out", str(own)]) == 0
    assert stat.S_IMODE((own / "a.key").stat().st_mode) == 0o600
    command = f"fleet enrol --fleet line --requests {own}/a.csr --hosts localhost --port {port} --out {keys}"
    assert main(command.split()) == 0
    assert not (keys / "nodes" / "a.key").exists()
    (own / "a.key").rename(keys / "nodes" / "a.key")  # where the test looks for keys
    with running(keys / "mosquitto.conf", port):
        assert seen_by_the_fleet(keys, port, "nodes/a", "edgexai/line/a/heatmap")


def test_a_request_under_another_name_or_damaged_is_refused(tmp_path: Path) -> None:
    request(tmp_path, "line", "a")
    (tmp_path / "b.csr").write_bytes((tmp_path / "a.csr").read_bytes())
    (tmp_path / "c.csr").write_text("nothing")
    for name, said in (("b", "it must be signed and ask for line/b"), ("c", "is no signing request")):
        with pytest.raises(ConfigError, match=said):
            enrol(tmp_path / "keys", "line", [tmp_path / f"{name}.csr"], ["localhost"])
    with pytest.raises(ConfigError, match="is there already"):
        request(tmp_path, "line", "a")
    with pytest.raises(ConfigError, match="longer than the 64 characters"):
        request(tmp_path, "line", "n" * 64)


def test_certificates_that_end_soon_are_renewed_with_their_name_and_key(tmp_path: Path) -> None:
    enrol(tmp_path, "line", ["a"], ["localhost"], Terms(days=20))
    enrol(tmp_path, "line", ["b"], ["localhost"], Terms(days=200))
    before = {p: x509.load_pem_x509_certificate(p.read_bytes()) for p in tmp_path.rglob("*.pem") if p.name != "crl.pem"}
    renewed = renew(tmp_path, "line")
    more = {f"operator+{n}.pem" for n in (2, 3, 4)}
    assert {p.name for p in renewed} == {"broker.pem", "fleet.pem", "operator.pem", "a.pem", *more}
    for path in renewed:
        now = x509.load_pem_x509_certificate(path.read_bytes())
        assert now.subject == before[path].subject
        assert now.public_key() == before[path].public_key()
        assert [e.value for e in now.extensions] == [e.value for e in before[path].extensions]
        assert now.not_valid_after_utc > before[path].not_valid_after_utc + timedelta(days=300)
    assert renew(tmp_path, "line") == []


def test_renewing_says_which_folder_or_fleet_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no authority \(ca.pem\) in .*; give with --out"):
        renew(tmp_path, "line")
    assert not any(tmp_path.iterdir())
    enrol(tmp_path, "line", ["a"], ["localhost"])
    with pytest.raises(ConfigError, match="is that of fleet line, not of other; write --fleet line"):
        renew(tmp_path, "other")
    with pytest.raises(ConfigError, match="not of other"):
        lock_out(tmp_path, "other", ["a"])
    with pytest.raises(ConfigError, match="'a b' is no name of a host"):
        enrol(tmp_path, "line", ["b"], ["a b"])


def test_what_a_crash_left_half_is_made_whole(tmp_path: Path) -> None:
    enrol(tmp_path, "line", ["a"], ["localhost"])
    key = (tmp_path / "nodes" / "a.key").read_bytes()
    (tmp_path / "nodes" / "a.pem").unlink()
    (tmp_path / "ca.pem.partial").write_bytes(b"half")
    made = enrol(tmp_path, "line", ["a"], ["localhost"])
    assert [p.name for p in made] == ["a.pem"]
    assert (tmp_path / "nodes" / "a.key").read_bytes() == key
    (tmp_path / "dynamic-security.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        enrol(tmp_path, "line", ["c"], ["localhost"])


@pytest.mark.parametrize(
    ("fleet", "nodes", "port"), [("l" * 64, ["n" * 64], 8883), ("line", ["é"], 8883), ("line", [], 99999)]
)
def test_names_and_ports_that_cannot_be_are_one_sentence(
    tmp_path: Path, fleet: str, nodes: list[str], port: int
) -> None:
    with pytest.raises(ConfigError):
        enrol(tmp_path, fleet, nodes, ["localhost"], port)


@needs_mosquitto
def test_a_node_of_a_sparkplug_group_speaks_for_itself_there_and_for_nobody_else(tmp_path: Path) -> None:
    port = free_port()
    enrol(tmp_path, "line", ["a", "b"], ["localhost"], Terms(port=port, sparkplug="plant"))
    before = (tmp_path / "dynamic-security.json").read_text()
    enrol(tmp_path, "line", ["a", "b"], ["localhost"], Terms(port=port, sparkplug="plant"))
    assert (tmp_path / "dynamic-security.json").read_text() == before
    rules = json.loads(before)
    service = next(r for r in rules["roles"] if r["rolename"] == "fleet-service")  # as a host application has it
    for kind in ("subscribePattern", "publishClientReceive"):
        service["acls"].append({"acltype": kind, "topic": "spBv1.0/#", "priority": 0, "allow": True})
    (tmp_path / "dynamic-security.json").write_text(json.dumps(rules))
    with running(tmp_path / "mosquitto.conf", port):
        host, a = Peer(tmp_path, "fleet", port), Peer(tmp_path, "nodes/a.sparkplug", port)
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


@needs_mosquitto
def test_the_broker_starts_with_the_file_as_it_is_written(tmp_path: Path) -> None:
    port = free_port()
    enrol(tmp_path, "line", ["a"], ["localhost"], port)
    assert PROGRAM is not None
    broker = subprocess.Popen([PROGRAM, "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        assert broker.poll() is None
        assert seen_by_the_fleet(tmp_path, port, "nodes/a", "edgexai/line/a/heatmap")
    finally:
        broker.terminate()
        broker.wait()


def test_an_operator_has_several_names_by_one_key_and_nobody_has_anothers(tmp_path: Path) -> None:
    enrol(tmp_path, "line", ["a"], ["localhost"], Terms(operators=["ada", "2", "ada.2"]))
    found: dict[str, list[Path]] = {}
    for path in tmp_path.rglob("operator*.pem"):
        found.setdefault("", []).append(path)
    for path in (tmp_path / "operators").glob("*.pem"):
        found.setdefault(path.stem.partition("+")[0], []).append(path)
    assert {who: len(some) for who, some in found.items()} == {"": 4, "ada": 4, "2": 4, "ada.2": 4}
    certificates = {p: x509.load_pem_x509_certificate(p.read_bytes()) for some in found.values() for p in some}
    names = [one.subject.rfc4514_string().removeprefix("CN=") for one in certificates.values()]
    assert len(set(names)) == len(names) == 16
    for some in found.values():
        assert len({certificates[p].public_bytes(serialization.Encoding.PEM) for p in some}) == 4
        first, *more = (certificates[p].public_key() for p in some)
        assert all(key == first for key in more)
    rules = json.loads((tmp_path / "dynamic-security.json").read_text())
    of = {c["username"]: [r["rolename"] for r in c["roles"]] for c in rules["clients"]}
    assert [of[name] for name in names] == [["fleet-operator"]] * 16
    with pytest.raises(ConfigError, match="operator name"):
        enrol(tmp_path, "line", [], ["localhost"], Terms(operators=["../x"]))


def test_a_directory_of_before_gets_the_further_names_and_keeps_who_is_there(tmp_path: Path) -> None:
    enrol(tmp_path, "line", ["a"], ["localhost"], Terms(operators=["ada"]), ["w"])
    path, key = tmp_path / "dynamic-security.json", (tmp_path / "operator.key").read_bytes()
    rules = json.loads(path.read_text())
    rules["clients"] = [c for c in rules["clients"] if not c["username"].startswith("fleet-operator::")]
    path.write_text(json.dumps(rules))
    for one in tmp_path.glob("operator+*.pem"):
        one.unlink()
    made = enrol(tmp_path, "line", [], ["localhost"])
    assert {p.name for p in made} == {"operator+2.pem", "operator+3.pem", "operator+4.pem", "dynamic-security.json"}
    assert (tmp_path / "operator.key").read_bytes() == key
    names = {c["username"] for c in json.loads(path.read_text())["clients"]}
    assert {"fleet-operator", "fleet-operator::2", "fleet-operator:ada:4", "fleet-service:w", "line/a"} <= names
    assert enrol(tmp_path, "line", ["a"], ["localhost"]) == []
