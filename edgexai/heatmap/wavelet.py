"""The 9/7 wavelet of Cohen, Daubechies and Feauveau (1992) by lifting (Daubechies and Sweldens 1998), in integers.

Constants are in units of 2⁻¹⁴, every product is rounded by adding a half and shifting; so every machine gets the same
numbers. Basis functions have about unit norm, and a map of any size is split down to a single coarse value.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SHIFT = 14
STEPS = (-25987, -868, 14466, 7266)
"""Lifting weights α (odd from even), β (even from odd), γ (odd from even), δ (even from odd)."""
ANALYSIS = (18674, 14537)
"""What even (coarse) and odd (detail) values are multiplied with after the steps, for unit norm."""
SYNTHESIS = (14375, 18466)
"""And before the inverse steps."""


def sizes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of the coarse map from the whole map down to one value."""
    found = [shape]
    while max(found[-1]) > 1:
        found.append(tuple((n + 1) // 2 for n in found[-1]))
    return found


def splits(shape: tuple[int, ...]) -> list[tuple[Any, int, int]]:
    """The steps of a transform of maps (…, *shape): the values that are split, along which axis, and how many."""
    return [
        ((..., *(slice(n) for n in size)), axis - len(size), n)
        for size in sizes(shape)[:-1]
        for axis, n in enumerate(size)
        if n > 1
    ]


def forward(values: Ints, shape: tuple[int, ...]) -> Ints:
    """Coefficients of integer maps (…, *shape), same shape, coarse values first along each axis."""
    out = values.copy()
    for part, axis, _ in splits(shape):
        lines = np.moveaxis(out[part], axis, -1)
        even, odd = lines[..., ::2].copy(), lines[..., 1::2].copy()
        for i, weight in enumerate(STEPS):
            if i % 2 == 0:
                odd += _scaled(_beside_odd(even, odd.shape[-1]), weight)
            else:
                even += _scaled(_beside_even(odd, even.shape[-1]), weight)
        lines[...] = np.concatenate([_scaled(even, ANALYSIS[0]), _scaled(odd, ANALYSIS[1])], -1)
    return out


def inverse(coefficients: Ints) -> Ints:
    """The integer map of integer coefficients."""
    out = coefficients.copy()
    for part, axis, n in reversed(splits(out.shape)):
        lines = np.moveaxis(out[part], axis, -1)
        even = _scaled(lines[..., : (n + 1) // 2], SYNTHESIS[0])
        odd = _scaled(lines[..., (n + 1) // 2 :], SYNTHESIS[1])
        for i in (3, 2, 1, 0):
            if i % 2 == 0:
                odd -= _scaled(_beside_odd(even, odd.shape[-1]), STEPS[i])
            else:
                even -= _scaled(_beside_even(odd, even.shape[-1]), STEPS[i])
        lines[..., ::2], lines[..., 1::2] = even, odd
    return out


def _scaled(values: Ints, weight: int) -> Ints:
    return (values * weight + (1 << SHIFT - 1)) >> SHIFT


def _beside_odd(even: Ints, count: int) -> Ints:
    """For each odd value the sum of the even ones beside it; the last even one stands in beyond the end."""
    right = even[..., 1:]
    if right.shape[-1] < count:
        right = np.concatenate([right, even[..., -1:]], -1)
    return even[..., :count] + right


def _beside_even(odd: Ints, count: int) -> Ints:
    """For each even value the sum of the odd ones beside it; the nearest stands in beyond either end."""
    total = np.empty((*odd.shape[:-1], count), np.int64)
    inner = min(count, odd.shape[-1])
    total[..., :inner] = odd[..., :inner]
    total[..., inner:] = odd[..., -1:]
    total[..., 0] += odd[..., 0]
    total[..., 1:] += odd[..., : count - 1]
    return total
