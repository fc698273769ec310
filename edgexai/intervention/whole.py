"""A class as a whole: are its members recognised by so little that it turns other inputs into the class?

What nearly all members of a class carry makes no cluster in it, and nobody stands out. But its most relevant tenth,
pasted, then turns far more hosts than that of any other class does.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.intervention.transplant import Sample, pasted

LEAST, PAIRS = 20, 100
"""Members of a class below which nothing is said, and pairs of donor and host that are tried."""
ENOUGH = 0.35
"""Lead over the next class from which a class is confirmed: of 240 clean classes the largest was 0.33."""


@dataclass(frozen=True)
class Whole:
    """The class that turns most, its share of ``n`` hosts, and that of the next class."""

    target: int
    share: float
    next: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the lead (Agresti and Caffo 2000)."""
        n = self.n + 2
        p, q = ((share * self.n + 1) / n for share in (self.share, self.next))
        error = 1.96 * math.sqrt((p * (1 - p) + q * (1 - q)) / n)
        return p - q - error, p - q + error

    @property
    def confirmed(self) -> bool:
        """Whether the lead is large enough."""
        return self.share - self.next >= ENOUGH and self.interval[0] > 0

    def text(self, called: str) -> str:
        """In words; ``called`` is the class."""
        low, high = self.interval
        return (
            f"As a whole, {called} is recognised by little: the most relevant tenth of its samples, pasted, turns "
            f"{self.share:.0%} of {self.n} other samples into it, that of the next class {self.next:.0%} (difference: "
            f"95 % interval {low:.0%} to {high:.0%})."
        )


def whole(
    x: Sample, relevance: NDArray[np.floating], target: NDArray[np.int64], predict: Callable[[Sample], NDArray[Any]]
) -> Whole | None:
    """The class that turns most others, of samples ``x`` (N, …) predicted as ``target`` (N,); None without two classes
    of LEAST samples."""
    random, shares = np.random.default_rng(0), dict[int, float]()
    for one in np.unique(target):
        own, others = np.flatnonzero(target == one), np.flatnonzero(target != one)
        if len(own) >= LEAST and len(others) >= LEAST:
            pairs = zip(random.choice(own, PAIRS), random.choice(others, PAIRS), strict=True)
            mixed = [pasted(x[host], x[donor], relevance[donor]) for donor, host in pairs]
            shares[int(one)] = float(np.mean([np.argmax(predict(m)) == one for m in mixed]))
    if len(shares) < 2:
        return None
    first, second = sorted(shares, key=lambda one: -shares[one])[:2]
    return Whole(first, shares[first], shares[second], PAIRS)
