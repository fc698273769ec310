"""What a frame says besides its maps, and how that is laid out; docs/heatmap-format.md has every bit.

| bytes | field |
|---|---|
| 1 | version (2 bits, 1) and flags: COMPANDED, EXTENDED, MODEL, STAMP, CLASS, CONSERVATION |
| 0–1 | if EXTENDED, more flags: LONG_MODEL, PRECISE, FIELDS, SEVERAL, REFERENCE, BASIS |
| 1–7 | shape: side - 1 of a square below 128, else 128 + axes and each length - 1 as a varint |
| 0, 4, 8 | MODEL: the first bytes of the SHA-256 of the source model |
| 0, 2 | BASIS: its name |
| 0–13 | STAMP: sequence (varint) and seconds since 2020 (4), or milliseconds (5) if PRECISE |
| 0–1 | SEVERAL: number of maps |
| 0–n | FIELDS: small fields, ended by a 0 |

Then each map: target, score and conservation as flagged, `Reference`, exponent, stream.
What has its default is left out.
"""

import math
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import real_array
from edgexai.errors import FrameError
from edgexai.heatmap import concepts as concept

VERSION = 1
COMPANDED, EXTENDED, MODEL, STAMP, CLASS, CONSERVATION = 32, 16, 8, 4, 2, 1
LONG_MODEL, PRECISE, FIELDS, SEVERAL, REFERENCE, BASIS = 1, 2, 4, 8, 16, 32
EPOCH = 1_577_836_800
MOST_AXES, MOST_LENGTH, MOST_VALUES, MOST_MAPS = 3, 512, 1 << 18, 16
CONFIDENCE, SECOND, ENERGY, REGIONS, CONCEPTS = 1, 2, 3, 4, 5

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Fields:
    """Small fields that a frame may carry: ``confidence`` 0 to 1 (kept to 1/255), the ``second`` class and its score,
    ``energy`` of the explanation in µJ, ``regions`` the shares of relevance by region, 0 to 1 each (kept to 1/255).

    ``concepts`` are relevances of inner channels, in parts of one map and statistic each (kept as
    `edgexai.heatmap.concepts` says), ``unknown`` fields of a newer version, by type (6 to 15).
    """

    confidence: float | None = None
    second: tuple[int, float] | None = None
    energy: int | None = None
    regions: tuple[float, ...] = ()
    unknown: tuple[tuple[int, bytes], ...] = ()
    concepts: concept.Parts = ()


@dataclass(frozen=True)
class Preamble:
    """Everything in front of the first map; ``time`` in Unix seconds, ``flags`` and ``more`` as in the frame."""

    shape: tuple[int, ...]
    model: bytes = b""
    sequence: int = 0
    time: float = EPOCH
    count: int = 1
    fields: Fields = field(default_factory=Fields)
    flags: int = 0
    more: int = 0
    basis: bytes = b""


def pack(preamble: Preamble) -> bytes:
    """The bytes of a header whose flags say what follows. Raises FrameError for what no frame can hold."""
    model, more = preamble.model, preamble.more & (PRECISE | REFERENCE)
    if len(model) not in (0, 4, 8):
        raise FrameError(f"a frame takes a model id of 4 or 8 bytes, not {len(model)}")
    if not 0 <= preamble.sequence < 1 << 53:
        raise FrameError(f"a frame takes a sequence number of 0 to 2^53 - 1, not {preamble.sequence}")
    flags = preamble.flags & (COMPANDED | CLASS | CONSERVATION) | (MODEL if model else 0)
    more |= (LONG_MODEL if len(model) == 8 else 0) | (SEVERAL if preamble.count > 1 else 0)
    small = _pack_fields(preamble.fields)
    more |= (FIELDS if small else 0) | (BASIS if preamble.basis else 0)
    stamped = preamble.sequence != 0 or preamble.time != EPOCH
    flags |= (STAMP if stamped else 0) | (EXTENDED if more else 0)
    out = bytes([VERSION << 6 | flags]) + (bytes([more]) if more else b"") + _pack_shape(preamble.shape)
    out += model + preamble.basis
    if stamped:
        out += varint(preamble.sequence) + _pack_time(preamble.time, bool(more & PRECISE))
    return out + (bytes([preamble.count]) if preamble.count > 1 else b"") + small


