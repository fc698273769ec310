"""Certificates and the broker's rules: who may write under which name.

    DIR/ca.pem  ca.key          the fleet's authority; the key stays here
    DIR/broker.pem  broker.key  the broker, for the host names that are given
    DIR/fleet.pem  fleet.key    the fleet service: reads everything, writes receipts and commands
    DIR/nodes/N.pem  N.key      one node, its name as common name FLEET/N
    DIR/acl  mosquitto.conf     mosquitto's rules: a node writes under its own name, reads its receipts and commands
    DIR/command.key  command.pub   Ed25519: commands are signed with the one and checked with the other

Nothing that exists is made anew, so a node can be added at any time. Private keys have mode 600.
"""

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgexai.errors import ConfigError
from edgexai.messaging.messages import name as checked_name

CA_DAYS, DAYS = 3650, 825

_ACL = """\
# A node's certificate has the common name FLEET/NODE, which mosquitto takes as user name (use_identity_as_username).
# %u is that name, so each node has exactly its own branch.
pattern write edgexai/%u/status
pattern write edgexai/%u/heatmap
pattern write edgexai/%u/metrics
pattern write edgexai/%u/reply
pattern read edgexai/%u/receipt
pattern read edgexai/%u/command

user fleet-service
topic read edgexai/+/+/status
topic read edgexai/+/+/heatmap
topic read edgexai/+/+/metrics
topic read edgexai/+/+/reply
topic write edgexai/+/+/receipt
topic write edgexai/+/+/command
"""

_CONFIGURATION = """\
# mosquitto 2, for this fleet: mosquitto -c {directory}/mosquitto.conf
listener {port}
cafile {directory}/ca.pem
certfile {directory}/broker.pem
keyfile {directory}/broker.key
require_certificate true
use_identity_as_username true
tls_version tlsv1.2
allow_anonymous false
acl_file {directory}/acl
persistence true
persistence_location {directory}/
autosave_interval 30
# the fleet service acknowledges after its commit: let a whole batch be on its way
max_inflight_messages 2000
max_queued_messages 1000000
message_size_limit 65536
"""


_SPARKPLUG = """
user {fleet}/{node}
topic write spBv1.0/{group}/+/{fleet}:{node}
topic read spBv1.0/{group}/NCMD/{fleet}:{node}
"""
_LOCKED_OUT = """
user {fleet}/{node}
topic deny #
"""


def enrol(
    directory: Path, fleet: str, nodes: list[str], hosts: list[str], port: int = 8883, sparkplug: str | None = None
) -> list[Path]:
    """Make what is missing of a fleet's authority, certificates, rules and command key; the files that were made.

    ``hosts`` are the names and addresses by which nodes reach the broker, ``sparkplug`` the group under which these
    nodes may also speak Sparkplug B. Raises ConfigError for a bad name.
    """
    checked_name(fleet, "fleet name")
    names = [checked_name(n, "node name") for n in nodes]
    (directory / "nodes").mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    authority, authority_key = _authority(directory, fleet, made)

    def issue(path: Path, common_name: str, hosts: list[str], usage: x509.ObjectIdentifier) -> None:
        if path.exists():
            return
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(common_name, authority.subject, DAYS).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        _write_key(path.with_suffix(".key"), key, made)
        _write(path, builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), made)

    issue(directory / "broker.pem", hosts[0] if hosts else "localhost", hosts or ["localhost", "127.0.0.1"], _SERVER)
    issue(directory / "fleet.pem", "fleet-service", [], _CLIENT)
    for node in names:
        issue(directory / "nodes" / f"{node}.pem", f"{fleet}/{node}", [], _CLIENT)
    if not (directory / "command.key").exists():
        signing = ed25519.Ed25519PrivateKey.generate()
        _write_key(directory / "command.key", signing, made)
        public = signing.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(directory / "command.pub", public, made)
    if not (directory / "acl").exists():
        _write(directory / "acl", _ACL.encode(), made)
        configuration = _CONFIGURATION.format(directory=directory.resolve(), port=port)
        _write(directory / "mosquitto.conf", configuration.encode(), made)
    if sparkplug is not None:
        group = checked_name(sparkplug, "Sparkplug group")
        _add_rules(directory, [_SPARKPLUG.format(group=group, fleet=fleet, node=node) for node in names])
    return made


def lock_out(directory: Path, fleet: str, nodes: list[str]) -> Path:
    """Deny everything to nodes whose keys were lost; the file of rules, which mosquitto reads again on SIGHUP.

    A certificate cannot be called back before it expires, so the name stays locked: enrol the node under another one.
    """
    checked_name(fleet, "fleet name")
    if not (directory / "acl").is_file():
        raise ConfigError(f"{directory / 'acl'}: there is no such file; `edgexai fleet enrol` makes it")
    _add_rules(directory, [_LOCKED_OUT.format(fleet=fleet, node=checked_name(n, "node name")) for n in nodes])
    return directory / "acl"


def _add_rules(directory: Path, rules: list[str]) -> None:
    path = directory / "acl"
    known = path.read_text()
    path.write_text(known + "".join(rule for rule in rules if rule not in known))


_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def _authority(directory: Path, fleet: str, made: list[Path]) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
    if certificate_path.exists() and key_path.exists():
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{key_path} is no elliptic-curve key; this directory holds another authority")
        return x509.load_pem_x509_certificate(certificate_path.read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"edgexai fleet {fleet}")])
    certificate = (
        _builder(f"edgexai fleet {fleet}", name, CA_DAYS)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_path, key, made)
    _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), made)
    return certificate, key


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(common_name: str, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))  # a node's clock may be a day behind
        .not_valid_after(now + timedelta(days=days))
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, made: list[Path]) -> None:
    content = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(path, content, made, 0o600)


def _write(path: Path, content: bytes, made: list[Path], mode: int = 0o644) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    made.append(path)
