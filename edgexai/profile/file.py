"""The file of a relevance profile: checked in size and by CRC before anything is built from it.

8 bytes   "EXPROF05"
4 bytes   length of the header, little-endian
header    JSON: model (SHA-256 as hex), composite, classes, maps ([tensor, channels] each)
body      zlib: count: classes × uint32; then tables, each of all maps one after another
          factors (5 a map): float32: the largest of its largest means, margins, nets, squares and |values|
          largest (channels): mean relevance of the class where it is largest; a code for 8 an octave
          classes (channels × classes): mean relevance a, and mean signed relevance n, of each class in thirds of the
          largest, as a² + a + n
          margin, net, square (channels each): codes for 2, 4 and 2 an octave
          value (channels): int8, in 127ths of its factor
          octaves (channels × QUANTILES): the class of `OCTAVES` below which a share of the samples stays, smallest
          shares first, each less the one before
4 bytes   CRC-32 of all that stands before

A code is one byte c for factor · 2^(-c/steps), 255 for zero. A file that is read and written again is the same.
"""

import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

MAGIC = b"EXPROF05"
MOST = 2**20
"""Classes, maps and channels are each fewer than this."""

MOST_SUMS = 2**26
"""A profile holds no more sums than this."""

ROWS = 4
"""Sums of a map that are not kept by class: margin, net, square, value."""

STEPS = 8
"""Codes of a channel's largest mean an octave."""

ROW_STEPS = (2, 4, 2)
"""Codes of margin, net and square an octave: margin and square are squares, which makes them four of their roots."""

SHARES = 3
"""Parts of a channel's largest mean in which the means of all classes are kept."""

OCTAVES = 16
"""Classes of a channel's share of its map's relevance: above 1/2, above 1/4, …, and all that is smaller."""

QUANTILES = np.array([0.1, 0.5, 0.9, 1])
"""Shares of the samples that are kept."""

Sums = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Map = tuple[Sums, Sums, Sums, Sums]


def pack(model: str, composite: str, count: NDArray[np.int64], maps: dict[int, Map]) -> bytes:
    """The bytes of a profile; a map is relevance, signed (classes, channels), sums (4, channels), spread (16, …)."""
    about = {
        "model": model,
        "composite": composite,
        "classes": len(count),
        "maps": [[t, rows.shape[1]] for t, (_, _, rows, _) in maps.items()],
    }
    header = json.dumps(about, separators=(",", ":")).encode()
    start = MAGIC + len(header).to_bytes(4, "little") + header
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    body = squeeze.compress(count.astype("<u4").tobytes())
    for table in zip(*(_tables(count, *found) for found in maps.values()), strict=True):
        # a block of its own, with a code for what is frequent in this table
        body += squeeze.compress(b"".join(part.tobytes() for part in table)) + squeeze.flush(zlib.Z_BLOCK)
    whole = start + body + squeeze.flush()
    return whole + zlib.crc32(whole).to_bytes(4, "little")


def _tables(count: NDArray[np.int64], relevance: Sums, signed: Sums, rows: Sums, spread: Sums) -> list[NDArray[Any]]:
    """Factors and tables of one map, in their order in the file."""
    each = np.maximum(count, 1)[:, None]
    largest = (relevance / each).max(axis=0, initial=0)
    factors = np.abs([largest, *rows]).max(axis=1, initial=0).astype("<f4")
    scale = np.where(factors == 0, 1, factors).astype(np.float64)
    part = SHARES / np.where(largest == 0, 1, largest) / each
    size = np.round(relevance * part)
    net = np.clip(np.round(signed * part), -size, size)
    octaves = np.array([reach(spread, q, int(count.sum())) for q in QUANTILES])
    return [
        factors,
        _code(largest / scale[0], STEPS),
        (size * size + size + net).astype(np.uint8).T,
        *(_code(row / by, steps) for row, by, steps in zip(rows[:-1], scale[1:], ROW_STEPS, strict=False)),
        np.round(127 * rows[-1] / scale[-1]).astype(np.int8),
        np.diff(octaves, axis=0, prepend=0).astype(np.uint8).T,
    ]


def reach(spread: Sums, q: float, samples: int) -> NDArray[np.int64]:
    """In which of `OCTAVES`, smallest first, a share ``q`` of the samples is reached, (channels,)."""
    below = np.cumsum(spread[::-1], axis=0)
    return np.asarray(((below > 0) & (below >= (q - 1e-9) * samples)).argmax(axis=0))


def _code(share: Sums, steps: int) -> Bytes:
    with np.errstate(divide="ignore"):
        return np.minimum(np.round(-steps * np.log2(share)), 255).astype(np.uint8)


def _decoded(code: Bytes, steps: int) -> Sums:
    return np.where(code == 255, 0, 2.0 ** (code.astype(np.float64) / -steps))


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
    channels = sum(n for _, n in maps)
    if channels * (2 * classes + ROWS + OCTAVES) > MOST_SUMS:
        raise DataError(f"{where} asks for more than {MOST_SUMS} sums; profile fewer maps or classes")
    expected = 4 * classes + 4 * (ROWS + 1) * len(maps) + channels * (1 + classes + ROWS + len(QUANTILES))
    body = _inflated(data[12 + length : -4], expected)
    if body is None:
        raise DataError(f"{where} does not hold the {expected} bytes that its header asks for; make it again")
    count = np.frombuffer(body, "<u4", classes).astype(np.int64)
    factors = np.frombuffer(body, "<f4", (ROWS + 1) * len(maps), 4 * classes).astype(np.float64)
    tables, at = [], 4 * (classes + len(factors))
    for width in (1, classes, *[1] * ROWS, len(QUANTILES)):
        tables.append(np.frombuffer(body, np.uint8, channels * width, at).reshape(channels, width).T)
        at += channels * width
    found: dict[int, Map] = {}
    at = 0
    for (tensor, n), factor in zip(maps, factors.reshape(len(maps), ROWS + 1), strict=True):
        found[tensor] = _map(count, factor, [table[:, at : at + n] for table in tables])
        at += n
    if any(not np.all(np.isfinite(t)) for sums in found.values() for t in sums):
        raise DataError(f"{where} holds sums that are not finite; make it again with edgexai profile")
    return model, composite, count, found


def _map(count: NDArray[np.int64], factor: Sums, tables: list[Bytes]) -> Map:
    """The inverse of `_tables`."""
    largest, classes, *codes, value, octaves = tables
    whole = factor[0] * _decoded(largest, STEPS) * count[:, None]
    size = np.floor(np.sqrt(classes))
    net = classes - size * size - size
    rows = [by * _decoded(code[0], steps) for code, by, steps in zip(codes, factor[1:], ROW_STEPS, strict=False)]
    rows.append(factor[-1] * value[0].view(np.int8) / 127)
    places = np.cumsum(octaves, axis=0).clip(0, OCTAVES - 1)
    spread = np.zeros((OCTAVES, places.shape[1]))
    for place, samples in zip(places, np.diff(QUANTILES, prepend=0) * count.sum(), strict=True):
        spread[OCTAVES - 1 - place, np.arange(len(place))] += samples
    return size / SHARES * whole, net / SHARES * whole, np.array(rows), spread


def _inflated(data: bytes, expected: int) -> bytes | None:
    """What zlib packed, if it is exactly so long."""
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
