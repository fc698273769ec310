"""Signed commands: who holds the fleet's key may tell a node what to do, once, and not for long.

    bytes 0-63   Ed25519 signature of "edgexai command 1" and the body
    bytes 64-    the body, JSON: id, fleet, node, number, expires, do, with

A command is for one node. ``number`` is the time of signing in nanoseconds; a node takes only numbers above the last
one that it took, which it keeps on disk, so a replay is refused whatever its clock says. ``expires`` (unix seconds)
is for the command that comes late. `cryptography` is imported when a key is loaded, not before: a node that takes no
commands does without it.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgexai.errors import ConfigError, Error, FrameError
from edgexai.messaging.messages import pack, unpack

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_CONTEXT = b"edgexai command 1"
_SIGNATURE = 64
LONGEST = 86400.0


class CommandRefused(Error):
    """A command that is forged, late, repeated, or for somebody else."""


@dataclass(frozen=True)
class Command:
    """What a node is told: ``do`` what, ``with`` which parameters."""

    id: str
    fleet: str
    node: str
    number: int
    expires: float
    do: str
    parameters: dict[str, Any]


def sign(
    key: "Ed25519PrivateKey", fleet: str, node: str, do: str, parameters: dict[str, Any], lifetime: float = 60.0
) -> tuple[str, bytes]:
    """Id and bytes of a command that holds for ``lifetime`` seconds, at most a day."""
    if not 0 < lifetime <= LONGEST:
        raise ConfigError(f"a command holds for at most {LONGEST:g} s, not {lifetime:g}")
    identity = secrets.token_hex(8)
    body = pack(
        {
            "id": identity,
            "fleet": fleet,
            "node": node,
            "number": time.time_ns(),
            "expires": time.time() + lifetime,
            "do": do,
            "with": parameters,
        }
    )
    return identity, key.sign(_CONTEXT + body) + body


class Gate:
    """A node's check of commands. ``last`` is the highest number that was taken; ``remember`` stores a new one
    durably before the command is carried out."""

    def __init__(
        self, key: "Ed25519PublicKey", fleet: str, node: str, last: int, remember: Callable[[int], None]
    ) -> None:
        self._key, self._fleet, self._node, self._last, self._remember = key, fleet, node, last, remember
        self.refused = 0

    def open(self, payload: bytes, now: float) -> Command:
        """The command in a payload; raises CommandRefused, and counts it, for anything that is not to be done."""
        try:
            command = self._read(payload)
            if (command.fleet, command.node) != (self._fleet, self._node):
                raise CommandRefused("the command is for another node")
            if not now < command.expires <= now + 2 * LONGEST:
                raise CommandRefused("the command has expired, or its time is not credible")
            if command.number <= self._last:
                raise CommandRefused("the command was taken before")
        except CommandRefused:
            self.refused += 1
            raise
        self._remember(command.number)
        self._last = command.number
        return command

    def _read(self, payload: bytes) -> Command:
        from cryptography.exceptions import InvalidSignature

        signature, body = payload[:_SIGNATURE], payload[_SIGNATURE:]
        try:
            self._key.verify(signature, _CONTEXT + body)
            said = unpack(body)
        except (InvalidSignature, FrameError):
            raise CommandRefused("the command is not signed by this fleet's key") from None
        kinds = {"id": str, "fleet": str, "node": str, "number": int, "expires": float, "do": str, "with": dict}
        if said.keys() != kinds.keys() or any(type(said[k]) is not kind for k, kind in kinds.items()):
            raise CommandRefused("the command lacks a field or has one too many")
        return Command(*(said[k] for k in kinds))


def load_private(path: Path) -> "Ed25519PrivateKey":
    """The fleet's signing key, a PEM file that only its owner may read. Raises ConfigError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file; `edgexai fleet enrol` makes command.key")
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: others may read this key; run `chmod 600 {path}`")
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError):
        raise ConfigError(f"{path} is no private key in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is no Ed25519 key; `edgexai fleet enrol` makes one")
    return key


def load_public(path: Path) -> "Ed25519PublicKey":
    """The key that commands are checked with, a PEM file. Raises ConfigError."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ModuleNotFoundError:
        raise ConfigError("commands need the package cryptography; pip install 'edgexai[commands]'") from None
    try:
        key = load_pem_public_key(path.read_bytes())
    except ValueError:
        raise ConfigError(f"{path} is no public key in PEM form") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} is no Ed25519 key; `edgexai fleet enrol` makes one")
    return key
