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


def forward(values: Ints, shape: tuple[int, ...]) -> Ints:
    """Coefficients of integer maps (…, *shape), same shape, coarse values first along each axis."""
    out = values.copy()
    lead = out.ndim - len(shape)
    for size in sizes(shape)[:-1]:
        part: Any = (..., *(slice(n) for n in size))
        for axis, n in enumerate(size):
            if n > 1:
                part_values = np.moveaxis(out[part], lead + axis, -1)
                even, odd = part_values[..., ::2].copy(), part_values[..., 1::2].copy()
                for i, weight in enumerate(STEPS):
                    if i % 2 == 0:
                        odd += _scaled(_beside_odd(even, odd.shape[-1]), weight)
                    else:
                        even += _scaled(_beside_even(odd, even.shape[-1]), weight)
                joined = np.concatenate([_scaled(even, ANALYSIS[0]), _scaled(odd, ANALYSIS[1])], -1)
                out[part] = np.moveaxis(joined, -1, lead + axis)
    return out


def inverse(coefficients: Ints) -> Ints:
    """The integer map of integer coefficients."""
    out = coefficients.copy()
    for size in sizes(out.shape)[-2::-1]:
        part = tuple(slice(n) for n in size)
        for axis in range(out.ndim - 1, -1, -1):
            n = size[axis]
            if n > 1:
                values = np.moveaxis(out[part], axis, -1)
                even = _scaled(values[..., : (n + 1) // 2], SYNTHESIS[0])
                odd = _scaled(values[..., (n + 1) // 2 :], SYNTHESIS[1])
                for i in (3, 2, 1, 0):
                    if i % 2 == 0:
                        odd -= _scaled(_beside_odd(even, odd.shape[-1]), STEPS[i])
                    else:
                        even -= _scaled(_beside_even(odd, even.shape[-1]), STEPS[i])
                values[..., ::2], values[..., 1::2] = even, odd
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
