"""Sparse constants -> dense ones: which values stand where, level by level, as the schema's SparsityParameters say.

A level is an axis (or the inside of a block along one): dense, every place of it is there, or compressed like the rows
of a CSR matrix, ``arrayIndices[arraySegments[p] : arraySegments[p + 1]]`` being the places under parent p.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError

DENSE = 0
MOST = 1 << 26
"""Values that a dense copy may have."""
Whole = NDArray[np.int64]


def dense(values: NDArray[Any], shape: tuple[int, ...], sparsity: Any, name: str) -> NDArray[Any]:
    """The values (stored ones, flat) at their places in an array of zeros; ModelError if they do not fit."""
    if prod(shape) > MOST:
        raise ModelError(f"tensor {name!r} is sparse and would take {prod(shape):,} values; convert it dense")
    try:
        places = _places(shape, sparsity)
        if len(places) != values.size or (places >= prod(shape)).any() or (places < 0).any():
            raise ValueError("values and places differ")
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(f"tensor {name!r} has sparse values that contradict its shape ({error})") from error
    full = np.zeros(prod(shape), values.dtype)
    full[places] = values
    return full.reshape(shape)


def _places(shape: tuple[int, ...], sparsity: Any) -> Whole:
    """Where each stored value stands in the flat dense array."""
    order = [int(d) for d in sparsity.traversalOrder]
    blocks = [] if sparsity.blockMap is None else [int(d) for d in sparsity.blockMap]
    if sorted(order) != list(range(len(shape) + len(blocks))):
        raise ValueError("levels are missing")
    inner = {axis: int(sparsity.dimMetadata[order.index(len(shape) + b)].denseSize) for b, axis in enumerate(blocks)}
    step = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    node, place = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for level, axis in enumerate(order):
        told = sparsity.dimMetadata[level]
        stride = step[axis] * inner.get(axis, 1) if axis < len(shape) else step[blocks[axis - len(shape)]]
        if told.format == DENSE:
            size = int(told.denseSize)
            if len(node) * size > prod(shape):
                raise ValueError("a level is longer than its axis")
            within = np.arange(size, dtype=np.int64)
            node, place = (node[:, None] * size + within).reshape(-1), (place[:, None] + within * stride).reshape(-1)
            continue
        start = np.asarray(told.arraySegments.values, np.int64)
        index = np.asarray(told.arrayIndices.values, np.int64)
        count = start[node + 1] - start[node]
        if (count < 0).any() or count.sum() > prod(shape):
            raise ValueError("a level is longer than its axis")
        first = np.repeat(start[node] - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
        place = np.repeat(place, count)
        node = first + np.arange(int(count.sum()), dtype=np.int64)
        place = place + index[node] * stride
    return place
