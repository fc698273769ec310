"""The heatmap frame: one explanation, or several of one input, as self-contained bytes that end in a CRC-32C."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import whole_number
from edgexai.errors import FrameError, MissingBasis
from edgexai.heatmap import given, layout, stream
from edgexai.heatmap import relevance as maps
from edgexai.heatmap.basis import Basis
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.layout import CLASS, COMPANDED, CONSERVATION, EPOCH, PRECISE, REFERENCE, Fields, Preamble, Reader

Map = NDArray[np.float32]

MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """What a frame says beside its maps, of ``shape``; target, score and conservation are those of the first map."""

    shape: tuple[int, ...]
    model: bytes
    sequence: int
    time: float
    target: int
    score: float
    conservation: float | None
    fields: Fields


@dataclass(frozen=True)
class Heatmap:
    """One map of a frame and what it explains. ``missing`` is the name of the reference that would have to be added to
    it, if `decode` was not given that: the map is then only the difference."""

    map: Map
    target: int = 0
    score: float = 0.0
    conservation: float | None = None
    missing: bytes | None = None


@dataclass(frozen=True)
class Frame:
    """What a frame says; ``map``, ``target``, ``score``, ``conservation``, ``missing`` are those of the first map,
    ``more`` the other maps. ``time`` in Unix seconds, ``conservation`` None if it was not sent."""

    map: Map
    model: bytes
    sequence: int
    time: float
    target: int
    score: float
    conservation: float | None
    version: int = layout.VERSION
    missing: bytes | None = None
    fields: Fields = field(default_factory=Fields)
    more: tuple[Heatmap, ...] = ()


def decode(frame: bytes, references: Mapping[bytes, Map] | None = None, bases: Iterable[Basis] = ()) -> Frame:
    """Read a frame; FrameError if it is none, is damaged, or declares a map beyond the limits.

    ``references`` are maps by name (the last four bytes of their frames) that frames may build upon. ``bases`` are
    those that frames may be coded in; MissingBasis says which one is not among them.
    """
    known = given.references(references)
    about, sections = opened(frame)
    basis = _basis(about, given.bases(bases))
    read = [section.heatmap(about, known, basis) for section in sections]
    first = read[0]
    return Frame(
        first.map,
        about.model,
        about.sequence,
        about.time,
        first.target,
        first.score,
        first.conservation,
        missing=first.missing,
        fields=about.fields,
        more=tuple(read[1:]),
    )


def header(frame: bytes) -> Header:
    """Check a frame as `decode` does, without computing its maps: a store takes thousands a second. FrameError."""
    about, (first, *_) = opened(frame)
    return Header(
        about.shape,
        about.model,
        about.sequence,
        about.time,
        first.target,
        first.score,
        first.conservation,
        about.fields,
    )


def shorten(frame: bytes, size: int) -> bytes:
    """The frame cut to at most ``size`` bytes, its maps coarser; unchanged if what precedes the streams needs more."""
    whole_number("size", size, kind=FrameError)
    about, sections = opened(frame)
    if len(frame) <= size:
        return frame
    cut = sealed(about, sections, size)
    return frame if cut is None else cut


def renumbered(frame: bytes, sequence: int, time: float) -> bytes:
    """The frame under another ``sequence`` number and, if it says no time, this one: a gateway's, for a node that has
    neither memory nor clock. FrameError as `decode` does, and for a frame that builds upon another."""
    about, sections = opened(frame)
    if about.more & REFERENCE:
        raise FrameError("the frame builds upon another one of its node, which would have another name")
    about = replace(about, sequence=given.sequence(sequence), time=time if about.time == EPOCH else about.time)
    made = sealed(about, sections, MOST_BYTES)
    assert made is not None
    return made


@dataclass(frozen=True)
class Section:
    """A map as it stands in the frame: what precedes its stream, and the stream."""

    lead: bytes
    content: bytes
    target: int = 0
    score: float = 0.0
    conservation: float | None = None
    name: bytes | None = None
    scale: float = 0.0
    exponent: int = maps.BLANK

    def heatmap(self, about: Preamble, references: Mapping[bytes, Map], basis: Basis | None) -> Heatmap:
        """The map decoded, its reference added."""
        shape = about.shape
        if self.exponent == maps.BLANK:
            found = np.zeros(shape, np.float32)
        else:
            said = stream.decode(self.content, shape, basis)
            found = maps.synthesis(self.exponent, said, bool(about.flags & COMPANDED), basis)
        missing = self.name
        if self.name is not None and (known := references.get(self.name)) is not None and known.shape == shape:
            found, missing = maps.added(found, self.scale, known), None
        return Heatmap(found, self.target, self.score, self.conservation, missing)


def sealed(about: Preamble, sections: Sequence[Section], size: int) -> bytes | None:
    """A frame of at most ``size`` bytes, the longest streams cut to equal shares; None if there is no room."""
    fixed = layout.pack(about)
    left = size - len(fixed) - 4 - sum(len(s.lead) for s in sections)
    contents: dict[int, bytes] = {}
    # from the shortest to the longest, so that what one leaves is for the others; the last one needs no length
    order = sorted(range(len(sections)), key=lambda i: len(sections[i].content))
    for done, i in enumerate(order):
        waiting = len(sections) - done
        content, bare = sections[i].content[: max(left // waiting, 0)], i == len(sections) - 1
        if not bare:
            while content and len(layout.varint(len(content))) + len(content) > left // waiting:
                content = content[:-1]
            content = layout.varint(len(content)) + content
        left -= len(content)
        contents[i] = content
    body = fixed + b"".join(s.lead + contents[i] for i, s in enumerate(sections))
    return body + struct.pack(">I", crc32c(body)) if left >= 0 else None


def prefix(body: bytes) -> bytes:
    """A frame of what has arrived of another's bytes (its CRC-32C not among them): coarser, or of fewer maps."""
    about, sections = _parsed(body, whole=False)
    made = sealed(replace(about, count=len(sections)), sections, MOST_BYTES)
    assert made is not None
    return made


