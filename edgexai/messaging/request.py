"""A node's own key, and the signing request by which the fleet's authority gives it a certificate.

The key is made where it is used and never leaves; needs `cryptography` (extra `commands`).
"""

import os
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError
from edgexai.messaging.messages import name as checked_name


def request(directory: Path, fleet: str, node: str) -> tuple[Path, Path]:
    """Writes ``NODE.key`` (mode 600) and ``NODE.csr``; the paths. ConfigError if the key is there already."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    who = subject(f"{checked_name(fleet, 'fleet name')}/{checked_name(node, 'node name')}")
    kept, asked = directory / f"{node}.key", directory / f"{node}.csr"
    if kept.exists():
        raise ConfigError(f"{kept} is there already; take another directory, or remove it to get a new identity")
    key = ec.generate_private_key(ec.SECP256R1())
    signed = x509.CertificateSigningRequestBuilder().subject_name(who).sign(key, hashes.SHA256())
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private_bytes(key))
    asked.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return asked, kept


def subject(common_name: str) -> Any:
    """The subject (`x509.Name`) of a certificate; ConfigError for a name that is longer than one holds."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    if len(common_name) > 64:
        raise ConfigError(f"{common_name} is longer than the 64 characters of a certificate; take shorter names")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def private_bytes(key: Any) -> bytes:
    """A private key of `cryptography` as PEM."""
    from cryptography.hazmat.primitives import serialization

    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
