"""Integer coefficients ↔ an embedded stream of bytes: bit plane by bit plane through the tree, any prefix a map.

With a basis each plane begins with the components' coefficients, and the tree, of what they leave, when it is needed.
In each plane the tree is walked in preorder, coarse bands first. A node that no earlier plane has found says whether
one of its coefficients reaches the plane; if not, its descendants are passed over (zero blocks: EZBC, Hsiang and Woods
2000). A coefficient that is found says its sign, one that was found before says its next bit. Every decision goes
through the range coder, in a context of what is known beside it, from probabilities learned on maps (`priors.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgexai.heatmap import basis as bases
from edgexai.heatmap import pattern as patterns
from edgexai.heatmap.basis import Basis
from edgexai.heatmap.pattern import Pattern
from edgexai.heatmap.priors import CONTEXTS, COUNTS, ONES
from edgexai.heatmap.rangecoder import Full, decoder, encoder
from edgexai.heatmap.tree import Tree, tree

Ints = NDArray[np.int64]
Tell = Callable[[int, int], None]
Ask = Callable[[int], int]

PLANES = 15
"""Bit planes of a coefficient's magnitude; the greatest has its highest bit in the first."""
FRACTION = 3
"""Bits below the last plane in what `decode` gives."""
OPEN = 3
"""A coefficient known down to a plane is taken 3/8 of that plane above the least that it can be."""
_STEPS = (2, 4, 7, 11, 16, 24)
SURROUNDINGS = tuple(4 * sum(total >= step for step in _STEPS) for total in range(85))
"""Four times the class of what surrounds a node, by the weighted sum of what its neighbours say."""
NOTHING: Ints = np.zeros(0, np.int64)
SIGN, REFINE = CONTEXTS["sign"], CONTEXTS["refine"]


@dataclass(frozen=True)
class Stream:
    """What a stream says: the pattern and phase of the map, its coefficients and those of a basis in units of 2⁻³."""

    pattern: Pattern
    phase: int
    coefficients: Ints
    components: Ints = field(default_factory=lambda: NOTHING)


def _weights(plane: int) -> tuple[bytes, bytes, bytes]:
    """What a neighbour counts by the plane plus one in which it was found: straight, diagonal, coarser band."""
    ages = [0] + [min(max(found - plane, 0), 4) for found in range(1, 256)]
    return bytes(4 * a for a in ages), bytes(2 * min(a, 1) for a in ages), bytes(3 * a for a in ages)


_AGES = tuple(_weights(plane) for plane in range(PLANES))
NEW = (4, 2, 3)
"""What a neighbour counts that is found in this plane."""


def encode(
    coefficients: Ints, pattern: Pattern, phase: int, most: int, basis: Basis | None = None, components: Ints = NOTHING
) -> bytes:
    """The first ``most`` bytes of the stream of integer coefficients, of which the greatest has exactly 15 bits.

    With a ``basis``, its ``components`` are among them, and there is no pattern.
    """
    nodes = tree(coefficients.shape)
    flat = coefficients.reshape(-1)
    tell, finish = encoder(ONES, COUNTS, most)
    try:
        if basis is None:
            _tell_pattern(tell, coefficients.shape, pattern)
        _tell_phase(tell, phase)
        values = np.abs(flat).tolist(), (flat < 0).tolist(), _heights(nodes, flat)
        _tell_planes(tell, nodes, *values, basis, components.tolist())
    except Full:
        pass
    return finish()


def _heights(nodes: Tree, flat: Ints) -> list[int]:
    """Of each node the bit length of its greatest magnitude."""
    lengths = np.frexp(np.abs(flat[nodes.order]).astype(np.float64))[1]
    spans = np.minimum(nodes.spans, len(lengths) - 1)
    highest = np.maximum.reduceat(lengths, spans.reshape(-1))[::2]
    # reduceat takes the last coefficient for itself only where a span begins there; where one ends there, add it
    ends = nodes.spans[:, 1] == len(lengths)
    highest[ends] = np.maximum(highest[ends], lengths[-1])
    return highest.tolist()  # type: ignore[no-any-return]


