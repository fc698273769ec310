"""The file of a relevance profile: checked in size and by CRC before anything is built from it.

8 bytes   "EXPROF02"
4 bytes   length of the header, little-endian
header    JSON: model (SHA-256 as hex), composite, classes, maps ([tensor, channels] each)
count     classes × uint64
each map  relevance classes × channels, then margin, net, value, square: channels each; float32
4 bytes   CRC-32 of all that stands before
"""

import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

MAGIC = b"EXPROF02"
MOST = 2**20
"""Classes, maps and channels are each fewer than this."""

ROWS = 4
"""Sums of a map that are not kept by class."""

Sums = NDArray[np.float64]


def pack(model: str, composite: str, count: NDArray[np.int64], maps: dict[int, tuple[Sums, Sums]]) -> bytes:
    """The bytes of a profile; each map is its relevance (classes, channels) and its other sums (4, channels)."""
    about = {
        "model": model,
        "composite": composite,
        "classes": len(count),
        "maps": [[t, rows.shape[1]] for t, (_, rows) in maps.items()],
    }
    header = json.dumps(about).encode()
    parts = [MAGIC, len(header).to_bytes(4, "little"), header, count.astype("<u8").tobytes()]
    for relevance, rows in maps.values():
        parts += [relevance.astype("<f4").tobytes(), rows.astype("<f4").tobytes()]
    body = b"".join(parts)
    return body + zlib.crc32(body).to_bytes(4, "little")


def unpack(data: bytes, where: str) -> tuple[str, str, NDArray[np.int64], dict[int, tuple[Sums, Sums]]]:
    """The inverse of `pack`; DataError if the bytes are no profile or damaged."""
    if data[:8] != MAGIC or len(data) < 16:
        raise DataError(f"{where} is not a relevance profile; make one with edgexai profile")
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise DataError(f"{where} is damaged (its checksum is wrong); copy it again")
    length = int.from_bytes(data[8:12], "little")
    try:
        about = json.loads(data[12 : 12 + length])
        model, composite, classes, maps = _fields(about)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{where} has a header that is no profile's; make it again with edgexai profile") from error
    expected = 12 + length + 8 * classes + sum(4 * channels * (classes + ROWS) for _, channels in maps) + 4
    if expected != len(data):
        raise DataError(f"{where} has {len(data)} bytes where its header asks for {expected}; make it again")
    at = 12 + length
    count = np.frombuffer(data, "<u8", classes, at).astype(np.int64)
    at += 8 * classes
    found: dict[int, tuple[Sums, Sums]] = {}
    for tensor, channels in maps:
        table = np.frombuffer(data, "<f4", channels * (classes + ROWS), at).reshape(-1, channels).astype(np.float64)
        at += 4 * table.size
        found[tensor] = (table[:classes], table[classes:])
    if any(not np.all(np.isfinite(t)) for pair in found.values() for t in pair) or np.any(count < 0):
        raise DataError(f"{where} holds sums that are not finite; make it again with edgexai profile")
    return model, composite, count, found


def _fields(about: Any) -> tuple[str, str, int, list[tuple[int, int]]]:
    maps = [(int(tensor), int(channels)) for tensor, channels in about["maps"]]
    classes = int(about["classes"])
    numbers = [classes, len(maps), *(n for pair in maps for n in pair)]
    if not all(0 <= n < MOST for n in numbers) or not isinstance(about["model"], str):
        raise ValueError("impossible sizes")
    return about["model"], str(about["composite"]), classes, maps