def unpack(reader: "Reader") -> Preamble:
    """Read a header; FrameError if it is none or declares more than the limits."""
    first = reader.take(1)[0]
    if first >> 6 != VERSION:
        raise FrameError("this is not a heatmap frame of a version that is known here; update, or check the topic")
    more = reader.take(1)[0] if first & EXTENDED else 0
    if more > 63:
        raise FrameError("the frame uses flags that are not known here; update this side")
    shape = _unpack_shape(reader)
    model = reader.take(8 if more & LONG_MODEL else 4) if first & MODEL else b""
    basis = reader.take(2) if more & BASIS else b""
    if basis and not first & COMPANDED:
        raise FrameError("the frame names a basis for a map that is not companded; it was made by no encoder")
    sequence, time = 0, float(EPOCH)
    if first & STAMP:
        sequence = reader.varint()
        precise = more & PRECISE
        time = EPOCH + int.from_bytes(reader.take(5 if precise else 4), "big") / (1000 if precise else 1)
    count = reader.take(1)[0] if more & SEVERAL else 1
    if not 1 <= count <= MOST_MAPS or count * math.prod(shape) > MOST_VALUES:
        raise FrameError(f"the frame declares {count} maps of {shape}; at most {MOST_MAPS}, and 2^18 values, are read")
    fields = _unpack_fields(reader) if more & FIELDS else Fields()
    return Preamble(shape, model, sequence, time, count, fields, first & 63, more, basis)


def checked(relevance: NDArray[np.floating]) -> Map:
    """A map as float32; FrameError for what no frame holds."""
    given = real_array("a map", relevance, kind=FrameError)
    if (
        not 1 <= given.ndim <= MOST_AXES
        or given.size > MOST_VALUES
        or not all(1 <= n <= MOST_LENGTH for n in given.shape)
    ):
        raise FrameError(f"no frame holds a map of shape {given.shape}; 1 to 3 axes of 1 to {MOST_LENGTH}, 2^18 values")
    with np.errstate(over="ignore"):
        values = given.astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise FrameError("the map holds values that are not finite in float32; explain a clean sample")
    return values


def pack_number(value: float, precise: bool) -> bytes:
    """A score: float32 if ``precise``, else float16."""
    try:
        return struct.pack(">f" if precise else ">e", value)
    except OverflowError:
        return struct.pack(">f" if precise else ">e", math.copysign(math.inf, value))


def unpack_number(reader: "Reader", precise: bool) -> float:
    """What `pack_number` has packed."""
    number: float = struct.unpack(">f", reader.take(4))[0] if precise else struct.unpack(">e", reader.take(2))[0]
    return number


def pack_conservation(value: float, precise: bool) -> bytes:
    """Float16 if ``precise``, else a byte: 64 · (1 + value), held at both ends."""
    return pack_number(value, False) if precise else bytes([min(max(round(64 * (1 + value)), 0), 255)])


def unpack_conservation(reader: "Reader", precise: bool) -> float:
    """What `pack_conservation` has packed."""
    return unpack_number(reader, False) if precise else reader.take(1)[0] / 64 - 1


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first, the highest bit of a byte says that more follow."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def zigzag(value: int) -> bytes:
    """A varint of a number of either sign; FrameError beyond 32 bits."""
    if not -(1 << 31) <= value < 1 << 31:
        raise FrameError(f"a frame takes a class of 32 bits, not {value}")
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


