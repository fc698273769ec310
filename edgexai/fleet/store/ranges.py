"""Sets of sequence numbers as sorted, disjoint, inclusive ranges: a node's million frames are one pair."""

from bisect import bisect_right
from collections.abc import Iterable

Ranges = list[tuple[int, int]]


def insert(ranges: Ranges, numbers: Iterable[int]) -> tuple[Ranges, list[int]]:
    """The ranges with the numbers in them, and those numbers that were new, ascending, each once."""
    fresh = [n for n in sorted(set(numbers)) if not contains(ranges, n)]
    merged: Ranges = []
    for first, last in sorted([*ranges, *((n, n) for n in fresh)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged, fresh


def contains(ranges: Ranges, number: int) -> bool:
    """Whether a number lies in one of the sorted ranges."""
    at = bisect_right(ranges, number, key=lambda r: r[0])
    return at > 0 and number <= ranges[at - 1][1]
