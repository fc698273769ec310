"""The file of a relevance profile: checked in size and by CRC before anything is built from it.

8 bytes   "EXPROF03"
4 bytes   length of the header, little-endian
header    JSON: model (SHA-256 as hex), composite, classes, maps ([tensor, channels] each)
body      zlib: count: classes × uint32;
          each map: its relevance (classes × channels), then the sums margin, net, value, square (channels each),
          every row as a float32 factor and float16 shares of it; then spread (octaves × channels) as uint32
4 bytes   CRC-32 of all that stands before
"""

import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

MAGIC = b"EXPROF03"
MOST = 2**20
"""Classes, maps and channels are each fewer than this."""

MOST_BYTES = 2**28
"""A body is smaller than this."""

ROWS = 4
"""Sums of a map that are not kept by class."""

OCTAVES = 16
"""Classes of a channel's share of its map's relevance: above 1/2, above 1/4, …, and all that is smaller."""

Sums = NDArray[np.float64]
Map = tuple[Sums, Sums, Sums]


def pack(model: str, composite: str, count: NDArray[np.int64], maps: dict[int, Map]) -> bytes:
    """The bytes of a profile; each map is relevance (classes, channels), sums (4, channels), spread (16, channels)."""
    about = {
        "model": model,
        "composite": composite,
        "classes": len(count),
        "maps": [[t, rows.shape[1]] for t, (_, rows, _) in maps.items()],
    }
    header = json.dumps(about).encode()
    parts = [count.astype("<u4").tobytes()]
    for relevance, rows, spread in maps.values():
        for table in (relevance, rows):
            factor = np.abs(table).max(axis=1, keepdims=True, initial=0).astype("<f4")
            parts += [factor.tobytes(), (table / np.where(factor == 0, 1, factor)).astype("<f2").tobytes()]
        parts.append(spread.astype("<u4").tobytes())
    start = MAGIC + len(header).to_bytes(4, "little") + header
    whole = start + zlib.compress(b"".join(parts), 9)
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def unpack(data: bytes, where: str) -> tuple[str, str, NDArray[np.int64], dict[int, Map]]:
    """The inverse of `pack`; DataError if the bytes are no profile or damaged."""
    if data[:8] != MAGIC or len(data) < 16:
        raise DataError(f"{where} is not a relevance profile of this version; make one with edgexai profile")
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise DataError(f"{where} is damaged (its checksum is wrong); copy it again")
    length = int.from_bytes(data[8:12], "little")
    try:
        model, composite, classes, maps = _fields(json.loads(data[12 : 12 + length]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{where} has a header that is no profile's; make it again with edgexai profile") from error
    rows = classes + ROWS
    expected = 4 * classes + sum(4 * rows + channels * (2 * rows + 4 * OCTAVES) for _, channels in maps)
    body = _inflated(data[12 + length : -4], expected)
    if body is None:
        raise DataError(f"{where} does not hold the {expected} bytes that its header asks for; make it again")
    count = np.frombuffer(body, "<u4", classes).astype(np.int64)
    at = 4 * classes
    found: dict[int, Map] = {}
    for tensor, channels in maps:
        tables = []
        for height in (classes, ROWS):
            factor = np.frombuffer(body, "<f4", height, at).astype(np.float64)
            shares = np.frombuffer(body, "<f2", height * channels, at + 4 * height).astype(np.float64)
            at += 4 * height + 2 * height * channels
            tables.append(factor[:, None] * shares.reshape(height, channels))
        spread = np.frombuffer(body, "<u4", OCTAVES * channels, at).astype(np.float64).reshape(OCTAVES, channels)
        at += 4 * OCTAVES * channels
        found[tensor] = (tables[0], tables[1], spread)
    if any(not np.all(np.isfinite(t)) for triple in found.values() for t in triple):
        raise DataError(f"{where} holds sums that are not finite; make it again with edgexai profile")
    return model, composite, count, found


def _inflated(data: bytes, expected: int) -> bytes | None:
    """What zlib packed, if it is exactly so long."""
    if expected > MOST_BYTES:
        return None
    inflate = zlib.decompressobj()
    try:
        body = inflate.decompress(data, expected + 1)
    except zlib.error:
        return None
    return body if len(body) == expected and inflate.eof and not inflate.unused_data else None


def _fields(about: Any) -> tuple[str, str, int, list[tuple[int, int]]]:
    maps = [(int(tensor), int(channels)) for tensor, channels in about["maps"]]
    classes = int(about["classes"])
    numbers = [classes, len(maps), *(n for pair in maps for n in pair)]
    if not all(0 <= n < MOST for n in numbers) or not isinstance(about["model"], str):
        raise ValueError("impossible sizes")
    return about["model"], str(about["composite"]), classes, maps
