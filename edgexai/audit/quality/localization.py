"""Where truth is known, does relevance lie there? Arras et al. 2022, "CLEVR-XAI"."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.similarity import rows


def mass_accuracy(maps: NDArray[Any], masks: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the positive relevance inside the mask (N,); nan where a mask is empty or nothing is positive.

    By chance it is the mask's share of the area: compare with ``masks.mean``.
    """
    positive, inside = np.maximum(rows(maps), 0), rows(masks) > 0
    total = positive.sum(1)
    usable = (total > 0) & inside.any(1)
    return np.asarray(np.where(usable, (positive * inside).sum(1) / np.where(usable, total, 1), np.nan))


def rank_accuracy(maps: NDArray[Any], masks: NDArray[Any]) -> NDArray[np.float64]:
    """Of the K most relevant positions, K the mask's size, the share inside the mask (N,); nan for empty masks."""
    r, inside = rows(maps), rows(masks) > 0
    sizes = inside.sum(1)
    order = np.argsort(-r, axis=1, kind="stable")
    hits = np.take_along_axis(inside, order, 1) & (np.arange(r.shape[1]) < sizes[:, None])
    return np.asarray(np.where(sizes > 0, hits.sum(1) / np.maximum(sizes, 1), np.nan))
