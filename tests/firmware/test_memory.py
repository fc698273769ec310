"""The arena's planner: nothing overlaps, and on small problems no arrangement is smaller."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from converters.c99.memory import Block, aligned, lower_bound, place

blocks = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 6), st.integers(0, 4)), min_size=1, max_size=6).map(
    lambda rows: [Block(f"b{i}", 8 * size, first, first + span) for i, (size, first, span) in enumerate(rows)]
)


def meet(a: Block, b: Block) -> bool:
    """Whether both are alive at some step."""
    return a.first <= b.last and b.first <= a.last


@given(blocks)
def test_blocks_that_live_together_do_not_overlap(todo: list[Block]) -> None:
    found = place(todo)
    for i, a in enumerate(todo):
        assert 0 <= found.offsets[a.name] <= found.size - aligned(a.size)
        for b in todo[:i]:
            if meet(a, b):
                u, v = found.offsets[a.name], found.offsets[b.name]
                assert u + a.size <= v or v + b.size <= u
    assert found.size >= found.bound == lower_bound(todo)


@settings(max_examples=60, deadline=None)
@given(blocks)
def test_no_order_of_placement_is_smaller(todo: list[Block]) -> None:
    """Every arrangement can be pushed down into one that an order of lowest places makes: all are tried."""

    def top(order: tuple[Block, ...]) -> int:
        placed: list[tuple[int, Block]] = []
        for block in order:
            starts = [0, *(start + other.size for start, other in placed if meet(other, block))]
            free = [
                s for s in starts
                if all(not meet(o, block) or s + block.size <= start or start + o.size <= s for start, o in placed)
            ]  # fmt: skip
            placed.append((min(free), block))
        return max(start + block.size for start, block in placed)

    assert place(todo).size == min(top(order) for order in permutations(todo))
