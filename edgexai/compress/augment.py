"""Variations of samples that need no labels: a teacher answers for any input near those that the device meets."""

import numpy as np
from numpy.typing import NDArray

SHIFT = 1 / 12
"""Largest shift along an axis, as a share of its length: 4 of 49 frames or 2 of 32 pixels, none of 10 coefficients."""

COLOURS = 3
"""Inputs (height, width, 3) are taken for pictures, which may be mirrored."""

Floats = NDArray[np.float32]


def mixed(
    x: Floats, one: NDArray[np.int64], other: NDArray[np.int64], random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Mixtures of pairs of samples x (N, …), each varied, and the share (n,) that the first of a pair has."""
    share = random.random((len(one), *[1] * (x.ndim - 1)), dtype=np.float32)
    return share * varied(x[one], random) + (1 - share) * varied(x[other], random), share.reshape(-1)


def varied(x: Floats, random: np.random.Generator) -> Floats:
    """Samples (n, …, channels), each shifted by a little; what comes in repeats the edge. Pictures are mirrored too."""
    most = [int(SHIFT * size) for size in x.shape[1:-1]]
    wide = np.pad(x, [(0, 0), *((m, m) for m in most), (0, 0)], mode="edge")
    y = np.empty_like(x)
    for i in range(len(x)):
        starts = [int(random.integers(2 * m + 1)) for m in most]
        window = [slice(start, start + size) for start, size in zip(starts, x.shape[1:-1], strict=True)]
        y[i] = wide[i][tuple(window)]
    if x.ndim == 4 and x.shape[-1] == COLOURS:
        is_mirrored = random.random(len(x)) < 0.5
        y[is_mirrored] = y[is_mirrored, :, ::-1]
    return y
