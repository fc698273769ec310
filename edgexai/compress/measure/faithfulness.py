"""Pixel flipping on the deployed model: does a heatmap show what the model uses?

Symmetric relevance gain (Blücher et al. 2024): the area between insertion and deletion of the predicted class's
probability, 0 for random maps.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import forward, real
from edgexai.graph import Graph
from edgexai.relevance.targets.start import logits_of

STEPS = 20
Array = NDArray[Any]


def curves(
    graph: Graph, x: Array, fill: Array, maps: Array, targets: NDArray[np.int64], steps: int = STEPS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas under the deletion and insertion curves (N,), by the share of positions that are changed.

    A position is what ``maps`` (N, …) have a value of: a pixel, a step of a series, a column of a table. The curves are
    taken at ``steps`` places, more of them where few positions are changed.
    """
    count = int(np.prod(maps.shape[1:]))
    order = np.argsort(-maps.reshape(len(x), -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(count)[None], axis=1)
    places = rank.reshape(*maps.shape, *[1] * (x.ndim - maps.ndim))
    cuts = np.unique(np.rint(np.linspace(0, 1, steps + 1) ** 2 * count)).astype(int)
    areas = []
    for inserting in (False, True):
        heights = []
        for cut in cuts:
            shown = np.where((places < cut) == inserting, x, fill[None]).astype(x.dtype)
            p = probabilities(graph, shown)
            heights.append(p[np.arange(len(x)), targets])
        areas.append(np.asarray(np.trapezoid(np.stack(heights), cuts / count, axis=0)))
    return areas[0], areas[1]


def values(graph: Graph, x: Array) -> NDArray[np.float64]:
    """The model's first output (N, values) as real numbers."""
    found = real(graph, graph.outputs[0], forward(graph, x, graph.outputs[:1])[0])
    return np.asarray(found.reshape(len(x), -1), np.float64)


def probabilities(graph: Graph, x: Array) -> NDArray[np.float64]:
    """The model's first output (N, classes), as real numbers; softmax is applied if they are none yet."""
    out = values(graph, x)
    squashed = logits_of(graph, graph.outputs[0]) != graph.outputs[0]  # an int8 softmax of 1000 classes sums to less
    if np.all(out >= 0) and (np.all(np.abs(out.sum(1) - 1) < 0.1) or (squashed and np.all(out <= 1))):
        return out
    powers = np.exp(out - out.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
