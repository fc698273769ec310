"""Drift: frames of now against a baseline, and when a class changed; what of it is relevance and what the class mix."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from edgexai.fleet.analysis.bias import features
from edgexai.fleet.analysis.evidence import Evidence, joined
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.statistics import Array, greatest_shift, interval, mmd, tail

LEAST = 20
SPLITS = 19
"""Places where a change is looked for, evenly over the frames of a class."""


def drifts(baseline: Evidence, now: Evidence) -> list[Finding]:
    """Candidates: for every class the reasons (channels, maps, score), and for all the mix of classes.

    A difference is not yet a shortcut: a camera that moved by a pixel differs too. Relevance that stays while the
    mix changes says that other things come, not that they are seen otherwise.
    """
    both = joined(baseline, now)
    x, cut = features(both), len(baseline)
    old, new = x[:cut], x[cut:]
    found = []
    for target in np.unique(both.target):
        a, b = old[baseline.target == target], new[now.target == target]
        if min(len(a), len(b)) >= LEAST:
            _, p_shape = mmd(a, b)
            _, shift, p_shift = greatest_shift(a, b)
            p = min(1.0, 2 * min(p_shape, p_shift))
            text = (
                f"Class {target}: its {len(b)} frames of now have other reasons than the {len(a)} of the baseline "
                f"(p = {p:.1g}; what moved most, by {abs(shift):.2f} standard deviations)."
            )
            nodes = tuple(sorted(set(now.node[now.target == target].tolist())))
            found.append(
                Finding(
                    "drift",
                    now.model,
                    int(target),
                    nodes,
                    len(b),
                    p,
                    shift,
                    text,
                    interval(shift, len(a), len(b)),
                    "reasons",
                )
            )
    return [*found, *_mix(baseline, now)]


@dataclass(frozen=True)
class ChangePoint:
    """``at`` is the first frame after the change and ``time`` its; ``effect`` in standard deviations."""

    at: int
    time: float
    p: float
    effect: float


def changes(evidence: Evidence, permutations: int = 200) -> list[Finding]:
    """Without a baseline: a candidate for every class with enough frames, its most probable moment of a change."""
    found, random = [], np.random.default_rng(0)
    for target in np.unique(evidence.target):
        own = evidence.where(np.flatnonzero(evidence.target == target))
        own = own.where(np.argsort(own.time, kind="stable"))
        change = change_point(own, permutations, random)
        if change is None:
            continue
        at = change.at
        when = datetime.fromtimestamp(change.time, UTC)
        text = (
            f"Class {target}: its reasons changed about frame {at} of {len(own)} ({when:%Y-%m-%d %H:%M} UTC), by "
            f"{change.effect:.2f} standard deviations (p = {change.p:.1g})."
        )
        nodes = tuple(sorted(set(own.node[at:].tolist())))
        spread, after = interval(change.effect, at, len(own) - at), len(own) - at
        found.append(
            Finding(
                "drift", own.model, int(target), nodes, after, change.p, change.effect, text, spread, "change point"
            )
        )
    return found


def change_point(
    own: Evidence, permutations: int = 200, random: np.random.Generator | None = None
) -> ChangePoint | None:
    """The most probable moment of a change in frames of one class, in order of time; None if they are too few.

    The greatest Welch t of leading components over 19 places (Hawkins 1977's likelihood ratio, on a grid); p by
    permutations of time.
    """
    random = random or np.random.default_rng(0)
    if len(own) < 4 * LEAST or len(np.unique(own.time)) < 10:
        return None
    x = features(own)
    left, sizes, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
    parts = (left * sizes)[:, :8]
    parts = parts / np.maximum(parts.std(0), 1e-12)
    value, at = _change(parts)
    null = np.array([_change(parts[random.permutation(len(parts))])[0] for _ in range(permutations)])
    effect = float(np.abs(parts[:at].mean(0) - parts[at:].mean(0)).max())
    return ChangePoint(at, float(own.time[at]), tail(value, null), effect)


def _change(parts: Array) -> tuple[float, int]:
    n = len(parts)
    places = np.unique(np.linspace(LEAST, n - LEAST, SPLITS).astype(int))
    sums = np.cumsum(parts, 0)
    before = sums[places - 1] / places[:, None]
    after = (sums[-1] - sums[places - 1]) / (n - places)[:, None]
    weight = places * (n - places) / n
    statistic = weight * ((before - after) ** 2).sum(1)
    best = int(np.argmax(statistic))
    return float(statistic[best]), int(places[best])


def _mix(baseline: Evidence, now: Evidence) -> list[Finding]:
    from scipy.stats import chi2_contingency

    classes = np.union1d(baseline.target, now.target)
    table = np.array([[(e.target == k).sum() for k in classes] for e in (baseline, now)])
    table = table[:, table.sum(0) >= 10]
    if table.shape[1] < 2 or min(table.sum(1)) < LEAST:
        return []
    p = float(chi2_contingency(table).pvalue)
    shares = table / table.sum(1, keepdims=True)
    effect = float(np.sqrt((((shares[1] - shares[0]) ** 2) / np.maximum(shares.mean(0), 1e-9)).sum()))  # Cohen's w
    text = f"The mix of classes differs from the baseline's (p = {p:.1g}, w = {effect:.2f}): other things come."
    nodes = tuple(sorted(set(now.node.tolist())))
    return [Finding("drift", now.model, None, nodes, len(now), p, effect, text, where="class mix")]
