"""Transforms that were compared with the frame's: cosines, of the whole map or in blocks, and wavelets by lifting."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgexai.heatmap.wavelet import ANALYSIS, SHIFT, STEPS, splits

Reals = NDArray[np.float64]

ONE = 1 << SHIFT


@dataclass(frozen=True)
class Wavelet:
    """Lifting weights, odd from even and even from odd in turn, and what even and odd values are multiplied with."""

    steps: tuple[float, ...]
    even: float
    odd: float
    symmetric: bool = True


HAAR = Wavelet((-1.0, 0.5), 2**0.5, 2**-0.5, symmetric=False)
FIVE_THREE = Wavelet((-0.5, 0.25), 2**0.5, 2**-0.5)
NINE_SEVEN = Wavelet(tuple(step / ONE for step in STEPS), ANALYSIS[0] / ONE, ANALYSIS[1] / ONE)
"""The frame's, in real numbers."""


def lifted(values: Reals, wavelet: Wavelet) -> Reals:
    """All levels of the wavelet, coarse values first along each axis."""
    out = values.copy()
    for part, axis, _ in splits(values.shape):
        lines = np.moveaxis(out[part], axis, -1)
        even, odd = lines[..., ::2].copy(), lines[..., 1::2].copy()
        for i, weight in enumerate(wavelet.steps):
            _step(even, odd, i, weight, wavelet.symmetric)
        lines[...] = np.concatenate([even * wavelet.even, odd * wavelet.odd], -1)
    return out


def lifted_back(coefficients: Reals, wavelet: Wavelet) -> Reals:
    """The inverse of `lifted`."""
    out = coefficients.copy()
    for part, axis, n in reversed(splits(out.shape)):
        lines = np.moveaxis(out[part], axis, -1)
        even = lines[..., : (n + 1) // 2] / wavelet.even
        odd = lines[..., (n + 1) // 2 :] / wavelet.odd
        for i, weight in reversed(list(enumerate(wavelet.steps))):
            _step(even, odd, i, -weight, wavelet.symmetric)
        lines[..., ::2], lines[..., 1::2] = even, odd
    return out


def _step(even: Reals, odd: Reals, i: int, weight: float, symmetric: bool) -> None:
    """Add to the odd values those beside them (i even), or to the even ones; ends stand in for what is beyond them."""
    into, of = (odd, even) if i % 2 == 0 else (even, odd)
    at = np.arange(into.shape[-1])
    beside = ([at, at + 1] if i % 2 == 0 else [at - 1, at]) if symmetric else [at]
    into += sum(weight * of[..., np.clip(where, 0, of.shape[-1] - 1)] for where in beside)


def cosines(values: Reals, block: int | None = None) -> Reals:
    """The cosine transform of type II at unit norm; of blocks, equal frequencies side by side as in a wavelet."""
    rows, columns = (_matrix(n, block) for n in values.shape)
    return np.asarray(rows @ values @ columns.T)


def cosines_back(coefficients: Reals, block: int | None = None) -> Reals:
    """The inverse of `cosines`."""
    rows, columns = (_matrix(n, block) for n in coefficients.shape)
    return np.asarray(rows.T @ coefficients @ columns)


@lru_cache
def _matrix(n: int, block: int | None) -> Reals:
    size = block or n
    frequency, at = np.arange(size)[:, None], np.arange(size)[None]
    one = np.sqrt(np.where(frequency == 0, 1, 2) / size) * np.cos(np.pi * frequency * (2 * at + 1) / (2 * size))
    every = np.kron(np.eye(n // size), one)
    return np.asarray(every[np.argsort(np.arange(n) % size, kind="stable")])
