"""Does a heatmap depend on the class, and on what the model has learned? Beside faithfulness, which asks neither.

Three measures of a composite on a model, each a number a sample:

`between_classes`  correlation of the maps of the predicted class and of the second: 1 says the map shows every class
`top_randomized`   correlation of the maps before and after the weights of the last layer were shuffled (Adebayo et al.
                   2018): 1 says that the classifier plays no part
`efficient_mprt`   relative rise of a map's entropy if the weights of all layers are shuffled (Hedström et al. 2024):
                   0 or less says that a map of learned weights is no more ordered than one of chance
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import forward, real
from edgexai.compress.measure.explained import explained
from edgexai.graph import Graph, Op, OpKind
from edgexai.relevance import Composite
from edgexai.relevance.start import logits_of

WEIGHTS = {
    OpKind.CONV_2D: 1,
    OpKind.CONV_3D: 1,
    OpKind.DEPTHWISE_CONV_2D: 1,
    OpKind.FULLY_CONNECTED: 1,
    OpKind.TRANSPOSE_CONV: 1,
    OpKind.BATCH_MATMUL: 1,
}
BINS = 100
Maps = NDArray[np.float32]


def between_classes(graph: Graph, x: NDArray[Any], composite: str | Composite = "edge") -> NDArray[np.float64]:
    """Correlation (N,) of the map of each sample's predicted class with that of its second class."""
    order = np.argsort(-_logits(graph, x), axis=1)
    maps = [_maps(graph, x, composite, order[:, k]) for k in (0, 1)]
    return _correlations(*maps)


def top_randomized(
    graph: Graph, x: NDArray[Any], composite: str | Composite = "edge", seed: int = 0
) -> NDArray[np.float64]:
    """Correlation (N,) of each sample's map with the one after the last layer was shuffled, for the same class."""
    classes = _logits(graph, x).argmax(1)
    maps = [_maps(g, x, composite, classes) for g in (graph, shuffled(graph, seed, top=True))]
    return _correlations(*maps)


def efficient_mprt(
    graph: Graph, x: NDArray[Any], composite: str | Composite = "edge", seed: int = 0
) -> NDArray[np.float64]:
    """Entropy (N,) of each map after all layers were shuffled, less that before, over that before."""
    classes = _logits(graph, x).argmax(1)
    before, after = (
        np.array([entropy(m) for m in _maps(g, x, composite, classes)]) for g in (graph, shuffled(graph, seed))
    )
    return np.asarray((after - before) / np.maximum(before, 1e-9))


def shuffled(graph: Graph, seed: int = 0, top: bool = False) -> Graph:
    """The model with the weights of every layer, or of the last one, in another order; scales and shapes stay."""
    random = np.random.default_rng(seed)
    layers = [op for op in graph.ops if op.kind in WEIGHTS and graph.tensors[op.inputs[WEIGHTS[op.kind]]].is_constant]
    tensors = list(graph.tensors)
    for t in dict.fromkeys(op.inputs[WEIGHTS[op.kind]] for op in (_last(graph, layers) if top else layers)):
        data = random.permutation(tensors[t].array.reshape(-1))
        tensors[t] = replace(tensors[t], data=np.ascontiguousarray(data).view(np.uint8))
    return replace(graph, tensors=tuple(tensors))


def entropy(heatmap: NDArray[Any]) -> float:
    """Shannon entropy, in nats, of the histogram of a map's values."""
    counts = np.histogram(heatmap.reshape(-1), BINS)[0]
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _last(graph: Graph, layers: list[Op]) -> list[Op]:
    """The layers that no other layer reads from, of those that the first output is computed with."""
    logits = logits_of(graph, graph.outputs[0])
    upto = graph.producers().get(logits, len(graph.ops))
    return [op for op in layers if graph.ops.index(op) <= upto][-1:]


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


def _correlations(one: Maps, other: Maps) -> NDArray[np.float64]:
    """Pearson's correlation of each pair of maps; 0 for a blank one."""
    a, b = (m - m.mean(axis=1, keepdims=True, dtype=np.float64) for m in (one, other))
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.where(norm > 0, (a * b).sum(axis=1) / np.maximum(norm, 1e-300), 0.0))
