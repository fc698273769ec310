"""A basis learned from maps: their principal components, the strongest first, as one axis of coefficients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]


class Basis:
    """Orthonormal, of at most ``most`` components, and as many as there are maps (N, rows, columns) to learn from."""

    def __init__(self, maps: NDArray[Any], most: int | None = None) -> None:
        self._shape = maps.shape[1:]
        flat = maps.reshape(len(maps), -1).astype(np.float64)
        lengths = np.linalg.norm(flat, axis=1, keepdims=True)
        some = lengths[:, 0] > 0
        self._vectors = np.linalg.svd(flat[some] / lengths[some], full_matrices=False)[2][:most]

    def forward(self, values: Reals) -> Reals:
        """Coefficients (components,) of a map."""
        return np.asarray(self._vectors @ values.reshape(-1))

    def inverse(self, coefficients: Reals) -> Reals:
        """The map of coefficients."""
        return np.asarray((coefficients @ self._vectors).reshape(self._shape))
