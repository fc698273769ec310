"""The heatmap frame: one explanation, or several of one input, as self-contained bytes that end in a CRC-32C."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import of_type, one_sequence, whole_number
from edgexai.errors import FrameError, MissingBasis
from edgexai.heatmap import given, layout, stream
from edgexai.heatmap import relevance as maps
from edgexai.heatmap.basis import Basis
from edgexai.heatmap.crc import crc32c
from edgexai.heatmap.layout import CLASS, COMPANDED, CONSERVATION, EPOCH, PRECISE, REFERENCE, Fields, Preamble, Reader
from edgexai.heatmap.search import Goal, cosine, shortest

Map = NDArray[np.float32]

MOST_BYTES = 1 << 20
PRECISE_FROM = 96
"""Frames with a smaller budget say time in seconds, score as float16 and conservation to 1/64."""


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


def encode(
    relevance: NDArray[np.floating],
    *,
    budget: int | None = None,
    quality: float | None = None,
    kept: float | None = None,
    model: bytes = b"",
    sequence: int = 0,
    time: float = EPOCH,
    target: int = 0,
    score: float = 0.0,
    conservation: float | None = None,
    fields: Fields | None = None,
    concepts: NDArray[np.floating] | Sequence[NDArray[np.floating]] | None = None,
    more: Sequence[Heatmap] = (),
    reference: bytes | None = None,
    basis: Basis | None = None,
    precise: bool | None = None,
    companded: bool | None = None,
) -> bytes:
    """A frame of at most ``budget`` bytes, or of the fewest whose maps reach ``quality`` or have ``kept``.

    ``relevance`` has 1 to 3 axes of at most 512. ``quality`` is the cosine to the map, ``kept`` the share of |R|
    that is right: 1 - Σ|R - R'| / Σ|R|. Without any of them the whole stream is sent. ``concepts`` are those of an
    explanation, all as one part or as a sequence of parts, each of which then has a scale of its own. ``more`` maps
    of the same shape (other classes) share the frame. ``reference`` is a frame that the other side has too, the
    node's last or the mean of a class: the difference to it is sent where that is better. ``basis`` is one that the
    other side has too, learned from the model's own maps: it is used where it fits and is better. ``precise`` says
    time to the millisecond and score as float32; by default if the budget is at least 96. ``companded`` codes
    sign(R)·|R|^(2/3), which keeps ranks and shares better than the map itself and the cosine about as well; by
    default always, but for a quality where the map itself is shorter. Raises FrameError for what no frame can hold,
    or a budget smaller than what comes before the stream.
    """
    budget, goal, basis = given.budget(budget), Goal(quality, kept), given.basis(basis)
    sequence, time = given.sequence(sequence), given.number("time", time)
    precise, companded = given.switch("precise", precise), given.switch("companded", companded)
    wanted = [_checked(Heatmap(relevance, target, score, conservation))]
    wanted += [_checked(one) for one in one_sequence("more", more, FrameError)]
    of_type("model", model, bytes, "the first bytes of the SHA-256 of the source model", FrameError)
    if len(wanted) > layout.MOST_MAPS or any(one.map.shape != wanted[0].map.shape for one in wanted):
        raise FrameError(f"a frame holds at most {layout.MOST_MAPS} maps, all of one shape; send them in several")
    if precise is None:
        precise = budget is None or budget >= PRECISE_FROM or any(65504 < abs(one.score) < math.inf for one in wanted)
    small = given.fields(fields, concepts)
    about = Preamble(wanted[0].map.shape, model, sequence, time, len(wanted), small)
    ways = [companded] if companded is not None else [True, False] if goal else [True]

    def made(way: bool, base: tuple[bytes, Map] | None = None, basis: Basis | None = None) -> bytes:
        pieces = [_Piece.of(one, way, goal, base, basis) for one in wanted]
        said = replace(about, flags=COMPANDED if way else 0, basis=b"" if basis is None else basis.name)
        return _assembled(said, pieces, precise, budget)

    frames = [made(way) for way in ways]
    known: dict[bytes, Map] = {}
    if reference is not None and (built_on := decode(reference).map).shape == about.shape:
        known[reference[-4:]] = built_on
        frames += [made(way, (reference[-4:], built_on)) for way in ways]
    bases = [basis] if basis is not None and basis.fits(about.shape, model) and ways[0] else []
    with suppress(FrameError):  # there may be no room for its name
        for one in bases:
            frame = made(True, None, one)
            if not goal or all(goal.reached(*pair) for pair in _pairs(frame, wanted, known, bases)):
                frames.append(frame)
    if goal:
        return min(frames, key=len)
    return frames[0] if len(frames) == 1 else max(frames, key=lambda one: _likeness(one, wanted, known, bases))


def _checked(one: Heatmap) -> Heatmap:
    """A map to be encoded and what it explains; FrameError for what no frame holds."""
    of_type("more", one, Heatmap, "a list of edgexai.heatmap.Heatmap", FrameError)
    return Heatmap(
        layout.checked(one.map),
        given.target(one.target),
        given.number("score", one.score),
        given.conservation(one.conservation),
        one.missing,
    )


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
    cut = _sealed(about, sections, size)
    return frame if cut is None else cut


def renumbered(frame: bytes, sequence: int, time: float) -> bytes:
    """The frame under another ``sequence`` number and, if it says no time, this one: a gateway's, for a node that has
    neither memory nor clock. FrameError as `decode` does, and for a frame that builds upon another."""
    about, sections = opened(frame)
    if about.more & REFERENCE:
        raise FrameError("the frame builds upon another one of its node, which would have another name")
    about = replace(about, sequence=given.sequence(sequence), time=time if about.time == EPOCH else about.time)
    made = _sealed(about, sections, MOST_BYTES)
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


@dataclass(frozen=True)
class _Piece:
    """A map on its way into a frame: coded fully on demand, or up to the quality that is asked for."""

    heatmap: Heatmap
    coefficients: maps.Coefficients | None
    name: bytes | None
    scale: float
    content: bytes | None

    @classmethod
    def of(
        cls, one: Heatmap, companded: bool, goal: Goal, reference: tuple[bytes, Map] | None, basis: Basis | None
    ) -> "_Piece":
        name, scale, rest = None, 0.0, one.map
        if reference is not None:
            name, known = reference
            scale = maps.scale(one.map, known)
            rest = maps.added(one.map, -scale, known)
        found = maps.coefficients(rest, 0, companded, basis)
        content = None
        if found is not None and goal:
            known = np.zeros_like(one.map) if reference is None else reference[1]
            content, found = shortest(
                rest, companded, basis, lambda values: goal.reached(maps.added(values, scale, known), one.map)
            )
        return cls(one, found, name, scale, content)

    def lead(self, precise: bool, flags: int) -> bytes:
        one, out = self.heatmap, b""
        if flags & CLASS:
            out += layout.zigzag(one.target) + layout.pack_number(one.score, precise)
        if flags & CONSERVATION:
            out += layout.pack_conservation(one.conservation or 0.0, precise)
        if self.name is not None:
            out += self.name + struct.pack(">e", self.scale)
        return out + struct.pack(">b", maps.BLANK if self.coefficients is None else self.coefficients.exponent)

    def stream(self, most: int) -> bytes:
        if self.coefficients is None:
            return b""
        return self.coefficients.stream(most) if self.content is None else self.content[:most]


def _assembled(about: Preamble, pieces: list[_Piece], precise: bool, budget: int | None) -> bytes:
    ones = [piece.heatmap for piece in pieces]
    flags = about.flags | (CLASS if any(one.target != 0 or one.score != 0 for one in ones) else 0)
    if all(one.conservation is not None and abs(one.conservation) < 65504 for one in ones):
        flags |= CONSERVATION
    more = REFERENCE if pieces[0].name is not None else 0
    if precise and (flags & (CLASS | CONSERVATION) or about.sequence or about.time != EPOCH):
        more |= PRECISE
    about = replace(about, flags=flags, more=more)
    leads = [piece.lead(bool(more & PRECISE), flags) for piece in pieces]
    room = MOST_BYTES if budget is None else budget
    bare = len(layout.pack(about)) + sum(map(len, leads)) + len(leads) - 1 + 4
    if bare > room:
        raise FrameError(f"a frame of this map needs {bare} bytes before any relevance; {budget} are too few")
    sections = [Section(lead, piece.stream(room)) for lead, piece in zip(leads, pieces, strict=True)]
    sealed = _sealed(about, sections, room)
    if sealed is None:
        raise FrameError(f"{budget} bytes are too few for {len(pieces)} maps; send fewer in a frame")
    return sealed


def _sealed(about: Preamble, sections: Sequence[Section], size: int) -> bytes | None:
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
    sealed = _sealed(replace(about, count=len(sections)), sections, MOST_BYTES)
    assert sealed is not None
    return sealed


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


def _likeness(
    frame: bytes, wanted: Sequence[Heatmap], references: Mapping[bytes, Map], bases: Iterable[Basis]
) -> float:
    return sum(cosine(found, true) for found, true in _pairs(frame, wanted, references, bases))


def _pairs(
    frame: bytes, wanted: Sequence[Heatmap], references: Mapping[bytes, Map], bases: Iterable[Basis]
) -> list[tuple[Map, Map]]:
    """The maps of a frame, each with the one that it stands for."""
    said = decode(frame, references, bases)
    return [(found, one.map) for found, one in zip([said.map, *(m.map for m in said.more)], wanted, strict=True)]
