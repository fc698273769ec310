"""A scan where samples are at hand: every member of a class is a donor by itself.

What a member turns others into is measured on a few hosts. If some members turn them far more than the others do, and
there is a gap between, they may carry what the others do not: a suspicion of its own, for a trial on other hosts. So
carriers are found that are too few or too like the others to make a cluster in concepts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.transplant import Sample, pasted, recast
from edgexai.intervention.trial import FEWEST

HOSTS, MOST_MEMBERS, LEAST = 8, 120, 20
"""Hosts of a scan, members of a class that are scanned, and below how many nothing is said."""
NOISE = 0.05
"""Spread of a member's power that hosts alone make."""
WORTH = 0.15
"""Standing-out from which a trial is worth while: 20 of 491 clean classes have as much (docs/findings.md)."""
WAYS: dict[str, Callable[[Sample, Sample, NDArray[np.floating]], Sample]] = {
    "places": pasted,
    "cast": lambda host, donor, _: recast(host, donor),
}


@dataclass(frozen=True)
class Scan:
    """The members that stand out by one ``way`` (indices), by how much, and of every scanned member its power: the
    mean rise of the class's probability in its hosts."""

    way: str
    outstanding: NDArray[np.int64]
    standing: float
    members: NDArray[np.int64]
    power: NDArray[np.float64]


def scanned(
    x: Sample,
    relevance: NDArray[np.floating],
    members: NDArray[np.int64],
    hosts: NDArray[np.int64],
    probability: Callable[[Sample], NDArray[np.floating]],
) -> Scan | None:
    """What stands out most among ``members`` of a class, tried on ``hosts``: indices into samples ``x`` (N, …).

    ``probability`` (N,) of the class in samples (N, …). None where there are too few members, or no host.
    """
    if len(members) < LEAST or not len(hosts):
        return None
    random = np.random.default_rng(1)
    some, few = random.permutation(members)[:MOST_MEMBERS], random.permutation(hosts)[:HOSTS]
    before, found = probability(x[few]), None
    for way, transplant in WAYS.items():
        rows = [probability(np.stack([transplant(x[h], x[m], relevance[m]) for h in few])) for m in some]
        power = np.asarray(np.array(rows) - before, np.float64).mean(1)
        standing, count = _standing(np.sort(power)[::-1])
        if found is None or standing > found.standing:
            found = Scan(way, some[np.argsort(-power, kind="stable")[:count]], standing, some, power)
    return found


def _standing(power: NDArray[np.float64]) -> tuple[float, int]:
    """Of powers, the highest first: how much the first so many stand out, at most a half; the gap behind the last of
    them times the difference of means in standard deviations."""
    best, count = 0.0, FEWEST
    for k in range(FEWEST, len(power) // 2 + 1):
        one, other = power[:k], power[k:]
        spread = np.sqrt((one.var() * k + other.var() * len(other)) / len(power)) + NOISE
        standing = float((one.mean() - other.mean()) / spread * (power[k - 1] - power[k]))
        if standing > best:
            best, count = standing, k
    return best, count