def _tell_planes(
    tell: Tell,
    nodes: Tree,
    magnitudes: list[int],
    negative: list[bool],
    heights: list[int],
    basis: Basis | None,
    components: list[int],
) -> None:
    count = nodes.count
    leaf, past, parent, near, coarse = nodes.leaf, nodes.past, nodes.parent, nodes.near, nodes.coarse
    size, child, last = nodes.size, nodes.child, nodes.last
    found = bytearray(count + 1)  # the plane in which a node was found, plus one
    busy = bytearray(count + 1)  # whether one of a node's children was
    for plane in range(PLANES - 1, -1, -1):
        fresh = plane + 1
        if basis is not None:
            contexts, rest = basis.contexts(plane, PLANES)
            bases.tell(tell, components, contexts, plane)
            if not found[0]:
                tell(rest, heights[0] > plane)
        if heights[0] <= plane:
            continue
        found[0] = found[0] or fresh
        straight, diagonal, above = (bytearray(found.translate(table)) for table in _AGES[plane])
        i = 0
        while i < count:
            age = found[i]
            if age:
                at = leaf[i]
                if at >= 0:
                    if age > fresh:
                        tell(REFINE + (age > fresh + 1), magnitudes[at] >> plane & 1)
                    elif i == 0:
                        tell(SIGN + 1, negative[at])
                i += 1
                continue
            up = parent[i]
            reaches = heights[i] > plane
            new = found[up] == fresh
            if not (new and last[i] and not busy[up]):
                a, b, c, d, e, f, g, h = near[8 * i : 8 * i + 8]
                total = straight[a] + straight[b] + straight[c] + straight[d] + above[coarse[i]]
                total += diagonal[e] + diagonal[f] + diagonal[g] + diagonal[h]
                run = (1 if busy[up] else 1 + child[i]) if new else 0
                tell(28 * size[i] + SURROUNDINGS[total] + run, reaches)
            if not reaches:
                i = past[i]
                continue
            found[i], busy[up] = fresh, 1
            straight[i], diagonal[i], above[i] = NEW
            at = leaf[i]
            if at >= 0:
                tell(SIGN + (at == 0), negative[at])
            i += 1


def decode(data: bytes, shape: tuple[int, ...], basis: Basis | None = None) -> Stream:
    """What the bytes settle; zeros for no bytes."""
    nodes = tree(shape)
    ask = decoder(ONES, COUNTS, data)
    pattern: Pattern = tuple(() for _ in shape)
    phase = 0
    values, count = np.zeros(int(np.prod(shape)), np.int64), 0 if basis is None else len(basis.sizes)
    try:
        pattern = pattern if basis is not None else _ask_pattern(ask, shape)
        phase = _ask_phase(ask)
    except Full:
        return Stream(pattern, phase, values.reshape(shape), np.zeros(count, np.int64))
    components = bases.Known.nothing(count, PLANES)
    known, minus, node, plane = _ask_planes(ask, nodes, basis, components)
    where = np.fromiter(known, np.int64, len(known))
    if len(where):
        magnitude = np.fromiter(known.values(), np.int64, len(known))
        leaf = np.frombuffer(nodes.leaf, np.int32)
        at = leaf[where]
        open_bits = np.where(where < node, plane, plane + 1)
        values[at] = _opened(magnitude, open_bits, np.fromiter(minus, np.int64, len(minus)))
    said = np.array([components.magnitudes, components.planes, components.minus], np.int64)
    return Stream(pattern, phase, values.reshape(shape), np.where(said[0] > 0, _opened(*said), 0))


def _opened(magnitude: Ints, plane: Ints, minus: Ints) -> Ints:
    """Coefficients that are known down to a plane."""
    whole = (magnitude << FRACTION) + (OPEN << plane)
    return np.where(minus > 0, -whole, whole)