class Reader:
    """Takes a frame apart from the front; FrameError at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if self._at + count > len(self._data):
            raise FrameError(f"the frame ends too early ({len(self._data)} bytes); ask the node to send it again")
        self._at += count
        return self._data[self._at - count : self._at]

    def varint(self) -> int:
        """The next number, below 2^53."""
        value = 0
        for shift in range(0, 56, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128 and value < 1 << 53:
                return value
        raise FrameError("a number in the frame has no end; it was made by no encoder")

    def zigzag(self) -> int:
        """The next number of either sign, of 32 bits."""
        value = self.varint()
        if value >= 1 << 32:
            raise FrameError("the frame names a class beyond 32 bits; it was made by no encoder")
        return (value >> 1) ^ -(value & 1)

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def since(self, begin: int) -> bytes:
        """The bytes taken from a place on."""
        return self._data[begin : self._at]

    @property
    def at(self) -> int:
        """How many bytes are taken."""
        return self._at

    @property
    def left(self) -> int:
        """How many are not."""
        return len(self._data) - self._at


def _pack_shape(shape: tuple[int, ...]) -> bytes:
    if len(shape) == 2 and shape[0] == shape[1] <= 128:
        return bytes([shape[0] - 1])
    return bytes([128 + len(shape)]) + b"".join(varint(n - 1) for n in shape)


def _unpack_shape(reader: Reader) -> tuple[int, ...]:
    kind = reader.take(1)[0]
    if kind < 128:
        return (kind + 1, kind + 1)
    if not 129 <= kind <= 128 + MOST_AXES:
        raise FrameError(f"the frame declares a map of {kind - 128} axes; it was made by no encoder")
    shape = tuple(reader.varint() + 1 for _ in range(kind - 128))
    if max(shape) > MOST_LENGTH or math.prod(shape) > MOST_VALUES:
        raise FrameError(f"the frame declares a map of {shape}; at most {MOST_LENGTH} an axis and 2^18 values are read")
    return shape


def _pack_time(time: float, precise: bool) -> bytes:
    units = round((time - EPOCH) * 1000) if precise else math.floor(time - EPOCH)
    width = 5 if precise else 4
    if not 0 <= units < 1 << 8 * width:
        raise FrameError(f"time {time} lies outside of what a frame can say (2020 to 2054); set the clock")
    return units.to_bytes(width, "big")


def _pack_fields(fields: Fields) -> bytes:
    items: list[tuple[int, bytes]] = []
    if fields.confidence is not None:
        items.append((CONFIDENCE, _shares((fields.confidence,))))
    if fields.second is not None:
        items.append((SECOND, zigzag(fields.second[0]) + pack_number(fields.second[1], False)))
    if fields.energy is not None:
        items.append((ENERGY, varint(min(max(fields.energy, 0), (1 << 53) - 1))))
    if fields.regions:
        items.append((REGIONS, _shares(fields.regions)))
    if fields.concepts:
        items.append((CONCEPTS, concept.pack(fields.concepts)))
    out = b""
    for kind, content in (*items, *fields.unknown):
        if not 1 <= kind <= 15 or len(content) > 255:
            raise FrameError(f"a frame takes fields of type 1 to 15 of at most 255 bytes, not {kind}, {len(content)}")
        short = len(content) < 15
        out += (
            bytes([kind << 4 | (len(content) if short else 15)]) + (b"" if short else bytes([len(content)])) + content
        )
    return out + b"\0" if out else b""


def _shares(values: tuple[float, ...]) -> bytes:
    if not all(0 <= v <= 1 for v in values):
        raise FrameError(f"a share lies between 0 and 1, not {values}")
    return bytes(round(255 * v) for v in values)


def _unpack_fields(reader: Reader) -> Fields:
    known: dict[int, bytes] = {}
    unknown: list[tuple[int, bytes]] = []
    while tag := reader.take(1)[0]:
        if tag < 16:
            raise FrameError("the frame holds a small field of type 0; it was made by no encoder")
        length = tag & 15
        content = reader.take(reader.take(1)[0] if length == 15 else length)
        if CONFIDENCE <= tag >> 4 <= CONCEPTS:
            known[tag >> 4] = content
        else:
            unknown.append((tag >> 4, content))
    confidence = second = energy = None
    if CONFIDENCE in known:
        confidence = Reader(known[CONFIDENCE]).take(1)[0] / 255
    if SECOND in known:
        inner = Reader(known[SECOND])
        second = inner.zigzag(), unpack_number(inner, False)
    if ENERGY in known:
        energy = Reader(known[ENERGY]).varint()
    regions = tuple(b / 255 for b in known.get(REGIONS, b""))
    parts = concept.unpack(known[CONCEPTS]) if CONCEPTS in known else ()
    return Fields(confidence, second, energy, regions, tuple(unknown), parts)
