"""Does a heatmap of few bytes still show what the model uses? Pixel flipping, the top pixels, a corner's share."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.bench.faithfulness import probabilities
from edgexai.graph import Graph
from edgexai.heatmap import decode, encode

Array = NDArray[Any]
Row = dict[str, Any]

CUTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the positions that are replaced."""
BUDGETS = (32, 51, 64, 100, 222)
TYPICAL: dict[str, Any] = {
    "model": b"\1\2\3\4",
    "sequence": 300,
    "time": 1_790_000_000.0,
    "target": 1,
    "score": 9.5,
    "conservation": 0.9,
}
"""What a frame says besides the map when a payload is measured as a node sends it."""


def coded(maps: Array, budget: int) -> Array:
    """The maps as they arrive in frames of so many bytes, with a typical header."""
    return np.stack([decode(encode(one, budget=budget, **TYPICAL)).map for one in maps])


def faithfulness(graph: Graph, x: Array, fill: Array, maps: Array, budgets: Sequence[int]) -> Iterable[Row]:
    """By budget the gain of deletion over chance as a share of the uncoded maps', and the overlap of the top tenth.

    Chance is another input's map: single pixels scattered at random harm a convolutional network more than any
    coherent region does, so that against them every heatmap loses.
    """
    targets = probabilities(graph, x).argmax(1)
    chance = deletion(graph, x, fill, np.roll(maps, 1, axis=0), targets).mean()
    whole = chance - deletion(graph, x, fill, maps, targets).mean()
    for budget in budgets:
        found = coded(maps, budget)
        yield {
            "what": "faithfulness",
            "n": len(maps),
            "budget": budget,
            "gain": float((chance - deletion(graph, x, fill, found, targets).mean()) / whole),
            "uncoded": float(whole),
            "overlap": float(np.mean([overlap(a, b) for a, b in zip(found, maps, strict=True)])),
        }


def deletion(graph: Graph, x: Array, fill: Array, maps: Array, targets: Array) -> NDArray[np.float64]:
    """Mean probability of the predicted class (N,) while the most relevant positions are replaced by the mean."""
    count = int(np.prod(x.shape[1:3]))
    order = np.argsort(-maps.reshape(len(x), -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(count)[None], axis=1)
    heights = []
    for cut in CUTS:
        gone = (rank < round(cut * count)).reshape(*x.shape[:3], 1)
        p = probabilities(graph, np.where(gone, fill[None], x).astype(x.dtype))
        heights.append(p[np.arange(len(x)), targets])
    return np.asarray(np.mean(heights, axis=0))


def overlap(found: Array, true: Array, share: float = 0.1) -> float:
    """How much of the most relevant tenth of the positions is the same."""
    count = max(1, round(share * true.size))
    tops = [set(np.argsort(-m.reshape(-1), kind="stable")[:count].tolist()) for m in (found, true)]
    return len(tops[0] & tops[1]) / count


def corner(maps: Array, region: tuple[slice, slice]) -> NDArray[np.float64]:
    """Share (N,) of the positive relevance that lies in a region."""
    positive = np.maximum(maps, 0)
    return np.asarray(positive[:, region[0], region[1]].sum((1, 2)) / np.maximum(positive.sum((1, 2)), 1e-30))
