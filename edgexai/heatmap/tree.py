"""The tree of a map's coefficients: every node a box of them, halved along each axis down to one.

An axis of n is halved into ⌈n/2⌉ and ⌊n/2⌋, as the wavelet splits it, so that the first child of the first child … is
the coarse version of the map and every other branch is a subband. A node is named by its depth and one index an axis;
children of index i are 2i and 2i + 1. An interval of one value is its own first child, and has no second.
"""

from array import array
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NEAR = 8
"""Neighbours whose state a decision looks at: four that count double, then four that count once."""
_STEPS: dict[int, list[tuple[int, ...]]] = {
    1: [(-1,), (1,)],
    2: [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)],
    3: [(0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1), (-1, 0, 0), (1, 0, 0)],
}


@dataclass(frozen=True)
class Tree:
    """Nodes in preorder: number 0 is the root, and ``count`` is no node but stands for a missing neighbour.

    ``leaf`` is the flat index of a node's only coefficient, or -1; ``past`` the number after a node's last descendant.
    ``near`` holds `NEAR` neighbours a node, ``coarse`` the node at the same place in the next coarser band.
    ``size`` is the class of how many coefficients it holds (0: one, 1: to 4, 2: to 16, 3: more); ``child`` says how
    many siblings come before it, at most 2; ``last`` whether it is the last.
    ``order`` are the coefficients in the order of their leaves, ``spans`` (count, 2) each node's part of that order.
    """

    count: int
    leaf: "array[int]"
    past: "array[int]"
    parent: "array[int]"
    near: "array[int]"
    coarse: "array[int]"
    size: "array[int]"
    child: "array[int]"
    last: "array[int]"
    order: Ints
    spans: Ints


