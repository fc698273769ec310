"""What few bytes do to the share of relevance on the tag that is planted in the demo's digits."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.faithful import coded
from edgexai.cli.demo import digits
from edgexai.graph import Graph, serialize
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer

Row = dict[str, Any]

BUDGETS = (64, 100, 222)


def tag(graph: Graph, composite: str, count: int) -> Iterable[Row]:
    """Mean share of the positive relevance on the tag, of the uncoded maps and by budget: with the tag and without."""
    explain = Explainer(serialize(attach(graph, composite)))
    held_out = digits.load(0).test[:count]
    for title, images in (("tagged", digits.with_tag(held_out)), ("untagged", held_out)):
        maps = np.stack([explain(one).relevance.reshape(28, 28) for one in images])
        true = corner(maps, digits.CORNER_REGION)
        for budget in BUDGETS:
            found = corner(coded(maps, budget), digits.CORNER_REGION)
            yield {
                "what": "tag",
                "images": title,
                "n": len(maps),
                "budget": budget,
                "true": float(true.mean()),
                "share": float(found.mean()),
                "typical_error": float(np.median(np.abs(found - true))),
            }


def corner(maps: NDArray[Any], region: tuple[slice, slice]) -> NDArray[np.float64]:
    """Share (N,) of the positive relevance that lies in a region."""
    positive = np.maximum(maps, 0)
    return np.asarray(positive[:, region[0], region[1]].sum((1, 2)) / np.maximum(positive.sum((1, 2)), 1e-30))
