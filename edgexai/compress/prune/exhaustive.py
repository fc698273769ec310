"""Which channels go, exactly: every number of channels a group is tried, where there are few enough.

Within a group all channels free the same, so those of lowest score go first; what is left to choose is how many.
"""

from math import prod

import numpy as np

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.prune.greedy import Price, Scores
from edgexai.compress.prune.shrink import Keep
from edgexai.errors import ConfigError

MOST = 200_000
"""Combinations that are tried; beyond that the greedy choice of `select` stands."""


def is_small(coupling: Coupling) -> bool:
    """Whether every combination of numbers of channels can be tried."""
    return prod(len(g.labels) for g in coupling.groups) <= MOST


def exactly(coupling: Coupling, scores: Scores, cost: Price, target: float) -> Keep:
    """The channels of least score in all whose going brings the price to at most ``target``; one a group stays.

    Raises ConfigError if the target cannot be reached.
    """
    orders = [g.labels[np.argsort(scores[g.labels], kind="stable")] for g in coupling.groups]
    lost, out, into = np.zeros(1), np.ones((1, len(cost.whole))), np.ones((1, len(cost.whole)))
    for order in orders:
        gone = np.arange(len(order))[:, None] > np.arange(len(order))  # (how many go, which)
        lost = (lost[:, None] + gone @ scores[order]).ravel()
        out = (out[:, None] - gone @ cost.writes[:, order].T).reshape(-1, out.shape[1])
        into = (into[:, None] - gone @ cost.reads[:, order].T).reshape(-1, into.shape[1])
    prices = (out * into) @ cost.whole
    if prices.min() > target:
        raise ConfigError(
            f"the model cannot be pruned to {target / cost.whole.sum():.0%}: "
            f"with one channel left in every layer it is at {prices.min() / cost.whole.sum():.0%}"
        )
    best = int(np.argmin(np.where(prices <= target, lost, np.inf)))
    keep = np.ones(coupling.size, bool)
    for order, count in zip(orders, np.unravel_index(best, [len(o) for o in orders]), strict=True):
        keep[order[:count]] = False
    return keep
