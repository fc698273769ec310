"""Health by figures: nodes whose latency or conservation leaves that of their peers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.statistics import Array, chance, interval

LEAST_NODES, LEAST_COUNT = 10, 30
"""Nodes of a kind, and explanations of a node, below which nobody is judged."""
USUAL_LATENCY, USUAL_CONSERVATION = 0.09, 0.02
"""Standard deviations that healthy nodes have at least: of the logarithm of latency (a bucket of the histogram is so
wide), and of conservation (small frames keep it to 1/64)."""
MOST_FREEDOM = 12.0
"""Degrees of freedom at most: healthy nodes have longer tails than a normal distribution, however many there are."""
MANY = 300
"""Nodes from which on one of them moves nothing, so that it need not be left out of its peers."""
_MEDIAN = 1.2533
"""Standard error of a normal distribution's median over that of its mean."""


@dataclass(frozen=True)
class Latencies:
    """Of N nodes of a model on a device: ``p50`` and ``p95`` of an explanation in ms, and of how many (``count``)."""

    model: str
    device: str
    node: Sequence[str]
    count: Array
    p50: Array
    p95: Array


def slow(said: Latencies) -> list[Finding]:
    """A candidate for every node with enough explanations, if there are enough such nodes: its latency against that of
    the others. Nodes of one device alone are peers, so that a slower board accuses nobody."""
    rows = np.flatnonzero((said.count >= LEAST_COUNT) & (said.p50 > 0))
    if len(rows) < LEAST_NODES:
        return []
    p50, p95 = said.p50[rows], np.maximum(said.p95[rows], said.p50[rows])
    error = _MEDIAN * np.log(p95 / p50) / 1.645 / np.sqrt(said.count[rows])
    left = leaving(np.log(p50), error, USUAL_LATENCY)
    names = [said.node[int(row)] for row in rows]
    texts = [
        f"Node {name}: an explanation takes {own:.3g} ms, {own / peers:.2g} times the {peers:.3g} ms of its "
        f"{len(rows) - 1} peers ({said.device}; {chance(p)})."
        for name, own, peers, p in zip(names, p50, np.exp(left.centre), left.p, strict=True)
    ]
    return _findings("latency", said.model, names, said.count[rows], left, texts)


def unconserved(evidence: Evidence) -> list[Finding]:
    """The same of conservation, the share of the score that a map holds: each frame less the median of its class."""
    sent = np.isfinite(evidence.conservation)
    own = evidence.conservation[sent].copy()
    for target in np.unique(evidence.target[sent]):
        of = evidence.target[sent] == target
        own[of] -= np.median(own[of])
    names, counts = np.unique(evidence.node[sent], return_counts=True)
    names, counts = names[counts >= LEAST_COUNT], counts[counts >= LEAST_COUNT]
    if len(names) < LEAST_NODES:
        return []
    some = [own[evidence.node[sent] == name] for name in names]
    middle = np.array([np.median(one) for one in some])
    error = np.array([_MEDIAN * _usual(one)[1] / np.sqrt(len(one)) for one in some])
    left = leaving(middle, error, USUAL_CONSERVATION)
    texts = [
        f"Node {name}: its maps hold {abs(away):.0%} of the score {'more' if away > 0 else 'less'} than those of its "
        f"{len(names) - 1} peers for the same classes (conservation; {chance(p)})."
        for name, away, p in zip(names, middle - left.centre, left.p, strict=True)
    ]
    return _findings("conservation", evidence.model, names.tolist(), counts.astype(np.float64), left, texts)


@dataclass(frozen=True)
class Left:
    """Of N nodes ``p`` that each comes from where its peers do, by how many standard deviations it does not
    (``shift``), and the ``centre`` of its peers."""

    p: Array
    shift: Array
    centre: Array


def leaving(value: Array, error: Array, usual: float) -> Left:
    """Of N nodes' values which leave the others'; ``error`` is the standard error of each.

    Centre is the others' median. Their spread is the greatest of ``usual``, their median absolute deviation and, since
    healthy nodes have long tails, what nine of ten deviate by (each as of a normal distribution): up to a tenth of the
    nodes may be ill and move none of these much. p is that of Student's t.
    """
    from scipy.stats import t

    nodes = len(value)
    whole = _usual(value)
    found = [whole if nodes > MANY else _usual(np.delete(value, i)) for i in range(nodes)]
    centre, spread = np.array(found).T
    shift = (value - centre) / np.sqrt((np.maximum(spread, usual) ** 2 + error**2) * (1 + np.pi / 2 / (nodes - 1)))
    p = np.maximum(2 * t.sf(np.abs(shift), min((nodes - 1) / 2, MOST_FREEDOM)), 1e-15)
    return Left(p, shift, centre)


def _usual(x: Array) -> tuple[float, float]:
    centre = float(np.median(x))
    half, most = np.quantile(np.abs(x - centre), (0.5, 0.9))
    return centre, max(1.4826 * float(half), float(most) / 1.645)


def _findings(
    figure: str, model: str, names: Sequence[str], counts: Array, left: Left, texts: Sequence[str]
) -> list[Finding]:
    return [
        Finding(
            "health",
            model,
            None,
            (name,),
            int(count),
            float(p),
            float(shift),
            text,
            interval(float(shift), len(names) - 1, 1),
            figure,
            figure=figure,
        )
        for name, count, p, shift, text in zip(names, counts, left.p, left.shift, texts, strict=True)
    ]
