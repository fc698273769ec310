"""Does a composite's heatmap depend on the class, and on what the model has learned?

Measures of a composite on a model, each a number a sample; those of maps that are at hand stand in ``axioms``,
``randomization`` and ``similarity``, and are what these are made of:

`between_classes`  correlation of the maps of the predicted class and of the second: 1 says the map shows every class
`top_randomized`   correlation of the maps before and after the weights of the last layer were shuffled (Adebayo et al.
                   2018): 1 says that the classifier plays no part
`all_randomized`   efficient MPRT (Hedström et al. 2024), the rise of a map's entropy if the weights of all layers are
                   shuffled: 0 or less says that a map of learned weights is no more ordered than one of chance
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.randomization import efficient_mprt, randomized
from edgexai.audit.quality.similarity import correlation
from edgexai.compress.measure.execute import forward, real
from edgexai.compress.measure.explained import explained
from edgexai.graph import Graph
from edgexai.relevance import Composite
from edgexai.relevance.targets.start import logits_of

Maps = NDArray[np.float32]


def between_classes(graph: Graph, x: NDArray[Any], composite: str | Composite = "edge") -> NDArray[np.float64]:
    """Correlation (N,) of the map of each sample's predicted class with that of its second class."""
    order = np.argsort(-_logits(graph, x), axis=1)
    maps = [_maps(graph, x, composite, order[:, k]) for k in (0, 1)]
    return correlation(*maps)


def top_randomized(
    graph: Graph, x: NDArray[Any], composite: str | Composite = "edge", seed: int = 0
) -> NDArray[np.float64]:
    """Correlation (N,) of each sample's map with the one after the last layer was shuffled, for the same class."""
    classes = _logits(graph, x).argmax(1)
    maps = [_maps(g, x, composite, classes) for g in (graph, randomized(graph, seed, top=True))]
    return correlation(*maps)


def all_randomized(
    graph: Graph, x: NDArray[Any], composite: str | Composite = "edge", seed: int = 0
) -> NDArray[np.float64]:
    """Efficient MPRT (N,): entropy of each map after all layers were shuffled, less that before, over that before."""
    classes = _logits(graph, x).argmax(1)
    before, after = (_maps(g, x, composite, classes) for g in (graph, randomized(graph, seed)))
    return efficient_mprt(before, after)


def _logits(graph: Graph, x: NDArray[Any]) -> NDArray[np.float32]:
    logits = logits_of(graph, graph.outputs[0])
    found = forward(graph, x, [logits])[0]
    return real(graph, logits, found).reshape(len(x), -1)


def _maps(graph: Graph, x: NDArray[Any], composite: str | Composite, classes: NDArray[np.int64]) -> Maps:
    """The map of each sample for its class, flattened: (N, positions)."""
    parts = {k: np.flatnonzero(classes == k) for k in np.unique(classes)}
    found = {k: explained(graph, x[at], composite, int(k)).maps for k, at in parts.items()}
    maps = [np.empty(0, np.float32)] * len(x)
    for k, at in parts.items():
        for i, one in zip(at, found[k], strict=True):
            maps[i] = one.reshape(-1)
    return np.stack(maps)
