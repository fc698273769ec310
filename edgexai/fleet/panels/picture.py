"""Maps for a screen."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray


def picture(relevance: NDArray[Any], peak: float | None = None) -> dict[str, Any]:
    """Rows, columns, the greatest magnitude, and int8 values of -127 … 127 in base64; ``peak`` stands for 127 in maps
    that are looked at side by side."""
    peak = float(np.abs(relevance).max(initial=0.0)) if peak is None else peak
    steps = np.rint(relevance * (127 / peak)) if peak > 0 else np.zeros(relevance.shape)
    data = base64.b64encode(np.clip(steps, -127, 127).astype(np.int8).tobytes()).decode()
    return {"rows": relevance.shape[0], "columns": relevance.shape[1], "peak": peak, "data": data}


def mean_map(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """(rows, columns) of maps (N, rows, columns), each scaled to a greatest magnitude of 1."""
    peaks = np.abs(maps).max((1, 2), initial=0.0, keepdims=True)
    found: NDArray[np.float64] = (maps / np.where(peaks > 0, peaks, 1)).mean(0, dtype=np.float64)
    return found


def side_by_side(first: NDArray[np.float32], second: NDArray[np.float32]) -> dict[str, Any]:
    """Mean maps of two sets of frames on one scale, and the second less the first on its own."""
    one, other = mean_map(first), mean_map(second)
    peak = float(max(np.abs(one).max(initial=0.0), np.abs(other).max(initial=0.0)))
    return {"first": picture(one, peak), "second": picture(other, peak), "difference": picture(other - one)}
