"""Everything together: all analyses of a model's frames, one false-discovery rate a kind, the most urgent first."""

from collections.abc import Callable, Sequence

from edgexai.fleet.analysis.bias import biases
from edgexai.fleet.analysis.compare import compared
from edgexai.fleet.analysis.drift import changes, drifts
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding, urgency
from edgexai.fleet.analysis.health import health
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.analysis.statistics import false_discovery

RATE = 0.1
"""Of the findings of a kind that are reported at once, at most so many are expected to be false."""


SUSPECT = 0.05
"""p of a shortcut from which it is worth a trial by a node, though it may not be sure enough to be reported."""

Try = Callable[[Finding], Finding]


def analysed(
    models: Sequence[Evidence],
    baseline: Sequence[Evidence] = (),
    rate: float = RATE,
    tried: Try = lambda finding: finding,
    suspicions: bool = False,
) -> list[Finding]:
    """The findings of several models' frames; ``baseline`` has earlier frames of some of them.

    Every class, group, node and pair that has enough frames is one test, whatever comes of it; of each kind what
    remains after Benjamini and Yekutieli 2001 at ``rate`` is returned: many nodes take nothing from few classes.
    The most separated part of every class is ``tried``, where there is something to try it with: what a trial confirms
    is returned too, with ``suspicions`` all of p ≤ SUSPECT.
    """
    tested: list[Finding] = []
    earlier = {e.model: e for e in baseline}
    for one in models:
        tested += shortcuts(one) + biases(one) + health(one)
        tested += drifts(earlier[one.model], one) if one.model in earlier else changes(one)
    for i, first in enumerate(models):
        for second in models[i + 1 :]:
            tested += compared(first, second)
    judged: list[Finding] = []
    for kind in dict.fromkeys(f.kind for f in tested):
        same = [f for f in tested if f.kind == kind]
        rates = false_discovery([f.p for f in same])
        judged += [f.judged(float(q)) for f, q in zip(same, rates, strict=True)]
    judged = [tried(f) if f.kind == "shortcut" else f for f in judged]
    weak = [f for f in judged if f.kind == "shortcut" and f.q > rate]
    shown = [f for f in judged if f.q <= rate] + [f for f in weak if f.verdict == "confirmed"]
    if suspicions:
        shown += [f for f in weak if f.verdict != "confirmed" and f.p <= SUSPECT]
    return sorted(shown, key=urgency)
