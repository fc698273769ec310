"""Pruning that stops where explanations would change: the smallest share at which heatmaps still are the original's."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from edgexai.compress.measure.fidelity import correlation, heatmaps
from edgexai.errors import ConfigError
from edgexai.graph import Graph

MOST = 50
"""Samples whose heatmaps are compared."""

ROUNDS = 5


def hold(graph: Graph, samples: NDArray[Any], least: float, share: float, prune: Callable[[float], Graph]) -> Graph:
    """The graph pruned to ``share`` of its price, or to the smallest share above it that keeps the explanations.

    The median correlation of its heatmaps (composite edge) with the original's on ``samples`` (N, …), at most 50 of
    them, is at least ``least`` (0 … 1); looked for by bisection. Raises ConfigError if no share is found.
    """
    if not 0 < least < 1:
        raise ConfigError(f"the correlation that heatmaps keep is {least}; it must lie between 0 and 1")
    shown = samples[:: max(1, len(samples) // MOST)][:MOST]
    wanted = heatmaps(graph, shown)
    low, high, trial, best = share, 1.0, share, None
    found = 0.0
    for _ in range(ROUNDS):
        small = prune(trial)
        found = correlation(wanted, heatmaps(small, shown))
        if found >= least:
            best, high = small, trial
            if trial == share:
                break
        else:
            low = trial
        trial = (low + high) / 2
    if best is None:
        raise ConfigError(
            f"heatmaps correlate by {found:.3f} at {low:.0%}, not by {least}; ask for less, "
            "or repair by least squares with more samples"
        )
    return best