def opened(frame: bytes) -> tuple[Preamble, list[Section]]:
    """Header and maps of a frame, no map decoded yet. Raises FrameError as `decode` does."""
    if not isinstance(frame, bytes | bytearray | memoryview):
        raise FrameError(f"a frame is bytes, not {type(frame).__name__}; give what encode returned")
    frame = bytes(frame)
    if not 7 <= len(frame) <= MOST_BYTES:
        raise FrameError(f"{len(frame)} bytes are no heatmap frame; one has 7 to 2^20")
    if crc32c(frame[:-4]) != struct.unpack(">I", frame[-4:])[0]:
        raise FrameError("the frame is damaged (CRC-32C does not match); ask the node to send it again")
    return _parsed(frame[:-4], whole=True)


def _parsed(body: bytes, whole: bool) -> tuple[Preamble, list[Section]]:
    reader = Reader(body)
    about = layout.unpack(reader)
    sections: list[Section] = []
    for i in range(about.count):
        try:
            section, length = _lead(reader, about, last=i == about.count - 1)
        except FrameError:
            if whole or not sections:
                raise
            break
        content = reader.rest() if length is None or (not whole and length > reader.left) else reader.take(length)
        sections.append(replace(section, content=content))
    return about, sections


def _lead(reader: Reader, about: Preamble, last: bool) -> tuple[Section, int | None]:
    """What precedes a stream, and the stream's length."""
    begin = reader.at
    precise = bool(about.more & PRECISE)
    target, score, conservation, name, scale = 0, 0.0, None, None, 0.0
    if about.flags & CLASS:
        target, score = reader.zigzag(), layout.unpack_number(reader, precise)
    if about.flags & CONSERVATION:
        conservation = layout.unpack_conservation(reader, precise)
    if about.more & REFERENCE:
        name = reader.take(4)
        scale = layout.unpack_number(reader, False)
    exponent = struct.unpack(">b", reader.take(1))[0]
    highest = maps.HIGHEST_COMPANDED if about.flags & COMPANDED else maps.HIGHEST
    highest = maps.HIGHEST_OF_BASIS if about.basis else highest
    if (exponent != maps.BLANK and abs(exponent) > highest) or not math.isfinite(scale):
        raise FrameError(f"the frame declares relevance of 2^{exponent}; it was made by no encoder")
    lead = reader.since(begin)
    length = None if last else reader.varint()
    return Section(lead, b"", target, score, conservation, name, scale, exponent), length


def _basis(about: Preamble, bases: Iterable[Basis]) -> Basis | None:
    if not about.basis:
        return None
    for one in bases:
        if one.name == about.basis and one.fits(about.shape, about.model):
            return one
    raise MissingBasis(about.basis, about.shape)
