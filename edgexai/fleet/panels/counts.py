"""Small tables of frames: by node, by score, over time, by channel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.evidence import Evidence

Mask = NDArray[np.bool_]
BARS, MOST_NODES, MOST_CHANNELS = 24, 12, 10


def evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of rows, at equal distances, the first and the last among them."""
    found: NDArray[np.int64] = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    return found


def by_node(own: Evidence, inside: Mask) -> list[dict[str, Any]]:
    """The nodes with the most frames ``inside``: how many of how many."""
    names, places = np.unique(own.node, return_inverse=True)
    counts, all_of = np.bincount(places[inside], minlength=len(names)), np.bincount(places, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[:MOST_NODES]
    return [{"node": str(names[i]), "count": int(counts[i]), "of": int(all_of[i])} for i in order if counts[i]]


def histogram(values: NDArray[np.floating], inside: Mask) -> dict[str, Any]:
    """Counts of values inside and outside, in bars of equal width."""
    edges = np.histogram_bin_edges(values, BARS)
    return {
        "from": float(edges[0]),
        "to": float(edges[-1]),
        "inside": np.histogram(values[inside], edges)[0].tolist(),
        "outside": np.histogram(values[~inside], edges)[0].tolist(),
    }


def over_time(time: NDArray[np.floating], values: NDArray[np.floating], bins: int = 40) -> list[dict[str, float]]:
    """Mean and standard deviation of values in order of time, in bins of equally many frames."""
    parts = np.array_split(np.argsort(time, kind="stable"), min(bins, len(time)))
    return [
        {
            "time": float(time[part].mean()),
            "mean": float(values[part].mean()),
            "spread": float(values[part].std()),
            "count": len(part),
        }
        for part in parts
    ]


def channels(own: Evidence, inside: Mask) -> list[dict[str, Any]]:
    """Inner channels whose share of relevance differs most between frames inside and outside, in standard deviations;
    none where nodes send no concepts."""
    if own.concepts.shape[1] == 0 or not inside.any() or inside.all():
        return []
    share = own.concepts / np.maximum(own.concepts.sum(1, keepdims=True), 1e-30)
    one, other = share[inside], share[~inside]
    spread = np.sqrt((one.var(0) + other.var(0)) / 2)
    effect = (one.mean(0) - other.mean(0)) / np.maximum(spread, 1e-9)
    order = np.argsort(-np.abs(effect))[:MOST_CHANNELS]
    return [
        {
            "channel": int(i),
            "inside": float(one[:, i].mean()),
            "outside": float(other[:, i].mean()),
            "effect": float(effect[i]),
        }
        for i in order
    ]


def frame(own: Evidence, row: int) -> dict[str, Any]:
    """A frame: id, node, time, class, score."""
    return {
        "id": int(own.id[row]),
        "node": str(own.node[row]),
        "sequence": int(own.sequence[row]),
        "time": float(own.time[row]),
        "target": int(own.target[row]),
        "score": float(own.score[row]),
    }
