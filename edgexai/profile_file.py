"""The file of a relevance profile: checked in size and by CRC before anything is built from it.

8 bytes   "EXPROF04"
4 bytes   length of the header, little-endian
header    JSON: model (SHA-256 as hex), composite, classes, maps ([tensor, channels] each)
body      zlib: count: classes × uint32; then for each map
          relevance (classes × channels), margin, net and square (channels each): every row as a float32 factor and
          codes, one byte c each for factor · 2^(-c/8), 255 for zero; a sum is right to 4.5 %
          value (channels): a float32 factor and float16 shares of it
          spread (octaves × channels): uint32, lowest bytes first, then the next
4 bytes   CRC-32 of all that stands before

A file that is read and written again is the same.
"""

import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

MAGIC = b"EXPROF04"
MOST = 2**20
"""Classes, maps and channels are each fewer than this."""

MOST_BYTES = 2**28
"""A body is smaller than this."""

ROWS = 4
"""Sums of a map that are not kept by class: margin, net, square, value."""

STEPS = 8
"""Codes of sums an octave."""

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
        factor, share = _shares(np.concatenate([relevance, rows[:-1]]))
        with np.errstate(divide="ignore"):
            code = np.minimum(np.round(-STEPS * np.log2(share)), 255).astype(np.uint8)
        parts += [factor.tobytes(), code.tobytes()]
        factor, share = _shares(rows[-1:])
        parts += [factor.tobytes(), share.astype("<f2").tobytes()]
        parts.append(np.ascontiguousarray(spread.astype("<u4").view(np.uint8).reshape(-1, 4).T).tobytes())
    start = MAGIC + len(header).to_bytes(4, "little") + header
    whole = start + zlib.compress(b"".join(parts), 9)
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def _shares(table: Sums) -> tuple[NDArray[np.float32], Sums]:
    """The largest magnitude of each row, (rows, 1), and what share of it the others are."""
    factor = np.abs(table).max(axis=1, keepdims=True, initial=0).astype("<f4")
    return factor, table / np.where(factor == 0, 1, factor)


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
    coded = classes + ROWS - 1
    expected = 4 * classes + sum(4 * (coded + 1) + channels * (coded + 2 + 4 * OCTAVES) for _, channels in maps)
    body = _inflated(data[12 + length : -4], expected)
    if body is None:
        raise DataError(f"{where} does not hold the {expected} bytes that its header asks for; make it again")
    count = np.frombuffer(body, "<u4", classes).astype(np.int64)
    at = 4 * classes
    found: dict[int, Map] = {}
    for tensor, channels in maps:
        factor = np.frombuffer(body, "<f4", coded, at).astype(np.float64)
        code = np.frombuffer(body, np.uint8, coded * channels, at + 4 * coded).reshape(coded, channels)
        at += 4 * coded + coded * channels
        sums = factor[:, None] * np.where(code == 255, 0, 2.0 ** (code / -STEPS))
        share = np.frombuffer(body, "<f2", channels, at + 4).astype(np.float64)
        value = float(np.frombuffer(body, "<f4", 1, at)[0]) * share
        at += 4 + 2 * channels
        planes = np.frombuffer(body, np.uint8, 4 * OCTAVES * channels, at).reshape(4, OCTAVES, channels)
        spread = np.einsum("bok,b->ok", planes.astype(np.float64), 256.0 ** np.arange(4))
        at += 4 * OCTAVES * channels
        found[tensor] = (sums[:classes], np.vstack([sums[classes:], value]), spread)
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
