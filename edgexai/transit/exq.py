"""The file of a model in transit, `.exq`: what a `.tflite` says in few bytes, for a node that restores it bit for bit.

4 bytes    "EXQ2"
32 bytes   SHA-256 of the `.tflite`
4 bytes    its length
rest       one range-coded stream: number of tables; of each the bytes of the file since the last one ended, width of
           an integer, rows, columns and bits to shift left; then all bytes of the file that are in no table, those
           between two tables filled up to whole words: all of that as `words`; then the integers of the tables, see
           `numbers` and `mixing`

Integers are little-endian. Nothing is built before its size is known to fit the length that the file promises.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.transit.mixing import Mixed
from edgexai.transit.numbers import LONGEST, Table, code
from edgexai.transit.rangecoder import Decoder, Encoder
from edgexai.transit.words import Words

HEAD = struct.Struct("<4s32sI")
MAGIC = b"EXQ2"
LARGEST = 1 << 24
"""Bytes of a `.tflite` in transit."""
DENSEST = 100
"""A file of n bytes stands for at most n times this: what a damaged one can cost a node stays small."""
SMALLEST = 16
"""Integers below which a table is not worth its entry."""
WIDTHS: Mapping[int, np.dtype[Any]] = {1: np.dtype("i1"), 2: np.dtype("<i2"), 4: np.dtype("<i4")}


@dataclass(frozen=True)
class Place:
    """A table of integers in the file: where it starts, bytes of an integer, shape, and zero bits at their end."""

    at: int
    width: int
    rows: int
    columns: int
    shift: int

    @property
    def end(self) -> int:
        return self.at + self.width * self.rows * self.columns


def pack(model: bytes, arrays: Iterable[NDArray[Any]]) -> bytes:
    """The `.exq` of a `.tflite` file; ``arrays`` are its integer constants, each (…, columns).

    An array whose bytes the file does not hold, or too short to matter, is left to the general compressor. Raises
    ModelError for a model above 16 MiB.
    """
    if len(model) > LARGEST:
        raise ModelError(f"a model of {len(model):,} bytes is too large for .exq; the most are {LARGEST:,}")
    encoder = Encoder()

    def port(chances: Mixed, bit: int) -> int:
        encoder.encode(chances, bit)
        return bit

    tables: list[Place] = []
    for place in sorted(_places(model, arrays), key=lambda place: place.at):
        if place.at >= (tables[-1].end if tables else 0):
            tables.append(place)
    words = Words(port)
    _listed(words, tables, len(model))
    for start, end in _gaps(tables, len(model)):
        _between(words, model[start:end], start)
    for table in tables:
        code(port, _table(model, table))
    packed = HEAD.pack(MAGIC, hashlib.sha256(model).digest(), len(model)) + encoder.finish()
    return packed + bytes(max(0, -(-len(model) // DENSEST) - len(packed)))


def restore(data: bytes) -> bytes:
    """The `.tflite` that an `.exq` stands for; ModelError if the bytes are none, cut short or damaged."""
    if data[:4] != MAGIC or len(data) < HEAD.size:
        raise ModelError("this is not a model in transit (no EXQ2 at its start); make one with edgexai compress")
    _, digest, length = HEAD.unpack_from(data)
    if length > min(LARGEST, DENSEST * len(data)):
        raise ModelError("the model in transit is cut short or says impossible sizes; fetch it again")
    try:
        model = _restored(data[HEAD.size :], length)
    except ValueError as error:
        raise ModelError(f"the model in transit is damaged ({error}); fetch it again") from error
    if hashlib.sha256(model).digest() != digest:
        raise ModelError("the model in transit is damaged (its SHA-256 is wrong); fetch it again")
    return model


def _restored(stream: bytes, length: int) -> bytes:
    decoder = Decoder(stream)

    def port(chances: Mixed, _: int) -> int:
        bit = decoder.decode(chances)
        if bit is None:
            raise ValueError("it is cut short")
        return bit

    words = Words(port)
    tables = _listed(words, None, length)
    between = [_between(words, bytes(end - start), start) for start, end in _gaps(tables, length)]
    model = bytearray(between[0])
    for table, after in zip(tables, between[1:], strict=True):
        integers = code(port, np.zeros((table.rows, table.columns), np.int64)) << table.shift
        model += integers.astype(WIDTHS[table.width]).tobytes() + after
    return bytes(model)


def _listed(words: Words, tables: list[Place] | None, length: int) -> list[Place]:
    """Pass the list of tables; a reader gives None and gets it, checked."""
    count = words.code(len(tables or ()), 0)
    found: list[Place] = []
    end = 0
    for n in range(count):
        given = tables[n] if tables else None
        numbers = (given.at - end, given.width, given.rows, given.columns, given.shift) if given else (0,) * 5
        gap, *rest = (words.code(number, 20 * n + 4 * k) for k, number in enumerate(numbers))
        table = Place(end + gap, *rest)
        if table.width not in WIDTHS or table.shift >= LONGEST or table.end > length or table.end == table.at:
            raise ValueError("a table lies outside the file")
        end = table.end
        found.append(table)
    return found


def _gaps(tables: list[Place], length: int) -> Iterator[tuple[int, int]]:
    """Where the file is in no table."""
    return zip([0, *(t.end for t in tables)], [*(t.at for t in tables), length], strict=True)


def _between(words: Words, data: bytes, start: int) -> bytes:
    """Pass bytes that start somewhere in the file as words; a reader gives zeros."""
    found = bytearray()
    for at in range(0, len(data), 4):
        found += words.code(int.from_bytes(data[at : at + 4], "little"), start + at).to_bytes(4, "little")
    return bytes(found[: len(data)])


def _places(model: bytes, arrays: Iterable[NDArray[Any]]) -> Iterator[Place]:
    for array in arrays:
        at = model.find(array.tobytes()) if array.size >= SMALLEST and array.dtype in WIDTHS.values() else -1
        if at >= 0:
            columns = array.shape[-1] if array.ndim > 1 else array.size
            yield Place(at, array.itemsize, array.size // columns, columns, _zeros(array))


def _zeros(array: NDArray[Any]) -> int:
    """How many low bits are zero in all of them."""
    bits = int(np.bitwise_or.reduce(array.ravel().astype(np.int64)))
    return min((bits & -bits).bit_length() - 1, LONGEST - 1) if bits else 0


def _table(model: bytes, place: Place) -> Table:
    raw = np.frombuffer(model, WIDTHS[place.width], place.rows * place.columns, place.at)
    return np.asarray(raw.reshape(place.rows, place.columns).astype(np.int64) >> place.shift)
