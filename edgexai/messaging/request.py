"""A node's own key, and the signing request by which the fleet's authority gives it a certificate.

The key is made where it is used and never leaves; needs `cryptography` (extra `commands`).
"""

import os
from pathlib import Path

from edgexai.errors import ConfigError
from edgexai.messaging.messages import name as checked_name


def request(directory: Path, fleet: str, node: str) -> tuple[Path, Path]:
    """Writes ``NODE.key`` (mode 600) and ``NODE.csr``; the paths. ConfigError if the key is there already."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    common_name = f"{checked_name(fleet, 'fleet name')}/{checked_name(node, 'node name')}"
    if len(common_name) > 64:
        raise ConfigError(f"{common_name} is longer than the 64 characters of a certificate; take shorter names")
    kept, asked = directory / f"{node}.key", directory / f"{node}.csr"
    if kept.exists():
        raise ConfigError(f"{kept} is there already; take another directory, or remove it to get a new identity")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    asked.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return asked, kept
