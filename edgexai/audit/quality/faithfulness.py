"""Do maps show what the model uses? Positions are taken away, or put in, in the order of their relevance.

Samek et al. 2017 (pixel flipping), Blücher et al. 2024 (symmetric relevance gain: the area between taking the least
and the most relevant first, which depends far less on the fill than either curve alone).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.fills import Fill

STEPS = 20
Array = NDArray[Any]
Predict = Callable[[Array], NDArray[np.float64]]
"""Inputs (N, …) → what is measured of each class (N, classes), mostly probabilities."""


def cuts(positions: int, steps: int = STEPS) -> NDArray[np.int64]:
    """How many positions are changed at each step, 0 … positions: dense where few are, since curves bend there."""
    return np.unique(np.rint(np.linspace(0, 1, steps + 1) ** 2 * positions)).astype(np.int64)


def flipped(
    predict: Predict,
    x: Array,
    maps: Array,
    targets: NDArray[Any],
    fill: Fill,
    at: NDArray[Any] | None = None,
    inserting: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The explained class's value after the ``at`` most relevant positions were replaced: (N, steps).

    ``inserting``: everything but them was replaced. Maps (N, …) may lack the last axes of x (channels), which then
    change together.
    """
    random = np.random.default_rng(seed)
    count = int(np.prod(maps.shape[1:]))
    order = np.argsort(-maps.reshape(len(x), -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(count)[None], axis=1)
    rank = rank.reshape(*maps.shape, *[1] * (x.ndim - maps.ndim))
    heights = []
    for cut in cuts(count) if at is None else at:
        gone = np.broadcast_to((rank >= cut) if inserting else (rank < cut), x.shape)
        heights.append(predict(fill(x, gone, random))[np.arange(len(x)), targets])
    return np.stack(heights, axis=1)


def areas(curves: NDArray[np.float64], at: NDArray[Any]) -> NDArray[np.float64]:
    """The area under each curve (N, steps) over ``at`` (steps,), trapezoidal: (N,)."""
    return np.asarray(np.trapezoid(curves, at, axis=1))


def symmetric_gain(
    predict: Predict, x: Array, maps: Array, targets: NDArray[Any], fill: Fill, steps: int = STEPS, seed: int = 0
) -> NDArray[np.float64]:
    """The area between putting the most relevant positions in and taking them away, each sample (N,).

    Over the share of positions, so that values of probabilities give -1 … 1; random maps have 0.
    """
    count = int(np.prod(maps.shape[1:]))
    at = cuts(count, steps)
    gone = flipped(predict, x, maps, targets, fill, at, seed=seed)
    put = flipped(predict, x, maps, targets, fill, at, inserting=True, seed=seed)
    return areas(put - gone, at / count)
