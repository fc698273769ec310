"""The heatmap frame: one explanation as self-contained bytes.

| bytes | field |
|---|---|
| 1 | version (high nibble, 1) and flags (low nibble: 1 a conservation follows) |
| 1 | number of axes, 1 to 3 (high nibble), and length of the model id (low nibble) |
| 0–8 | model id: the first bytes of the SHA-256 of the source model |
| varints | length of each axis, 1 to 512 |
| varint | the node's sequence number |
| varint | target, zigzag |
| 5 | time: milliseconds since 2020-01-01 UTC, big-endian |
| 3 | score: the high 24 bits of a big-endian float32 |
| 0 or 2 | conservation: float16, big-endian |
| 1 | exponent e of the map, signed; the coefficients' unit is 2^(e - 12 + 1) |
| rest | the embedded stream (`planes.py`) |
| 4 | CRC-32C of everything before, big-endian |
"""

import math
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import FrameError
from edgexai.heatmap import planes, transform
from edgexai.heatmap.crc import crc32c

VERSION = 1
HAS_CONSERVATION = 1
MOST_AXES, MOST_LENGTH, MOST_VALUES = 3, 512, 1 << 18
EPOCH = 1_577_836_800
BLANK, HIGHEST = -128, 100


@dataclass(frozen=True)
class Header:
    """What a frame says beside its map, of ``shape``; ``time`` in Unix seconds, ``conservation`` None if not sent."""

    shape: tuple[int, ...]
    model: bytes
    sequence: int
    time: float
    target: int
    score: float
    conservation: float | None


@dataclass(frozen=True)
class Frame:
    """What a frame says; ``map`` is float32, ``time`` in Unix seconds, ``conservation`` None if it was not sent."""

    map: NDArray[np.float32]
    model: bytes
    sequence: int
    time: float
    target: int
    score: float
    conservation: float | None
    version: int = VERSION


def encode(
    relevance: NDArray[np.floating],
    *,
    budget: int | None = None,
    quality: float | None = None,
    model: bytes = b"",
    sequence: int = 0,
    time: float = EPOCH,
    target: int = 0,
    score: float = 0.0,
    conservation: float | None = None,
) -> bytes:
    """A frame of at most ``budget`` bytes, or of the fewest bytes that keep a cosine of ``quality`` to the map.

    ``relevance`` has 1 to 3 axes of at most 512. Without budget and quality the whole stream is sent.
    Raises FrameError for what no frame can hold, or a budget smaller than the header.
    """
    values = _checked(relevance)
    head = _head(values.shape, model, sequence, time, target, score, conservation)
    room = (1 << 20) if budget is None else budget - len(head) - 5
    if room < 0:
        raise FrameError(f"a frame of this map needs {len(head) + 5} bytes before any relevance; {budget} are too few")
    exponent, coefficients = _coefficients(values)
    stream = planes.encode(coefficients, room) if exponent != BLANK else b""
    if quality is not None:
        stream = _shortest(stream, values, quality)
    body = head + struct.pack(">b", exponent) + stream
    return body + struct.pack(">I", crc32c(body))


def decode(frame: bytes) -> Frame:
    """Read a frame; FrameError if it is none, is damaged, or declares a map beyond the limits."""
    head, exponent, stream = _taken_apart(frame)
    return Frame(
        map=_map(stream, head.shape, exponent),
        model=head.model,
        sequence=head.sequence,
        time=head.time,
        target=head.target,
        score=head.score,
        conservation=head.conservation,
    )


def header(frame: bytes) -> Header:
    """Check a frame as `decode` does, without computing its map: a store takes thousands a second. FrameError."""
    return _taken_apart(frame)[0]


def _taken_apart(frame: bytes) -> tuple[Header, int, bytes]:
    """Header, exponent and stream of the map."""
    try:
        return _parts(bytes(frame))
    except (struct.error, IndexError):
        raise FrameError(f"the frame is cut short ({len(frame)} bytes); ask the node to send it again") from None


