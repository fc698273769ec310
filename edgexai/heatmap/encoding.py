"""Maps → a frame: coded in each way that may be shortest, put together, cut to the budget."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import of_type, one_sequence
from edgexai.errors import FrameError
from edgexai.heatmap import given, layout
from edgexai.heatmap import relevance as maps
from edgexai.heatmap.basis import Basis
from edgexai.heatmap.frame import MOST_BYTES, Heatmap, Map, Section, decode, sealed
from edgexai.heatmap.layout import CLASS, COMPANDED, CONSERVATION, EPOCH, PRECISE, REFERENCE, Fields, Preamble
from edgexai.heatmap.search import Goal, cosine, shortest

PRECISE_FROM = 96
"""Frames with a smaller budget say time in seconds, score as float16 and conservation to 1/64."""


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
    made = sealed(about, sections, room)
    if made is None:
        raise FrameError(f"{budget} bytes are too few for {len(pieces)} maps; send fewer in a frame")
    return made


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
