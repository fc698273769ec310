"""Where buffers lie in the arena: two that are alive at the same time never overlap, and the arena is small.

The largest sum of what is alive at once is a lower bound. Several greedy orders usually reach it; where none does, a
search over the orders of placement goes on until it is found that none can, or a limit of steps is reached.
"""

from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from converters.c99.schedule import Schedule

ALIGNMENT = 8
SEARCH = 20_000
"""Placements that the search tries at most; a tenth of them where a size that is enough is given for many blocks."""
MANY = 12


@dataclass(frozen=True)
class Block:
    """A buffer to be placed: bytes, and the first and last step that it is alive."""

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Placement:
    """Offsets by name, and the bytes of the arena."""

    offsets: Mapping[str, int]
    size: int
    bound: int
    """No arena can be smaller than this."""


def aligned(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def place(blocks: Iterable[Block], enough: int = 0) -> Placement:
    """Place blocks so that the arena is as small as the search finds, or as small as is ``enough``."""
    todo = [Block(b.name, aligned(b.size), b.first, b.last) for b in blocks if b.size > 0]
    bound = lower_bound(todo)
    best: dict[str, int] = {}
    size = -1
    orders = [
        sorted(todo, key=lambda b: (-b.size, b.first)),
        sorted(todo, key=lambda b: (-(b.last - b.first), -b.size)),
        sorted(todo, key=lambda b: (-b.size * (b.last - b.first + 1), b.first)),
        sorted(todo, key=lambda b: (b.first, -b.size)),
        sorted(todo, key=lambda b: (-b.last, -b.size)),
    ]
    for order in orders:
        offsets = _in_order(order)
        top = max((offsets[b.name] + b.size for b in todo), default=0)
        if size < 0 or top < size:
            best, size = offsets, top
    if size > max(bound, enough):
        tries = SEARCH // 10 if enough and len(todo) > MANY else SEARCH
        best, size = _search(todo, max(bound, enough), best, size, tries)
    return Placement(best, max(size, 0), bound)


def blocks(plan: Schedule) -> list[Block]:
    """The buffers of a schedule that lie in the arena."""
    return [Block(n, aligned(plan.buffers[n].size), first, last) for n, (first, last) in plan.lifetimes().items()]


def placed(plan: Schedule, enough: int = 0) -> Placement:
    """The buffers of a schedule, placed: states first, in the same places whatever else there is."""
    offsets, at = {}, 0
    for name, buffer in plan.buffers.items():
        if buffer.kind == "state":
            offsets[name] = at
            at += aligned(buffer.size)
    rest = place((block for block in blocks(plan) if block.name not in offsets), max(0, enough - at))
    offsets |= {n: at + offset for n, offset in rest.offsets.items()}
    return Placement(offsets, at + rest.size, at + rest.bound)


def lower_bound(blocks: Sequence[Block]) -> int:
    """The largest sum of sizes alive at one step."""
    steps = {b.first for b in blocks}
    return max((sum(b.size for b in blocks if b.first <= s <= b.last) for s in steps), default=0)


def _lowest(block: Block, placed: Sequence[tuple[int, Block]]) -> int:
    """The lowest offset at which a block meets none of those placed, which are in order of theirs."""
    offset, first, last = 0, block.first, block.last
    for start, other in placed:
        if other.first <= last and first <= other.last:
            if start >= offset + block.size:
                break
            offset = max(offset, start + other.size)
    return offset


def _in_order(order: Sequence[Block]) -> dict[str, int]:
    placed: list[tuple[int, Block]] = []
    for block in order:
        insort(placed, (_lowest(block, placed), block), key=itemgetter(0))
    return {b.name: offset for offset, b in placed}


def _search(
    todo: Sequence[Block], enough: int, best: dict[str, int], size: int, tries: int
) -> tuple[dict[str, int], int]:
    """Depth first over the orders of placement; a branch that is as high as the best so far is cut."""
    ranked = sorted(todo, key=lambda b: -b.size)
    stack: list[tuple[list[tuple[int, Block]], frozenset[str]]] = [([], frozenset())]
    tried = 0
    while stack and size > enough and tried < tries:
        placed, names = stack.pop()
        if len(placed) == len(ranked):
            best = {b.name: offset for offset, b in placed}
            size = max(offset + b.size for offset, b in placed)
            continue
        branches = []
        for block in ranked:
            if block.name in names:
                continue
            tried += 1
            offset = _lowest(block, placed)
            if offset + block.size < size:
                more = placed.copy()
                insort(more, (offset, block), key=itemgetter(0))
                branches.append((more, names | {block.name}))
        stack.extend(reversed(branches))
    return best, size
