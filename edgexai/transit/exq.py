"""The file of a model in transit, `.exq`: what a `.tflite` says in few bytes, for a node that restores it bit for bit.

4 bytes    "EXQ1"
32 bytes   SHA-256 of the `.tflite`
4 bytes    its length
4 bytes    length of the frame
frame      raw LZMA2: number of tables; of each the bytes of the file since the last one ended, width of an integer,
           rows, columns and bits to shift left, as LEB128; then all bytes of the file that are in no table
rest       one range-coded stream with the integers of the tables, see `numbers` and `mixing`

Integers are little-endian. Nothing is built before its size is known to fit the length that the file promises.
"""

import hashlib
import lzma
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.transit.mixing import Mixed
from edgexai.transit.numbers import LONGEST, Table, code
from edgexai.transit.rangecoder import Decoder, Encoder

HEAD = struct.Struct("<4s32sII")
MAGIC = b"EXQ1"
LARGEST = 1 << 24
"""Bytes of a `.tflite` in transit."""
DENSEST = 1000
"""A file of n bytes stands for at most n times this: what a damaged one can cost a node stays small."""
SMALLEST = 16
"""Integers below which a table is not worth its entry."""
FILTERS: Sequence[Mapping[str, int]] = [
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 2, "pb": 2, "dict_size": 1 << 20}
]
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

    places = sorted(_places(model, arrays), key=lambda place: place.at)
    frame, end = bytearray(), 0
    tables: list[Place] = []
    for place in places:
        if place.at >= end:
            tables.append(place)
            end = place.end
    _write(frame, len(tables))
    end = 0
    for place in tables:
        for number in (place.at - end, place.width, place.rows, place.columns, place.shift):
            _write(frame, number)
        end = place.end
        code(port, _table(model, place))
    frame += _between(model, tables)
    squeezed = lzma.compress(bytes(frame), lzma.FORMAT_RAW, filters=FILTERS)
    head = HEAD.pack(MAGIC, hashlib.sha256(model).digest(), len(model), len(squeezed))
    packed = head + squeezed + encoder.finish()
    return packed + bytes(max(0, -(-len(model) // DENSEST) - len(packed)))


def restore(data: bytes) -> bytes:
    """The `.tflite` that an `.exq` stands for; ModelError if the bytes are none, cut short or damaged."""
    if data[:4] != MAGIC or len(data) < HEAD.size:
        raise ModelError("this is not a model in transit (no EXQ1 at its start); make one with edgexai compress")
    _, digest, length, squeezed = HEAD.unpack_from(data)
    if length > min(LARGEST, DENSEST * len(data)) or squeezed > len(data) - HEAD.size:
        raise ModelError("the model in transit is cut short or says impossible sizes; fetch it again")
    try:
        model = _restored(data, length, squeezed)
    except (lzma.LZMAError, EOFError, ValueError) as error:
        raise ModelError(f"the model in transit is damaged ({error}); fetch it again") from error
    if hashlib.sha256(model).digest() != digest:
        raise ModelError("the model in transit is damaged (its SHA-256 is wrong); fetch it again")
    return model


def _restored(data: bytes, length: int, squeezed: int) -> bytes:
    opener = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=FILTERS)
    frame = opener.decompress(data[HEAD.size : HEAD.size + squeezed], max_length=2 * length + 1024)
    if not opener.eof:
        raise ValueError("its frame does not end")
    tables, at = _entries(frame, length)
    if len(frame) - at != length - sum(t.end - t.at for t in tables):
        raise ValueError("its frame does not fit its length")
    decoder = Decoder(data[HEAD.size + squeezed :])

    def port(chances: Mixed, _: int) -> int:
        bit = decoder.decode(chances)
        if bit is None:
            raise ValueError("its tables are cut short")
        return bit

    model, end = bytearray(), 0
    for table in tables:
        model += frame[at : at + table.at - end]
        at, end = at + table.at - end, table.end
        integers = code(port, np.zeros((table.rows, table.columns), np.int64)) << table.shift
        model += integers.astype(WIDTHS[table.width]).tobytes()
    return bytes(model + frame[at:])


def _entries(frame: bytes, length: int) -> tuple[list[Place], int]:
    """The tables that a frame lists, checked, and where its list ends."""
    count, at = _number(frame, 0)
    tables: list[Place] = []
    end = 0
    for _ in range(count):
        numbers = []
        for _ in range(5):
            number, at = _number(frame, at)
            numbers.append(number)
        table = Place(end + numbers[0], *numbers[1:])
        if table.width not in WIDTHS or table.shift >= LONGEST or table.end > length or table.end == table.at:
            raise ValueError("a table lies outside the file")
        end = table.end
        tables.append(table)
    return tables, at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A LEB128 number, and where it ends."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            break
        number |= (data[at] & 127) << shift
        at += 1
        if data[at - 1] < 128:
            return number, at
    raise ValueError("its list of tables is broken")


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


def _between(model: bytes, tables: list[Place]) -> bytes:
    starts = [0, *(t.end for t in tables)]
    ends = [*(t.at for t in tables), len(model)]
    return b"".join(model[a:b] for a, b in zip(starts, ends, strict=True))


def _write(out: bytearray, number: int) -> None:
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
