"""Signatures of reports: Ed25519 over the whole file, beside it as ``FILE.sig`` (base64, one line).

The context in front keeps a key that signs commands too from making one pass for the other.
"""

import base64
import binascii
from pathlib import Path

from edgexai.errors import ConfigError, DataError
from edgexai.messaging.command import load_private, load_public

CONTEXT = b"edgexai audit report 1\0"
LONGEST = 200
"""Bytes of a signature's file beyond which it is none."""


def signature_of(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(path.name + ".sig")


def usable(key: Path) -> None:
    """ConfigError for what is no private key (PEM) that only its owner can read."""
    if not key.is_file():
        raise ConfigError(
            f"{key} is not there; make a key: openssl genpkey -algorithm ed25519 -out {key.name}, then chmod 600"
        )
    load_private(key)


def sign(path: Path, key: Path) -> Path:
    """Writes the signature of a file by a private key (PEM) and returns its path; ConfigError for what is no key."""
    usable(key)
    made = signature_of(path)
    made.write_bytes(base64.b64encode(load_private(key).sign(CONTEXT + path.read_bytes())) + b"\n")
    return made


def verify(path: Path, key: Path) -> None:
    """DataError if a file is not, byte by byte, what the owner of a public key (PEM) signed."""
    from cryptography.exceptions import InvalidSignature

    said = signature_of(path)
    for wanted in (path, said, key):
        if not wanted.is_file():
            raise DataError(f"{wanted} is not there; `verify` wants the report, its .sig beside it, and --key")
    try:
        if said.stat().st_size > LONGEST:
            raise ValueError
        signature = base64.b64decode(said.read_bytes().strip(), validate=True)
        load_public(key).verify(signature, CONTEXT + path.read_bytes())
    except (InvalidSignature, ValueError, binascii.Error):
        raise DataError(f"{path} is not what the owner of {key} signed; ask for the report again") from None
