"""Do maps depend on what the model has learnt? Explanations of the model and of one with shuffled weights.

Adebayo et al. 2018 (sanity checks); Hedström et al. 2024 (efficient MPRT: the rise of a map's entropy).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality.similarity import rows
from edgexai.graph import DType, Graph, Tensor
from edgexai.relevance.targets.start import logits_of

BINS = 100
WEIGHTS = (DType.INT8, DType.UINT8, DType.FLOAT32, DType.FLOAT16)


def randomized(graph: Graph, seed: int = 0, top: bool = False) -> Graph:
    """The graph with the entries of every weight tensor, or of the last layer's, in another order: same values, scales
    and sizes, nothing learnt."""
    random = np.random.default_rng(seed)
    tensors = list(graph.tensors)
    for i in _top(graph) if top else range(len(tensors)):
        t = tensors[i]
        if _is_weight(t):
            entries = np.asarray(t.data).reshape(int(np.prod(t.shape)), -1)
            tensors[i] = replace(t, data=np.ascontiguousarray(random.permutation(entries)).reshape(-1))
    return replace(graph, tensors=tuple(tensors))


def _is_weight(t: Tensor) -> bool:
    return (
        t.is_constant and t.dtype in WEIGHTS and len(t.shape) > 1 and int(np.prod(t.shape)) > 1 and t.data is not None
    )


def _top(graph: Graph) -> list[int]:
    """The constants of the last operator with weights, of those that the first output's logits are computed by."""
    upto = graph.producers().get(logits_of(graph, graph.outputs[0]), len(graph.ops) - 1)
    for op in reversed(graph.ops[: upto + 1]):
        found = [t for t in dict.fromkeys(op.inputs) if t >= 0 and _is_weight(graph.tensors[t])]
        if found:
            return found
    return []


def histogram_entropy(maps: NDArray[Any], bins: int = BINS) -> NDArray[np.float64]:
    """The entropy of each map's histogram of ``bins`` equal bins from its least to its largest value, in nats (N,)."""
    r = rows(maps)
    low, high = r.min(1, keepdims=True), r.max(1, keepdims=True)
    found = np.zeros((len(r), bins))
    flat = high[:, 0] <= low[:, 0]
    edges = np.linspace(low[:, 0], high[:, 0], bins + 1)  # (bins + 1, N), as numpy.histogram has them
    for i, row in enumerate(r):
        if not flat[i]:
            found[i] = np.histogram(row, edges[:, i])[0]
    p = found / np.maximum(found.sum(1, keepdims=True), 1)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(1))


def efficient_mprt(maps: NDArray[Any], randomized_maps: NDArray[Any], bins: int = BINS) -> NDArray[np.float64]:
    """(H(R of random weights) - H(R)) / H(R), H the histogram's entropy (N,): above 0 where maps of what was learnt
    are more ordered; nan for maps that are the same everywhere."""
    before, after = histogram_entropy(maps, bins), histogram_entropy(randomized_maps, bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(before > 0, (after - before) / before, np.nan))
