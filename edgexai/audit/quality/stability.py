"""Does a map stay when its input moves a little? Maps of perturbed inputs are given: (K, N, …) for K draws."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.similarity import rows


def max_sensitivity(
    maps: NDArray[Any], moved: NDArray[Any], same: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """The largest ‖R(x′) - R(x)‖ / ‖R(x)‖ over the draws (N,), Yeh et al. 2019; 0 is perfectly stable.

    ``same`` (K, N) says where the prediction stayed; where it changed a map has to change, and the draw is left out.
    """
    a = rows(maps)
    norm = np.linalg.norm(a, axis=1)
    return _largest([np.linalg.norm(rows(m) - a, axis=1) / np.maximum(norm, 1e-300) for m in moved], same)


def local_lipschitz(
    maps: NDArray[Any],
    moved: NDArray[Any],
    x: NDArray[Any],
    x_moved: NDArray[Any],
    same: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """The largest ‖R(x′) - R(x)‖ / ‖x′ - x‖ over the draws (N,), Alvarez-Melis and Jaakkola 2018."""
    a, b = rows(maps), rows(x)
    ratios = [
        np.linalg.norm(rows(m) - a, axis=1) / np.maximum(np.linalg.norm(rows(v) - b, axis=1), 1e-12)
        for m, v in zip(moved, x_moved, strict=True)
    ]
    return _largest(ratios, same)


def _largest(ratios: list[NDArray[np.float64]], same: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    found = np.stack(ratios)
    if same is None:
        return np.asarray(found.max(0))
    largest = np.where(same, found, -np.inf).max(0)
    return np.asarray(np.where(np.isfinite(largest), largest, np.nan))
