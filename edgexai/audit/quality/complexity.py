"""How few positions carry an explanation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.similarity import rows


def sparseness(maps: NDArray[Any]) -> NDArray[np.float64]:
    """The Gini coefficient of |relevance| (N,), 0 even … 1 in one position (Chalasani et al. 2020)."""
    a = np.abs(rows(maps))
    a = np.sort(a / np.maximum(a.max(1, keepdims=True), 1e-300) + 1e-7, axis=1)
    n = a.shape[1]
    return np.asarray(((2 * np.arange(1, n + 1) - n - 1) * a).sum(1) / (n * a.sum(1)))


def complexity(maps: NDArray[Any]) -> NDArray[np.float64]:
    """The entropy of |relevance| as shares, in nats (N,): 0 … log positions (Bhatt et al. 2020)."""
    a = np.abs(rows(maps))
    p = a / np.maximum(a.sum(1, keepdims=True), 1e-300)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(1))
