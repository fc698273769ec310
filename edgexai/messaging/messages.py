"""What nodes and fleet say to each other: topics, and the bytes around a frame (docs/messaging.md).

    edgexai/<fleet>/<node>/{status,heatmap,metrics,command,reply,receipt}

A heatmap message is eight bytes and a frame:

    byte 0      version of this envelope, 1
    bytes 1-7   boot id: drawn at random when a node's outbox starts to count from zero
    bytes 8-    the frame, which carries the sequence number

(node, boot, sequence) names a frame for ever, so that the store drops what arrives twice.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgexai.errors import ConfigError, FrameError
from edgexai.messaging.strict import loads

ROOT = "edgexai"
CHANNELS = ("status", "heatmap", "metrics", "command", "reply", "receipt")
ENVELOPE = 8
MAX_PAYLOAD = 64 * 1024

_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BOOT = re.compile(r"[0-9a-f]{14}")

Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class Address:
    """Who a message is from or for, and on which channel."""

    fleet: str
    node: str
    channel: str


def name(text: str, what: str = "name") -> str:
    """The text if it can stand in a topic and as a folder: letters, digits, ``._-``, at most 64; else ConfigError."""
    if not _NAME.fullmatch(text):
        raise ConfigError(f"{text!r} is no {what}: take at most 64 letters, digits, '.', '_' or '-', a letter first")
    return text


def topic(fleet: str, node: str, channel: str) -> str:
    """The topic of a channel; ``node`` may be the wildcard ``+``."""
    return f"{ROOT}/{fleet}/{node}/{channel}"


def address(topic: str) -> Address:
    """Who a topic belongs to; raises FrameError for one that is not ours."""
    parts = topic.split("/")
    if len(parts) != 4 or parts[0] != ROOT or parts[3] not in CHANNELS:
        raise FrameError(f"{topic[:80]!r} is not a topic of this protocol")
    if not _NAME.fullmatch(parts[1]) or not _NAME.fullmatch(parts[2]):
        raise FrameError(f"{topic[:80]!r} holds a name that is not allowed")
    return Address(parts[1], parts[2], parts[3])


def pack_heatmap(boot: str, frame: bytes) -> bytes:
    """A frame in its envelope; ``boot`` is 14 hex digits."""
    if not _BOOT.fullmatch(boot):
        raise FrameError(f"{boot!r} is no boot id of 14 hex digits")
    return bytes([_VERSION]) + bytes.fromhex(boot) + frame


def unpack_heatmap(payload: bytes) -> tuple[str, bytes]:
    """Boot id and frame of a heatmap message; raises FrameError for anything else."""
    if len(payload) > MAX_PAYLOAD:
        raise FrameError(f"a heatmap message of {len(payload)} bytes is longer than {MAX_PAYLOAD}")
    if len(payload) <= ENVELOPE or payload[0] != _VERSION:
        raise FrameError("the payload is not a heatmap message of version 1")
    return payload[1:ENVELOPE].hex(), payload[ENVELOPE:]


def pack_receipt(boot: str, stored: Iterable[tuple[int, int]]) -> bytes:
    """What the store holds durably of one boot: inclusive ranges of sequence numbers."""
    return pack({"boot": boot, "stored": [list(r) for r in stored]})


def unpack_receipt(payload: bytes) -> tuple[str, Ranges]:
    """Boot id and stored ranges of a receipt; raises FrameError for anything else."""
    said = unpack(payload)
    boot, stored = said.get("boot"), said.get("stored")
    if not isinstance(boot, str) or not isinstance(stored, list):
        raise FrameError("the receipt lacks its boot id or its ranges")
    ranges: Ranges = []
    for pair in stored:
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(n) is int and 0 <= n < 2**63 for n in pair)):
            raise FrameError("the receipt holds a range that is no pair of sequence numbers")
        ranges.append((pair[0], pair[1]))
    return boot, ranges


def pack(message: dict[str, Any]) -> bytes:
    """A JSON message, compact."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()


def unpack(payload: bytes) -> dict[str, Any]:
    """The object of a JSON message; raises FrameError for anything else (`edgexai.messaging.strict`)."""
    return loads(payload, MAX_PAYLOAD)
