"""The fleet's authority: certificates for a while, signed from requests, renewed, called back."""

import ipaddress
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgexai.errors import ConfigError
from edgexai.messaging.request import private_bytes, subject

CA_DAYS, DAYS = 3650, 365
RENEW_BEFORE = 30
"""Days before the end from which a certificate is renewed."""
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH

PublicKey = ec.EllipticCurvePublicKey


class Authority:
    """The authority of a directory, made where there is none; ``made`` lists the files that were written."""

    def __init__(self, directory: Path, fleet: str, days: int = DAYS) -> None:
        if not 1 <= days <= CA_DAYS:
            raise ConfigError(f"certificates for {days} days cannot be made; take 1 to {CA_DAYS}")
        self.directory, self._days = directory, days
        self.made: list[Path] = []
        certificate, key = directory / "ca.pem", directory / "ca.key"
        if not certificate.exists():
            self._make(fleet)
        self._key = _private(key)
        try:
            self._subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
        except ValueError:
            raise ConfigError(f"{certificate} is damaged; bring it back, or take a new directory") from None

    def issue(
        self, path: Path, common_name: str, hosts: Iterable[str] = (), usage: x509.ObjectIdentifier = CLIENT
    ) -> None:
        """A key and its certificate, where there is none yet."""
        if path.exists():
            return
        kept = path.with_suffix(".key")
        if not kept.exists():  # a key without its certificate is what a crash between the two has left
            self.write_key(kept, ec.generate_private_key(ec.SECP256R1()))
        self._certify(path, common_name, _private(kept).public_key(), hosts, usage)

    def issue_more(self, path: Path, first: Path, common_name: str) -> None:
        """Another certificate for the key of ``first``, where there is none yet."""
        if not path.exists():
            self._certify(path, common_name, _private(first.with_suffix(".key")).public_key())

    def sign(self, request: Path, path: Path, common_name: str) -> None:
        """A certificate for the key of a signing request; ConfigError if the request is broken or of another name."""
        try:
            asked = x509.load_pem_x509_csr(request.read_bytes())
        except ValueError:
            raise ConfigError(
                f"{request} is no signing request; make one on the node with `edgexai agent request`"
            ) from None
        names = [a.value for a in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        key = asked.public_key()
        if not asked.is_signature_valid or names != [common_name] or not isinstance(key, ec.EllipticCurvePublicKey):
            raise ConfigError(f"{request} asks for {names}, or is damaged; it must be signed and ask for {common_name}")
        path.unlink(missing_ok=True)
        self._certify(path, common_name, key)

    def renew(self, path: Path, now: datetime | None = None) -> bool:
        """The same name and key for another while, if the certificate ends within RENEW_BEFORE days; whether it was."""
        try:
            old = x509.load_pem_x509_certificate(path.read_bytes())
        except ValueError:
            raise ConfigError(f"{path} is no certificate, or damaged; take it away and enrol its node anew") from None
        if old.not_valid_after_utc > (now or datetime.now(UTC)) + timedelta(days=RENEW_BEFORE):
            return False
        key = old.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ConfigError(f"{path} was not made by this authority; enrol it anew")
        builder = _builder(old.subject, self._subject, self._days).public_key(key)
        for extension in old.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        partial = path.with_suffix(".partial")
        partial.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        partial.replace(path)
        self.made.append(path)
        return True

    def revoke(self, certificates: Iterable[Path]) -> Path:
        """Call certificates back, besides those that are already; the list that the broker reads."""
        path = self.directory / "crl.pem"
        known = x509.load_pem_x509_crl(path.read_bytes()) if path.exists() else ()
        serials = {one.serial_number for one in known}
        serials |= {x509.load_pem_x509_certificate(c.read_bytes()).serial_number for c in certificates}
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._subject)
        builder = builder.last_update(now - timedelta(days=2)).next_update(now + timedelta(days=CA_DAYS))
        for serial in sorted(serials):
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(days=1))
            builder = builder.add_revoked_certificate(gone.build())
        partial = path.with_suffix(".partial")
        partial.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        partial.replace(path)
        return path

    def write_key(self, path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
        """A private key that its owner alone may read."""
        self.write(path, private_bytes(key), 0o600)

    def write(self, path: Path, content: bytes, mode: int = 0o644) -> None:
        """A file that did not exist."""
        write_new(path, content, mode)
        self.made.append(path)

    def _certify(
        self,
        path: Path,
        common_name: str,
        key: PublicKey,
        hosts: Iterable[str] = (),
        usage: x509.ObjectIdentifier = CLIENT,
    ) -> None:
        builder = _builder(subject(common_name), self._subject, self._days).public_key(key)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names := [host_name(h) for h in hosts]:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        self.write(path, builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _make(self, fleet: str) -> None:
        kept = self.directory / "ca.key"
        if not kept.exists():
            self.write_key(kept, ec.generate_private_key(ec.SECP256R1()))
        key, name = _private(kept), subject(f"edgexai fleet {fleet}"[:64])
        builder = _builder(name, name, CA_DAYS).public_key(key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.add_extension(_CA_USAGE, critical=True).sign(key, hashes.SHA256())
        self.write(self.directory / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that did not exist."""
    partial = path.with_name(f"{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.link(partial, path)
    partial.unlink()


def _private(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path} is no elliptic-curve key; this directory holds another authority, or is damaged")
    return key


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


def _builder(subject: x509.Name, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))  # a node's clock may be a day behind
        .not_valid_after(now + timedelta(days=days))
    )


NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?", re.IGNORECASE)


def host_name(host: str) -> x509.GeneralName:
    """A name or address as certificates have it; ConfigError for anything else."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        told = host.encode("idna").decode("ascii")
    except (UnicodeError, ValueError):
        told = ""
    if NAME.fullmatch(told) is None or len(told) > 253:
        raise ConfigError(f"--hosts {host[:80]!r} is no name of a host; give one as certificates have it")
    return x509.DNSName(told)
