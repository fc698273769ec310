"""compress: a model to a budget. The share of energy that stays is walked down until every limit holds.

A limit of cost is looked up on unrepaired models, which takes no time; what the repaired model is then worth is
measured on samples that neither the profile nor the repair has seen.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import Board
from edgexai.compress.measure.accuracy import predictions
from edgexai.compress.measure.cost import Cost, cost
from edgexai.compress.measure.fidelity import correlation, heatmaps
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.pruning import prune
from edgexai.errors import ConfigError
from edgexai.graph import Graph
from edgexai.relevance import attach

SHARES = tuple(round(1 - 0.05 * n, 2) for n in range(20))
"""Shares of the price that may stay: 1 … 0.05."""
DRAWN = (0.9, 0.7, 0.5, 0.3)
"""Shares that a report measures as well."""
MAPS = 60
"""Samples whose heatmaps are compared."""


@dataclass(frozen=True)
class Limit:
    """At most so much: of ``what`` (a field of Cost), ``most`` in its unit, or as a share of the whole model's."""

    what: str
    most: float
    is_share: bool = False

    def met(self, found: Cost, whole: Cost) -> bool:
        """Whether a cost is within the limit; ConfigError if the board does not say enough to know."""
        return self.value(found) <= (self.most * self.value(whole) if self.is_share else self.most)

    def value(self, found: Cost) -> float:
        value = getattr(found, self.what)
        if value is None:
            raise ConfigError(f"a limit on {self.what} needs a board that says it; give --board, one with [power]")
        return float(value)

    def __str__(self) -> str:
        return f"{self.what} ≤ {self.most:.0%}" if self.is_share else f"{self.what} ≤ {self.most:,.6g}"


@dataclass(frozen=True)
class Budget:
    """Limits of cost, ``loss`` of accuracy at most (share of samples), heatmap ``correlation`` at least."""

    limits: tuple[Limit, ...] = ()
    loss: float | None = None
    correlation: float | None = None

    def met(self, found: Cost, whole: Cost) -> bool:
        """Whether a cost is within all limits."""
        return all(limit.met(found, whole) for limit in self.limits)

    def keeps(self, point: "Point", whole: "Point") -> bool:
        """Whether a model is still good enough, in accuracy and heatmaps."""
        is_right = self.loss is None or whole.accuracy - point.accuracy <= self.loss + 1e-9
        return is_right and (self.correlation is None or point.correlation >= self.correlation)


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
    """What every candidate is measured with: a board, and samples that nothing else has seen."""

    def __init__(
        self,
        graph: Graph,
        test: NDArray[Any],
        labels: NDArray[Any] | None,
        board: Board | None = None,
        explain: str | None = None,
        composite: str = "edge",
    ) -> None:
        self._board, self._explain, self._composite = board, explain, composite
        self._test = test
        self.labelled = labels is not None
        self._truth = predictions(graph, test) if labels is None else np.asarray(labels)
        self._maps = heatmaps(graph, test[:MAPS], composite)
        self.whole = self.measure(graph, 1.0)

    def cost(self, graph: Graph) -> Cost:
        """Prediction, and explanation where it counts."""
        return cost(attach(graph, self._explain) if self._explain else graph, self._board)

    def measure(self, graph: Graph, share: float) -> Point:
        """The point of a graph."""
        right = float(np.mean(predictions(graph, self._test) == self._truth))
        alike = correlation(self._maps, heatmaps(graph, self._test[:MAPS], self._composite))
        return Point(share, graph, self.cost(graph), right, alike)


def fit_budget(
    graph: Graph,
    profile: Profile,
    samples: NDArray[Any],
    budget: Budget,
    bench: Bench,
    board: str | None = None,
    steps: int = 4,
    finish: Callable[[Graph], Graph] | None = None,
    drawn: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Point, list[Point]]:
    """The point that keeps most within the budget, and all that were measured on the way, the whole model first.

    The price is the time on ``board`` where one is given, to which energy is in proportion, else
    multiply-accumulates. ``finish`` is done to every pruned graph (distillation); ``drawn`` measures DRAWN as well.
    With limits of cost, the largest share within them is taken; with none, the smallest that keeps ``loss`` and
    ``correlation``. Raises ConfigError if the budget cannot be met, with what was nearest.
    """
    measured = {1.0: bench.whole}

    def pruned(share: float, repair: str) -> Graph:
        if share == 1:
            return graph
        price: dict[str, Any] = {"latency": share, "board": board} if board is not None else {"keep": share}
        return prune(graph, profile, repair=repair, samples=samples, steps=steps, **price)

    def at(share: float) -> Point:
        if share not in measured:
            small = pruned(share, "least_squares")
            measured[share] = bench.measure(finish(small) if finish else small, share)
            if progress is not None:
                progress(len(measured) - 1, len(measured) + 3)
        return measured[share]

    if budget.limits:
        first = SHARES.index(_largest(budget, bench, pruned))
        # scores are taken anew during repair: other channels may go than in the look-up
        within = (at(share) for share in SHARES[first:])
        chosen = next((p for p in within if budget.met(p.cost, bench.whole.cost)), bench.whole)
        if not budget.keeps(chosen, bench.whole):
            raise ConfigError(_missed(chosen, bench, budget))
    else:

        def holds(share: float) -> bool:
            try:
                return budget.keeps(at(share), bench.whole)
            except ConfigError:  # one channel a layer is left
                return False

        chosen = at(_smallest(holds))
    for share in DRAWN if drawn else ():
        with suppress(ConfigError):
            at(share)
    return chosen, [measured[s] for s in sorted(measured, reverse=True)]


def _largest(budget: Budget, bench: Bench, pruned: Callable[[float, str], Graph]) -> float:
    """The largest share whose unrepaired model is within the limits."""
    nearest = bench.whole.cost
    for share in SHARES:
        try:
            nearest = bench.cost(pruned(share, "none"))
        except ConfigError:  # one channel a layer is left
            break
        if budget.met(nearest, bench.whole.cost):
            return share
    lowest = ", ".join(f"{limit.what} {limit.value(nearest):,.6g}" for limit in budget.limits)
    wanted = ", ".join(map(str, budget.limits))
    raise ConfigError(f"no pruned model is within {wanted}; the smallest has {lowest}")


def _smallest(holds: Callable[[float], bool]) -> float:
    """Halve the range of shares: what is lost grows as they fall, up to noise."""
    low, high = 0, len(SHARES) - 1  # SHARES[low] holds
    while high - low > 1:
        middle = (low + high) // 2
        if holds(SHARES[middle]):
            low = middle
        else:
            high = middle
    return SHARES[low]


def _missed(found: Point, bench: Bench, budget: Budget) -> str:
    lost = 100 * (bench.whole.accuracy - found.accuracy)
    wanted = [f"at most {100 * budget.loss:g} points lost"] if budget.loss is not None else []
    wanted += [f"heatmap correlation of at least {budget.correlation:g}"] if budget.correlation is not None else []
    return (
        f"within {', '.join(map(str, budget.limits))} the model loses {lost:.1f} points and its heatmaps correlate "
        f"{found.correlation:.2f} with the original's, not {' and '.join(wanted)}; loosen one of the limits, give more "
        "samples, or --distill"
    )
