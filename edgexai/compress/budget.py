"""compress: a model to a budget. The share of its price that stays is walked down until every limit holds.

A limit of cost is looked up on unrepaired models, which takes no time; what the repaired model is then worth is
measured on samples that neither the profile nor the repair has seen.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import function_or_none, of_type
from edgexai.compress.measure.bench import Bench, Point
from edgexai.compress.measure.execute import as_labels, quantized
from edgexai.compress.measure.limits import COSTS, Budget
from edgexai.compress.measure.price import price_of
from edgexai.compress.measure.profile import Profile, profile_relevance
from edgexai.compress.prune.pruning import prune
from edgexai.compress.repair.repair import Repair
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Graph, Model, plain_of
from edgexai.relevance.composite_file import composite_of

SHARES = tuple(round(1 - 0.05 * n, 2) for n in range(20))
"""Shares of the price that may stay: 1 … 0.05."""
DRAWN = (0.9, 0.7, 0.5, 0.3)
"""Shares that a report measures as well."""
HELD_OUT = 0.3
PROFILED = 200
"""Samples of the profile; more change little."""

Progress = Callable[[int, int], None]
Samples = NDArray[Any]


def compress(
    model: Model,
    samples: Samples,
    budget: Budget,
    labels: Samples | None = None,
    *,
    explain: str | None = None,
    repair: Repair | str = "least_squares",
    runtime: str = "tflite",
    progress: Progress | None = None,
) -> Point:
    """The model that keeps most within the budget, measured: `Point.graph` is what to save.

    ``model`` is a graph or the path of a `.tflite`, ``samples`` (N, …) unlabelled inputs, of which three tenths are
    held out to measure on, with ``labels`` (N,) where there are some. With ``explain``, a composite's name, the costs
    are those of prediction and explanation together. ``runtime`` is whose costs are limited: ``"tflite"``, or
    ``"c99"``, the sources that `edgexai firmware` writes. Raises ConfigError if the budget cannot be met.
    """
    graph, repair = plain_of(model), Repair.of(repair)
    of_type("budget", budget, Budget, "a Budget such as edgexai.Budget(macs=0.5)")
    of_type("runtime", runtime, str, '"tflite" or "c99"')
    function_or_none("progress", progress)
    explain = None if explain is None else composite_of(explain).name
    samples = quantized(graph, samples)
    labels = None if labels is None else as_labels(labels, len(samples))
    seen, test = held_out(len(samples))
    price = price_of(runtime, budget, explain)
    bench = Bench(graph, samples[test], None if labels is None else labels[test], budget.known_board, explain, price)
    profile = profile_relevance(graph, samples[seen][:PROFILED])
    return fit_budget(bench, profile, samples[seen], budget, repair, progress=progress)[0]


def held_out(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the samples to compress with, and of those to measure on; DataError if there are too few."""
    if count < 10:
        raise DataError(f"there are {count} samples; give some dozens, or others to test on")
    order = np.random.default_rng(0).permutation(count)
    held = max(1, int(HELD_OUT * count))
    return order[held:], order[:held]


def fit_budget(
    bench: Bench,
    profile: Profile,
    samples: Samples,
    budget: Budget,
    repair: Repair,
    drawn: bool = False,
    progress: Progress | None = None,
) -> tuple[Point, list[Point]]:
    """The point that keeps most within the budget, and all that were measured on the way, the whole model first.

    The price is the time on the budget's board where it names one, to which energy is in proportion, else
    multiply-accumulates. ``drawn`` measures DRAWN as well. With limits of cost, the largest share within them is
    taken; with none, the smallest that keeps accuracy and explanations. Raises ConfigError if the budget cannot be
    met, with what was nearest.
    """
    measured = {1.0: bench.whole}

    def pruned(share: float, repair: Repair) -> Graph:
        if share == 1:
            return bench.whole.graph
        price = Budget(macs=share) if budget.board is None else Budget(latency=share, board=budget.board)
        return prune(bench.whole.graph, profile, price, samples, repair=repair)

    def keeps(point: Point) -> bool:
        return budget.keeps(bench.whole.accuracy - point.accuracy, point.correlation)

    def at(share: float) -> Point:
        if share not in measured:
            measured[share] = bench.measure(pruned(share, repair), share)
            if progress is not None:
                progress(len(measured) - 1, len(measured) + 3)
        return measured[share]

    if budget.limits:
        first = SHARES.index(_largest(budget, bench, pruned))
        # scores are taken anew during repair: other channels may go than in the look-up
        within = (at(share) for share in SHARES[first:])
        chosen = next((p for p in within if budget.met(p.cost, bench.whole.cost)), bench.whole)
        if not keeps(chosen):
            raise ConfigError(_missed(chosen, bench, budget))
    else:

        def holds(share: float) -> bool:
            try:
                return keeps(at(share))
            except ConfigError:  # one channel a layer is left
                return False

        chosen = at(_smallest(holds))
    for share in DRAWN if drawn else ():
        with suppress(ConfigError):
            at(share)
    return chosen, [measured[s] for s in sorted(measured, reverse=True)]


def _largest(budget: Budget, bench: Bench, pruned: Callable[[float, Repair], Graph]) -> float:
    """The largest share whose unrepaired model is within the limits."""
    nearest = bench.whole.cost
    for share in SHARES:
        try:
            nearest = bench.cost(pruned(share, Repair("none")))
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
    wanted = replace(budget, **dict.fromkeys(COSTS))
    return (
        f"within {', '.join(map(str, budget.limits))} the model loses {lost:.1f} points and its heatmaps correlate "
        f"{found.correlation:.2f} with the original's, not {wanted}; loosen one of the limits, give more samples, or "
        "distil (--distill)"
    )