def _parts(frame: bytes) -> tuple[Header, int, bytes]:
    if len(frame) < 2 or frame[0] >> 4 != VERSION:
        raise FrameError("this is not a heatmap frame of a version that is known here; update, or check the topic")
    if crc32c(frame[:-4]) != struct.unpack(">I", frame[-4:])[0]:
        raise FrameError("the frame is damaged (CRC-32C does not match); ask the node to send it again")
    reader = _Reader(frame[:-4])
    flags = reader.take(1)[0] & 15
    axes, known = divmod(reader.take(1)[0], 16)
    model = reader.take(known)
    if not 1 <= axes <= MOST_AXES or known > 8:
        raise FrameError(f"the frame declares {axes} axes and a model id of {known} bytes; it was made by no encoder")
    shape = tuple(reader.varint() for _ in range(axes))
    if not all(1 <= n <= MOST_LENGTH for n in shape) or math.prod(shape) > MOST_VALUES:
        raise FrameError(f"the frame declares a map of {shape}; at most {MOST_LENGTH} an axis are read")
    sequence, zigzag = reader.varint(), reader.varint()
    milliseconds = int.from_bytes(reader.take(5), "big")
    score = struct.unpack(">f", reader.take(3) + b"\0")[0]
    conservation = struct.unpack(">e", reader.take(2))[0] if flags & HAS_CONSERVATION else None
    exponent = struct.unpack(">b", reader.take(1))[0]
    if exponent > HIGHEST:
        raise FrameError(f"the frame declares relevance of 2^{exponent}; it was made by no encoder")
    head = Header(
        shape=shape,
        model=model,
        sequence=sequence,
        time=EPOCH + milliseconds / 1000,
        target=(zigzag >> 1) ^ -(zigzag & 1),
        score=score,
        conservation=conservation,
    )
    return head, exponent, reader.rest()


def _checked(relevance: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(relevance, np.float64)
    if (
        not 1 <= values.ndim <= MOST_AXES
        or values.size > MOST_VALUES
        or not all(1 <= n <= MOST_LENGTH for n in values.shape)
    ):
        raise FrameError(f"no frame holds a map of shape {values.shape}; 1 to 3 axes of 1 to {MOST_LENGTH}")
    if not np.all(np.isfinite(values)):
        raise FrameError("the map holds values that are not finite; explain a clean sample")
    return values


def _head(
    shape: tuple[int, ...],
    model: bytes,
    sequence: int,
    time: float,
    target: int,
    score: float,
    conservation: float | None,
) -> bytes:
    if len(model) > 8 or sequence < 0:
        raise FrameError(
            f"a frame takes a model id of at most 8 bytes and a sequence from 0, not {model!r}, {sequence}"
        )
    milliseconds = round((time - EPOCH) * 1000)
    if not 0 <= milliseconds < 1 << 40:
        raise FrameError(f"time {time} lies outside of what a frame can say (2020 to 2054); set the clock")
    kept = conservation is not None and math.isfinite(conservation) and abs(conservation) < 65504
    head = bytes([VERSION << 4 | (HAS_CONSERVATION if kept else 0), len(shape) << 4 | len(model)]) + model
    head += b"".join(_varint(n) for n in shape) + _varint(sequence)
    head += _varint(target << 1 if target >= 0 else (-target << 1) - 1)
    head += milliseconds.to_bytes(5, "big") + struct.pack(">f", score)[:3]
    return head + (struct.pack(">e", conservation) if kept else b"")


def _coefficients(values: NDArray[np.float64]) -> tuple[int, NDArray[np.int64]]:
    """Exponent and integer coefficients with magnitudes below 2¹²; BLANK for a map that is (next to) nothing."""
    real = transform.forward(values)
    peak = float(np.abs(real).max())
    exponent = math.frexp(peak)[1] if peak else BLANK
    if exponent <= BLANK + planes.PLANES:
        return BLANK, np.zeros(values.shape, np.int64)
    if exponent > HIGHEST:
        raise FrameError(f"the map's relevance reaches {peak:.3g}, beyond what a frame can say; scale it")
    scaled = np.trunc(np.ldexp(real, planes.PLANES - exponent)).astype(np.int64)
    return exponent, scaled


def _map(stream: bytes, shape: tuple[int, ...], exponent: int) -> NDArray[np.float32]:
    if exponent == BLANK:
        return np.zeros(shape, np.float32)
    integers = transform.inverse(planes.decode(stream, shape))
    return np.ldexp(integers.astype(np.float32), exponent - planes.PLANES - planes.FRACTION)


def _shortest(stream: bytes, values: NDArray[np.float64], quality: float) -> bytes:
    """The shortest prefix whose map has this cosine to the true one; the whole stream if none has."""
    low, high = 0, len(stream)
    while low < high:
        middle = (low + high) // 2
        found = transform.inverse(planes.decode(stream[:middle], values.shape)).astype(np.float64)
        length = float(np.linalg.norm(found) * np.linalg.norm(values))
        if length and float((found * values).sum()) / length >= quality:
            high = middle
        else:
            low = middle + 1
    return stream[:low]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


class _Reader:
    """Takes a frame apart from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise IndexError
        self._at += count
        return self._data[self._at - count : self._at]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 63, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise FrameError("a number in the frame has no end; it was made by no encoder")

    def rest(self) -> bytes:
        return self._data[self._at :]