def bounds(n: int, depth: int) -> list[Ints]:
    """Per depth, where interval i of an axis begins, with n at the end; an empty one begins where the next does."""
    levels = [np.array([0, n], np.int64)]
    for _ in range(depth):
        low, high = levels[-1][:-1], levels[-1][1:]
        levels.append(np.append(np.stack([low, low + (high - low + 1) // 2], 1).reshape(-1), n))
    return levels


@lru_cache(maxsize=16)
def tree(shape: tuple[int, ...]) -> Tree:
    """The tree of a shape of one to three axes; kept for the last few shapes."""
    axes, depth = len(shape), (max(shape) - 1).bit_length()
    levels, indices, codes = [], [], []
    for d in range(depth + 1):
        lengths = [np.diff(bounds(n, d)[d]) for n in shape]
        grid = np.meshgrid(*(np.flatnonzero(n) for n in lengths), indexing="ij")
        index = np.stack(grid, -1).reshape(-1, axes)
        if d:  # below a box of one value there is nothing
            above = [np.diff(bounds(n, d - 1)[d - 1])[index[:, a] >> 1] for a, n in enumerate(shape)]
            index = index[np.prod(above, axis=0) > 1]
        code = np.zeros(len(index), np.int64)
        for bit in range(d - 1, -1, -1):
            for a in range(axes):
                code = code << 1 | (index[:, a] >> bit & 1)
        levels.append(np.full(len(index), d, np.int64))
        indices.append(index)
        codes.append(code << axes * (depth - d))
    level, index = np.concatenate(levels), np.concatenate(indices)
    preorder = np.lexsort((level, np.concatenate(codes)))
    return _linked(shape, depth, level[preorder], index[preorder])


def _linked(shape: tuple[int, ...], depth: int, level: Ints, index: Ints) -> Tree:
    count, axes = index.shape
    begins, ends, leaf_of = np.zeros_like(index), np.zeros_like(index), []
    edges = [bounds(n, depth) for n in shape]
    starts = np.concatenate([[0], np.cumsum([2**d + 1 for d in range(depth)])]).astype(np.int64)
    for a in range(axes):
        every, at = np.concatenate(edges[a]), starts[level] + index[:, a]
        begins[:, a], ends[:, a] = every[at], every[at + 1]
        leaf_of.append(np.flatnonzero(np.diff(edges[a][depth])))  # position → index at the last depth
    size = np.prod(ends - begins, axis=1)
    flat = np.zeros(count, np.int64)
    for a, n in enumerate(shape):
        flat = flat * n + begins[:, a]

    find = _Finder(edges, level, index)
    width = np.zeros((count, 1), np.int64)  # a node's band: indices that agree above so many bits
    for bit in range(depth):
        width[(index >> bit != 0).any(1)] = bit
    near = np.full((count, NEAR), count, np.int64)
    for slot, step in enumerate(_STEPS[axes]):
        at, inside = index.copy(), np.ones(count, bool)
        for a in (axis for axis in range(axes) if step[axis]):
            beside = begins[:, a] - 1 if step[a] < 0 else ends[:, a]
            inside &= (beside >= 0) & (beside < shape[a])
            at[:, a] = leaf_of[a][np.clip(beside, 0, shape[a] - 1)] >> depth - level
        near[:, slot] = find(level, at, inside & ((index ^ at) >> width == 0).all(1))
    coarse, d, at = np.full(count, count, np.int64), level, index >> 1
    while (coarse == count).any():  # where the coarser band has no box so small, the nearest that holds the place
        coarse = np.where(coarse < count, coarse, find(d, at, d >= 0))
        d, at = d - 1, at >> 1
    parent = np.where(level > 0, find(level - 1, index >> 1, level > 0), 0)
    children = np.bincount(parent[1:], minlength=count)
    by_parent = np.argsort(parent[1:], kind="stable") + 1
    child = np.zeros(count, np.int64)
    child[by_parent] = np.arange(count - 1) - (np.cumsum(children) - children)[parent[by_parent]]
    leaf = size == 1
    before = np.cumsum(leaf) - leaf
    numbers = np.append(np.flatnonzero(leaf), count)
    past = numbers[before + size - 1] + 1
    return Tree(
        count=count,
        leaf=_packed(np.where(leaf, flat, -1)),
        past=_packed(past),
        parent=_packed(parent),
        near=_packed(near.reshape(-1)),
        coarse=_packed(coarse),
        size=_packed(np.searchsorted(np.array([1, 4, 16]), size)),
        child=_packed(np.minimum(child, 2)),
        last=_packed(child + 1 == children[parent]),
        order=flat[leaf],
        spans=np.stack([before, before + size], 1),
    )


class _Finder:
    """Numbers of nodes by depth and indices; ``count`` where there is none."""

    def __init__(self, edges: list[list[Ints]], level: Ints, index: Ints) -> None:
        """A table with a place for every combination of intervals that are not empty, depth by depth."""
        depths = range(len(edges[0]))
        self._first = np.cumsum([0] + [2**d for d in depths])
        filled = [[np.diff(of_depth) > 0 for of_depth in axis] for axis in edges]
        self._place = [np.concatenate([np.where(f, np.cumsum(f) - 1, -1) for f in axis]) for axis in filled]
        self._width = np.array([[f.sum() for f in axis] for axis in filled])
        self._offset = np.concatenate([[0], np.cumsum(self._width.prod(axis=0))])
        self._count = len(level)
        self._numbers = np.full(self._offset[-1], self._count, np.int64)
        self._numbers[self._at(level, index)[0]] = np.arange(self._count)

    def _at(self, level: Ints, index: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        flat, filled = np.zeros(len(level), np.int64), np.ones(len(level), bool)
        for a, (place, width) in enumerate(zip(self._place, self._width, strict=True)):
            at = place[self._first[level] + index[:, a]]
            filled &= at >= 0
            flat = flat * width[level] + at
        return self._offset[level] + flat, filled

    def __call__(self, level: Ints, index: Ints, allowed: NDArray[np.bool_]) -> Ints:
        at, filled = self._at(np.maximum(level, 0), index)
        allowed = allowed & filled
        return np.where(allowed, self._numbers[np.where(allowed, at, 0)], self._count)


def _packed(values: NDArray[np.generic]) -> "array[int]":
    return array("i", np.asarray(values, np.int32).tobytes())
