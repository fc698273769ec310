"""What every candidate of a search is measured with, so that all are compared on the same samples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import Board
from edgexai.compress.measure.accuracy import predictions
from edgexai.compress.measure.cost import Cost, cost
from edgexai.compress.measure.fidelity import correlation, heatmaps
from edgexai.graph import Graph
from edgexai.relevance import attach

MAPS = 60
"""Samples whose heatmaps are compared."""


@dataclass(frozen=True)
class Point:
    """A model measured: the ``share`` of the price that it may keep, ``cost`` with the explanation where it counts.

    ``accuracy`` is the share of right predictions, without labels of those that the whole model gives too;
    ``correlation`` the median of its heatmaps with the whole model's.
    """

    share: float
    graph: Graph
    cost: Cost
    accuracy: float
    correlation: float


class Bench:
    """A board, and samples (N, …) with their ``labels`` (or None) that nothing else has seen.

    With ``explain``, a composite's name, costs are those of prediction and explanation together. ``price`` says what a
    graph costs where that is not `cost`, as a back-end has it.
    """

    def __init__(
        self,
        graph: Graph,
        test: NDArray[Any],
        labels: NDArray[Any] | None,
        board: Board | None = None,
        explain: str | None = None,
        price: Callable[[Graph], Cost] | None = None,
    ) -> None:
        self.board, self.explain, self.test = board, explain, test
        self.labelled = labels is not None
        self._price = price
        self._composite = explain or "edge"
        self._truth = predictions(graph, test) if labels is None else np.asarray(labels)
        self._maps = heatmaps(graph, test[:MAPS], self._composite)
        self.whole = self.measure(graph, 1.0)

    def cost(self, graph: Graph) -> Cost:
        """Prediction, and explanation where it counts."""
        if self._price is not None:
            return self._price(graph)
        return cost(attach(graph, self.explain) if self.explain else graph, self.board)

    def measure(self, graph: Graph, share: float) -> Point:
        """The point of a graph."""
        right = float(np.mean(predictions(graph, self.test) == self._truth))
        alike = correlation(self._maps, heatmaps(graph, self.test[:MAPS], self._composite))
        return Point(share, graph, self.cost(graph), right, alike)
