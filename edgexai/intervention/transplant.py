"""Transplants: from one sample into others, what it was recognised by.

Places: the sample's own most relevant ones. A cast (brighter, redder, more contrast) has no place, so that the mean
and the spread of each channel are transferred instead (Reinhard et al. 2001, *Color Transfer between Images*). What is
spread thinly over a fixed place, as a frame or a tone, is the difference of means: of suspected and ordinary samples.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Sample = NDArray[Any]
TOP = 0.1
"""Share of the most relevant places that is pasted."""


def pasted(host: Sample, donor: Sample, relevance: NDArray[np.floating], top: float = TOP) -> Sample:
    """``host`` with the donor's most relevant places.

    ``relevance`` is of the input's shape, with or without channels (then they are summed), or of a coarser grid, whose
    cells are pasted as they are. At least one place is pasted; of equal ones the first.
    """
    places = _places(relevance, donor.shape)
    chosen = np.zeros(places.size, bool)
    chosen[np.argsort(-places.reshape(-1), kind="stable")[: max(1, round(top * places.size))]] = True
    return np.where(chosen.reshape(places.shape + (1,) * (donor.ndim - places.ndim)), donor, host)


def recast(host: Sample, donor: Sample) -> Sample:
    """``host`` at the donor's mean and spread of each channel (the last of three axes; else of everything).

    Of the host's type, within the values of both.
    """
    axes = tuple(range(host.ndim - 1)) if host.ndim > 2 else None
    h, d = host.astype(np.float64), donor.astype(np.float64)
    spread = d.std(axes, keepdims=True) / np.maximum(h.std(axes, keepdims=True), 1e-9)
    moved = (h - h.mean(axes, keepdims=True)) * spread + d.mean(axes, keepdims=True)
    return _within(moved, host, float(d.min()), float(d.max()))


def shifted(host: Sample, difference: NDArray[np.float64], low: float, high: float) -> Sample:
    """``host`` plus a difference of means, of the host's type, within ``low`` to ``high`` and its own values."""
    return _within(host.astype(np.float64) + difference, host, low, high)


def _within(moved: NDArray[np.float64], host: Sample, low: float, high: float) -> Sample:
    bounded = np.clip(moved, min(low, float(host.min())), max(high, float(host.max())))
    found: Sample = (np.rint(bounded) if host.dtype.kind in "iu" else bounded).astype(host.dtype)
    return found


def _places(relevance: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.floating]:
    """One number a place of an input of this shape."""
    places = relevance.sum(-1) if relevance.ndim > 2 else relevance
    wanted = shape[: places.ndim]
    for axis, (have, want) in enumerate(zip(places.shape, wanted, strict=True)):
        if have != want:
            places = np.take(places, np.arange(want) * have // want, axis)
    return places
