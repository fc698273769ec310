"""Everything together: all analyses of a model's frames, under one false-discovery rate, the most urgent first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Protocol

from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.compare import LEAST, compared
from edgexai.fleet.analysis.drift import changes, drifts
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.figures import unconserved
from edgexai.fleet.analysis.finding import Finding, urgency
from edgexai.fleet.analysis.health import health
from edgexai.fleet.analysis.same import Planes, recognised
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.analysis.statistics import false_discovery
from edgexai.fleet.analysis.whose import whose

RATE = 0.1
"""Of all findings that are reported at once, at most so many are expected to be false."""
FIRST = 0.5
"""Part of that which shortcuts may use up, if there are other kinds; these share the rest."""

SUSPECT = 0.05
"""p of a shortcut from which it is worth a trial by a node, though it may not be sure enough to be reported."""

TRIED = 0.5
"""p of a shortcut up to which it is tried where samples are at hand: a trial tells better than p does, and what was
missed at 0.2 had not been tried."""

COMPARED = 12
"""Models that are compared with each other, so that many versions do not take all the time."""


class Try(Protocol):
    """What suspicions are tried with: the finding with what came of it; ``planes`` were tried before, or are now."""

    @property
    def planes(self) -> Planes:
        """By model and class."""

    def __call__(self, finding: Finding) -> Finding:
        """The same where nothing is known."""


@dataclass(frozen=True)
class Nothing:
    """No trials."""

    planes: Planes = field(default_factory=dict)

    def __call__(self, finding: Finding) -> Finding:
        """Open."""
        return finding


UNTRIED = Nothing()


def analysed(
    models: Sequence[Evidence],
    baseline: Sequence[Evidence] = (),
    rate: float = RATE,
    tried: Try = UNTRIED,
    suspicions: bool = False,
    more: Sequence[Finding] = (),
) -> list[Finding]:
    """The findings of several models' frames; ``baseline`` has earlier frames of some of them,
    ``more`` are tests of what is in no frame.

    Every class, group, node and pair that has enough frames is one test, whatever comes of it. What remains after
    Benjamini and Yekutieli 2001 is returned, each kind at its part of ``rate``: the parts add up to a rate for all
    (a sum of shares is not below the share of sums), and many nodes take nothing from few classes.
    The most separated part of every class is ``tried``, where there is something to try it with: what a trial confirms
    is returned too, with ``suspicions`` all of p ≤ SUSPECT.
    """
    earlier = {e.model: e for e in baseline}
    found = [*more, *(finding for one in models for finding in tested(one, earlier.get(one.model), tried.planes))]
    by_name = {one.model: one for one in models}
    for first, second in pairs({one.model: len(one) for one in models}):
        found += compared(by_name[first], by_name[second])
    return judged(found, rate, tried, suspicions)


def pairs(frames: Mapping[str, int]) -> list[tuple[str, str]]:
    """Which models are compared, of their numbers of frames: each with each, of the COMPARED with the most."""
    enough = [model for model, count in frames.items() if count >= LEAST]
    chosen = set(sorted(enough, key=lambda model: -frames[model])[:COMPARED])
    return list(combinations([model for model in frames if model in chosen], 2))


def tested(one: Evidence, earlier: Evidence | None, planes: Planes) -> list[Finding]:
    """All tests of one model's frames; against those of a baseline, if there is one. ``planes`` were tried."""
    over_time = changes(one) if earlier is None else drifts(earlier, one)
    suspected = [recognised(finding, one, planes) for finding in shortcuts(one)]
    return [*suspected, *biases(one), *health(one), *unconserved(one), *over_time]


def judged(found: Sequence[Finding], rate: float, tried: Try, suspicions: bool) -> list[Finding]:
    """What remains of all tests, the most urgent first."""
    known: list[Finding] = []
    kinds = dict.fromkeys(f.kind for f in found)
    for kind in kinds:
        same = [f for f in found if f.kind == kind]
        part = 1.0 if len(kinds) == 1 else FIRST if kind == "shortcut" else (1 - FIRST) / (len(kinds) - 1)
        rates = false_discovery([f.p for f in same]) / part
        known += [f.judged(min(1.0, float(q))) for f, q in zip(same, rates, strict=True)]
    known = [tried(whose(f)) if f.kind == "shortcut" else f for f in known]
    weak = [f for f in known if f.kind == "shortcut" and f.q > rate]
    shown = [f for f in known if f.q <= rate] + [f for f in weak if f.verdict == "confirmed"]
    if suspicions:
        shown += [f for f in weak if f.verdict != "confirmed" and f.p <= SUSPECT]
    return sorted(shown, key=urgency)
