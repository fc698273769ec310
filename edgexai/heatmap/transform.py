"""The cosine transform along every axis, orthonormal; its inverse in integers, so that every machine gets one map.

The basis is round(2¹⁴ · cos …); with up to 512 values an axis and 20-bit coefficients all sums stay below 2⁶³.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

BITS = 14


@cache
def basis(n: int) -> NDArray[np.int64]:
    """(frequencies, positions): rows of the orthonormal DCT-II times 2¹⁴, rounded."""
    k, i = np.arange(n)[:, None], np.arange(n)[None]
    rows = np.cos(np.pi * (2 * i + 1) * k / (2 * n)) * np.sqrt(2 / n)
    rows[0] = np.sqrt(1 / n)
    return np.asarray(np.rint(rows * (1 << BITS)), np.int64)


def forward(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients of a map of any number of axes, same shape."""
    for axis, n in enumerate(values.shape):
        values = np.moveaxis(np.tensordot(basis(n) / (1 << BITS), values, axes=(1, axis)), 0, axis)
    return np.asarray(values)


def inverse(coefficients: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integer map of integer coefficients (below 2²⁰), rounded to units of the coefficients after each axis."""
    values = coefficients
    for axis, n in enumerate(values.shape):
        values = np.moveaxis(np.tensordot(basis(n), values, axes=(0, axis)), 0, axis)
        values = (values + (1 << (BITS - 1))) >> BITS
    return np.asarray(values)
