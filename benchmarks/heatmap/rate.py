"""Bytes of a heatmap at equal likeness: the frame (a map and nothing else) against other codecs, and against itself."""

from collections.abc import Container, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.rivals import codecs, fewest
from edgexai.heatmap import decode, encode, shorten
from edgexai.heatmap.search import cosine

Maps = NDArray[np.float32]
Row = dict[str, Any]

TARGETS = (0.90, 0.95, 0.98)
BUDGETS = (16, 20, 24, 32, 40, 51, 64, 100, 150, 222, 400, 800)


def ours(maps: Maps) -> Iterable[Row]:
    """Median bytes at each cosine."""
    sizes = np.array([[len(encode(one, quality=target)) for target in TARGETS] for one in maps])
    yield {"what": "bytes", "codec": "edgexai", "n": len(maps), "median": np.median(sizes, axis=0).tolist()}


def likeness(maps: Maps) -> Iterable[Row]:
    """Cosine at each budget: median, and what nine of ten maps reach."""
    found = []
    for one in maps:
        frame = encode(one, budget=max(BUDGETS))
        found.append([cosine(decode(shorten(frame, budget)).map, one) for budget in BUDGETS])
    yield {
        "what": "cosine",
        "n": len(maps),
        "budgets": BUDGETS,
        "median": np.median(found, axis=0).tolist(),
        "tenth": np.percentile(found, 10, axis=0).tolist(),
    }


def theirs(maps: Maps, names: Container[str]) -> Iterable[Row]:
    """Median bytes of other codecs; a map that one cannot bring to a cosine counts as infinitely long."""
    for name, variants in ((n, v) for n, v in codecs().items() if n in names):
        sizes = []
        for one in maps:
            found = [fewest(codec, one, TARGETS, cosine) for codec in variants]
            sizes.append([min(f[i] or np.inf for f in found) for i in range(len(TARGETS))])
        median = np.median(np.array(sizes, np.float64), axis=0)
        yield {
            "what": "bytes",
            "codec": name,
            "n": len(maps),
            "median": [float(m) if np.isfinite(m) else None for m in median],
        }