def _ask_planes(
    ask: Ask, nodes: Tree, basis: Basis | None, components: bases.Known
) -> tuple[dict[int, int], list[int], int, int]:
    """Magnitudes by node, whether they are negative, and the node and plane at which the bytes end."""
    count = nodes.count
    leaf, past, parent, near, coarse = nodes.leaf, nodes.past, nodes.parent, nodes.near, nodes.coarse
    size, child, last = nodes.size, nodes.child, nodes.last
    found = bytearray(count + 1)
    busy = bytearray(count + 1)
    known: dict[int, int] = {}
    minus: list[int] = []
    i = plane = 0
    try:
        for plane in range(PLANES - 1, -1, -1):
            fresh = plane + 1
            i = 0
            if basis is not None:
                contexts, rest = basis.contexts(plane, PLANES)
                components.ask(ask, contexts, plane)
                if not found[0] and not ask(rest):
                    continue
            found[0] = found[0] or fresh
            straight, diagonal, above = (bytearray(found.translate(table)) for table in _AGES[plane])
            while i < count:
                age = found[i]
                if age:
                    if leaf[i] >= 0:
                        if age > fresh:
                            known[i] += ask(REFINE + (age > fresh + 1)) << plane
                        elif i == 0:
                            minus.append(ask(SIGN + 1))
                            known[i] = 1 << plane
                    i += 1
                    continue
                up = parent[i]
                new = found[up] == fresh
                if not (new and last[i] and not busy[up]):
                    a, b, c, d, e, f, g, h = near[8 * i : 8 * i + 8]
                    total = straight[a] + straight[b] + straight[c] + straight[d] + above[coarse[i]]
                    total += diagonal[e] + diagonal[f] + diagonal[g] + diagonal[h]
                    run = (1 if busy[up] else 1 + child[i]) if new else 0
                    if not ask(28 * size[i] + SURROUNDINGS[total] + run):
                        i = past[i]
                        continue
                if leaf[i] >= 0:
                    minus.append(ask(SIGN + (leaf[i] == 0)))
                    known[i] = 1 << plane
                found[i], busy[up] = fresh, 1
                straight[i], diagonal[i], above[i] = NEW
                i += 1
    except Full:
        return known, minus, i, plane
    return known, minus, count, 0


def _tell_pattern(tell: Tell, shape: tuple[int, ...], pattern: Pattern) -> None:
    period = max(len(ks) for ks in pattern)
    grid, levels = CONTEXTS["grid"], CONTEXTS["attenuation"]
    if any(patterns.fits(n, 2) for n in shape):
        tell(grid, period > 0)
        if period and any(patterns.fits(n, 4) for n in shape):
            tell(grid + 1, period == 4)
        for ks in pattern:
            for k in ks:
                for level in range(min(k + 1, patterns.MOST)):
                    tell(levels + min(level, 5) + 6 * (period == 4), k > level)


def _tell_phase(tell: Tell, phase: int) -> None:
    turn = CONTEXTS["phase"]
    tell(turn, phase > 0)
    if phase:
        tell(turn + 1, phase > 1)
        if phase > 1:
            tell(turn + 2, phase > 2)


def _ask_pattern(ask: Ask, shape: tuple[int, ...]) -> Pattern:
    period = 0
    grid, levels = CONTEXTS["grid"], CONTEXTS["attenuation"]
    if any(patterns.fits(n, 2) for n in shape) and ask(grid):
        period = 4 if any(patterns.fits(n, 4) for n in shape) and ask(grid + 1) else 2
    pattern = []
    for n in shape:
        ks = []
        for _ in range(period if period and patterns.fits(n, period) else 0):
            k = 0
            while k < patterns.MOST and ask(levels + min(k, 5) + 6 * (period == 4)):
                k += 1
            ks.append(k)
        pattern.append(tuple(ks))
    return tuple(pattern)


def _ask_phase(ask: Ask) -> int:
    phase = 0
    while phase < 3 and ask(CONTEXTS["phase"] + phase):
        phase += 1
    return phase
