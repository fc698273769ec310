"""A trial of a suspicion: what suspected samples are recognised by is put into samples of other classes.

Ordinary members of the class are donors too: what they turn is what the class is rightly recognised by. The effect is
the share of hosts that a suspected donor turns into the class, less the share that an ordinary one turns; of a
difference of means, less the share that turns when it is taken away, since classes vary in both directions.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ConfigError, FrameError
from edgexai.intervention.suspicion import Suspicion, suspicion
from edgexai.intervention.transplant import Sample, pasted, recast, shifted

WAYS = {
    "places": "its most relevant tenth pasted",
    "cast": "its brightness and contrast transferred",
    "difference": "its mean difference from ordinary members added",
}
ENOUGH = 0.3
"""Effect from which a suspicion is confirmed (docs/findings.md)."""
MOST = 1000
"""Hosts of a trial at most: nobody's counts drown those of others."""
FEWEST, KEPT = 3, 24
"""Donors of a side before the first host is tried, and how many are kept of each."""


@dataclass(frozen=True)
class Donor:
    """A sample of the suspected class, and its relevance."""

    x: Sample
    relevance: NDArray[np.floating]


@dataclass
class Way:
    """What one kind of transplant did to ``n`` hosts: how many turned into the class, and how its probability moved,
    with suspected donors and with ordinary ones."""

    suspected: int = 0
    ordinary: int = 0
    moved: float = 0.0
    moved_ordinary: float = 0.0


@dataclass
class Outcome:
    """What a trial has found so far, for class ``target``: ``n`` hosts of ``wanted``, and each way's counts; ``of`` the
    suspicion that was tried, coarse, where that is known."""

    target: int
    wanted: int
    n: int = 0
    donors: tuple[int, int] = (0, 0)
    ways: dict[str, Way] = field(default_factory=lambda: {way: Way() for way in WAYS})
    of: Suspicion | None = field(default=None, compare=False)

    @property
    def done(self) -> bool:
        """Whether as many hosts were tried as wanted."""
        return self.n >= self.wanted

    @property
    def best(self) -> str:
        """The way that came farthest, measured by what confirms."""
        return max(self.ways, key=self.effect)

    def effect(self, way: str) -> float:
        """Share of hosts turned by suspected donors less that by ordinary ones.

        The mean of a majority less that of the rest is what the class looks like, and says nothing.
        """
        if way == "difference" and self.donors[0] > self.donors[1]:
            return 0.0
        return (self.ways[way].suspected - self.ways[way].ordinary) / max(1, self.n)

    def interval(self, way: str) -> tuple[float, float]:
        """95 % interval of the effect (Agresti and Caffo 2000; hosts are the same on both sides: it is wide)."""
        n, one = self.n + 2, self.ways[way]
        p, q = (one.suspected + 1) / n, (one.ordinary + 1) / n
        error = 1.96 * math.sqrt((p * (1 - p) + q * (1 - q)) / n)
        return max(-1.0, p - q - error), min(1.0, p - q + error)

    @property
    def verdict(self) -> str:
        """confirmed, not confirmed, or open: too few donors or hosts so far."""
        if self.n < min(self.wanted, 20) or not self.n:
            return "open"
        return "confirmed" if self.effect(self.best) >= ENOUGH and self.interval(self.best)[0] > 0 else "not confirmed"

    def text(self, called: str) -> str:
        """In words; ``called`` is the class."""
        if self.verdict == "open":
            few = f"{self.donors[0]} suspected and {self.donors[1]} ordinary samples, {self.n} of {self.wanted} others"
            return f"The trial of {called} is open: it has seen {few}."
        counts, (low, high) = self.ways[self.best], self.interval(self.best)
        share = f"{counts.suspected / self.n:.0%} of {self.n} other samples into {called}"
        control = f"{'taken away' if self.best == 'difference' else 'ordinary members'} {counts.ordinary / self.n:.0%}"
        lead = f"{self.effect(self.best):.0%} more, 95 % interval {low:.0%} to {high:.0%}"
        return f"{self.verdict.capitalize()}: {WAYS[self.best]}, it turns {share} ({control}; {lead})."

    def as_json(self) -> dict[str, Any]:
        """As it travels."""
        ways = {
            k: [w.suspected, w.ordinary, round(w.moved, 4), round(w.moved_ordinary, 4)] for k, w in self.ways.items()
        }
        told = {"class": self.target, "of": self.wanted, "n": self.n, "donors": list(self.donors), "ways": ways}
        return told if self.of is None else told | {"plane": self.of.as_json()}

    def report(self) -> dict[str, Any]:
        """For machines: the verdict, by which way, its effect with its 95 % interval, and the counts."""
        best, (low, high) = self.best, self.interval(self.best)
        told = {"verdict": self.verdict, "way": best, "effect": self.effect(best), "interval": [low, high]}
        return told | {key: value for key, value in self.as_json().items() if key != "plane"}


