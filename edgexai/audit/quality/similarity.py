"""How alike two sets of maps are, sample by sample."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows(maps: NDArray[Any]) -> NDArray[np.float64]:
    """Maps (N, …) as (N, positions), float64."""
    return np.asarray(maps, np.float64).reshape(len(maps), -1)


def correlation(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Pearson's correlation of each pair of maps (N, …): (N,); nan where one of the two is constant."""
    a, b = (m - m.mean(1, keepdims=True) for m in (rows(one), rows(other)))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(norms > 0, (a * b).sum(1) / norms, np.nan))
