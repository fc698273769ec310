"""What frames and nodes compare explanations by: channels of inner maps or, where there are none, pooled maps."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SIDE = 12
"""Maps are compared at most at so many rows and columns: finer, a frame of 64 bytes has noise."""


def channels(concepts: NDArray[np.floating]) -> Array:
    """(N, D) square roots of concepts (N, D), each vector at unit sum."""
    positive = np.maximum(np.asarray(concepts, np.float64), 0)
    roots: Array = np.sqrt(positive / np.maximum(positive.sum(1, keepdims=True), 1e-30))
    return roots


def pooled(maps: NDArray[np.floating]) -> Array:
    """(N, P) signed square roots of maps (N, rows, columns) at unit mass, at most 12×12."""
    n, rows, columns = maps.shape
    parts = [np.array_split(np.arange(size), min(size, SIDE)) for size in (rows, columns)]
    small = np.stack([maps[:, part].mean(1, dtype=np.float64) for part in parts[0]], 1)
    small = np.stack([small[:, :, part].mean(2) for part in parts[1]], 2).reshape(n, -1)
    small = small / np.maximum(np.abs(small).sum(1, keepdims=True), 1e-30)
    found: Array = np.sign(small) * np.sqrt(np.abs(small))
    return found


def flat(relevance: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map of two axes: channels summed, a line as one row."""
    if relevance.ndim == 1:
        return relevance[None, :]
    if relevance.ndim > 2:
        relevance = relevance.reshape(*relevance.shape[:2], -1).sum(axis=2, dtype=np.float32)
    return relevance.T if relevance.shape[1] == 1 else relevance