class Trial:
    """Sees samples one by one and makes an `Outcome` of them; keeps at most KEPT donors of a side, and no host.

    ``predict`` gives a sample's scores (classes,), the highest of which is its class.
    """

    def __init__(self, target: int, wanted: int, predict: Callable[[Sample], NDArray[Any]], seed: int = 0) -> None:
        self.outcome = Outcome(target, wanted)
        self._predict, self._random = predict, np.random.default_rng(seed)
        self._suspected: deque[Donor] = deque(maxlen=KEPT)
        self._ordinary: deque[Donor] = deque(maxlen=KEPT)
        self._sums: dict[bool, NDArray[np.float64]] = {}
        self._range = math.inf, -math.inf

    def donate(self, donor: Donor, suspected: bool) -> None:
        """A sample of the class."""
        (self._suspected if suspected else self._ordinary).append(donor)
        one, other = self.outcome.donors
        self.outcome.donors = (one + suspected, other + (not suspected))
        self._sums[suspected] = self._sums.get(suspected, 0.0) + donor.x.astype(np.float64)
        self._range = min(self._range[0], float(donor.x.min())), max(self._range[1], float(donor.x.max()))

    def ready(self) -> bool:
        """Whether there are donors enough, and hosts are still wanted."""
        return not self.outcome.done and min(len(self._suspected), len(self._ordinary)) >= FEWEST

    def host(self, x: Sample) -> None:
        """A sample of another class: predicted with each transplant, from a suspected and from an ordinary donor."""
        if not self.ready():
            return
        before = self._share(x)[1]
        donors = [side[int(self._random.integers(len(side)))] for side in (self._suspected, self._ordinary)]
        difference = self._sums[True] / self.outcome.donors[0] - self._sums[False] / self.outcome.donors[1]
        changed = {
            "places": [pasted(x, d.x, d.relevance) for d in donors],
            "cast": [recast(x, d.x) for d in donors],
            "difference": [shifted(x, way * difference, *self._range) for way in (1, -1)],
        }
        for name, both in changed.items():
            (flip, after), (flip_ordinary, after_ordinary) = map(self._share, both)
            way = self.outcome.ways[name]
            way.suspected += flip
            way.ordinary += flip_ordinary
            way.moved += after - before
            way.moved_ordinary += after_ordinary - before
        self.outcome.n += 1

    def _share(self, x: Sample) -> tuple[bool, float]:
        """Whether a sample is of the class, and the class's probability."""
        p, target = probabilities(self._predict(x)), self.outcome.target
        return int(np.argmax(p)) == target, float(p[target])


def probabilities(scores: NDArray[Any]) -> NDArray[np.float64]:
    """A model's scores (classes,) as probabilities; softmax where they are none yet.

    Probabilities of many classes in 8 bits are rounded to a sum far below 1, and stay what they are.
    """
    p = np.asarray(scores, np.float64).reshape(-1)
    if p.min() >= 0 and 0 < p.sum() < 1.1:
        return p
    powers = np.exp(p - p.max())
    return np.asarray(powers / powers.sum())


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """What the trials of several nodes say of one class, their hosts counted together."""
    first, *rest = outcomes
    found = replace(first, ways={name: replace(way) for name, way in first.ways.items()})
    for other in rest:
        found.wanted, found.n = found.wanted + other.wanted, found.n + other.n
        found.donors = found.donors[0] + other.donors[0], found.donors[1] + other.donors[1]
        for name, way in found.ways.items():
            for key in vars(way):
                setattr(way, key, getattr(way, key) + getattr(other.ways[name], key))
    return found


def outcome(said: Any) -> Outcome:
    """The outcome of what travelled; FrameError if it is none."""
    try:
        ways = {str(k): Way(int(v[0]), int(v[1]), float(v[2]), float(v[3])) for k, v in said["ways"].items()}
        donors = int(said["donors"][0]), int(said["donors"][1])
        tried = suspicion(said["plane"]) if "plane" in said else None  # what an older node tried is not known
        found = Outcome(int(said["class"]), int(said["of"]), int(said["n"]), donors, ways, tried)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ConfigError):
        raise FrameError("the outcome of a trial is none; update the node") from None
    counts = [c for w in ways.values() for c in (w.suspected, w.ordinary)]
    if set(ways) != set(WAYS) or not 0 <= found.n <= found.wanted <= MOST or not all(0 <= c <= found.n for c in counts):
        raise FrameError("the outcome of a trial counts what cannot be")
    return found
