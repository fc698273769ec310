"""Drift: frames of now against a baseline, and when a class changed; what of it is relevance and what the class mix."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from edgexai.fleet.analysis.difference import cells, centred, difference, everything, views
from edgexai.fleet.analysis.evidence import Evidence, joined
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.statistics import Array, chance, combined, interval, tail

LEAST, FEW = 20, 8
"""Frames of a class in the baseline, and of now, below which nothing is said."""
NEWEST = (1, 2, 4)
"""All frames of now are compared, and the newest half and quarter: what has just begun drowns among those before."""
SPLITS = 19
"""Places where a change is looked for, evenly over the frames of a class."""


def drifts(baseline: Evidence, now: Evidence) -> list[Finding]:
    """Candidates: for every class the reasons (`difference`), and for all the mix of classes.

    A difference is not yet a shortcut: a camera that moved by a pixel differs too. Relevance that stays while the
    mix changes says that other things come, not that they are seen otherwise.
    """
    both = joined(baseline, now)
    seen, found = views(both), []
    for target in np.unique(now.target):
        old = np.flatnonzero(baseline.target == target)
        new = np.flatnonzero(now.target == target)
        new = len(baseline) + new[np.argsort(now.time[new], kind="stable")]
        if len(old) < LEAST or len(new) < FEW:
            continue
        newest = [new[-max(FEW, len(new) // part) :] for part in NEWEST if part == 1 or len(new) >= FEW * part // 2]
        told = [difference(seen, old, rows) for rows in newest]
        p, best = combined([one.p for one in told]), int(np.argmin([one.p for one in told]))
        shift, count = told[best].shift, len(newest[best])
        text = (
            f"Class {target}: its {count}{' newest' * (best > 0)} frames of now have other reasons than the {len(old)} "
            f"of the baseline ({chance(p)}; what moved most, by {abs(shift):.2f} standard deviations)."
        )
        nodes = tuple(sorted(set(both.node[newest[best]].tolist())))
        spread = interval(shift, len(old), count)
        found.append(Finding("drift", now.model, int(target), nodes, count, p, shift, text, spread, "reasons"))
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
        text = (
            f"Class {target}: its reasons changed about frame {at} of {len(own)} ({_said(change.time)}), by "
            f"{change.effect:.2f} standard deviations ({chance(change.p)})."
        )
        nodes = tuple(sorted(set(own.node[at:].tolist())))
        spread, after = interval(change.effect, at, len(own) - at), len(own) - at
        found.append(
            Finding(
                "drift", own.model, int(target), nodes, after, change.p, change.effect, text, spread, "change point"
            )
        )
    return found


def _said(seconds: float) -> str:
    """A moment in words; stores of before may hold some that no calendar knows."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return f"{seconds:.3g} s by the node's clock"


def change_point(
    own: Evidence, permutations: int = 200, random: np.random.Generator | None = None
) -> ChangePoint | None:
    """The most probable moment of a change in frames of one class, in order of time; None if they are too few.

    The greatest Welch t of leading components over 19 places (Hawkins 1977's likelihood ratio, on a grid); p by
    permutations of time.
    """
    random = random or np.random.default_rng(0)
    if len(own) < 2 * LEAST or len(np.unique(own.time)) < 10:
        return None
    parts = np.column_stack([_main(everything(own), 8), _main(cells(own.maps), 4), _main(own.score[:, None], 1)])
    value, at = _change(parts)
    null = np.array([_change(parts[random.permutation(len(parts))])[0] for _ in range(permutations)])
    effect = float(np.abs(parts[:at].mean(0) - parts[at:].mean(0)).max())
    return ChangePoint(at, float(own.time[at]), tail(value, null), effect)


def _main(x: Array, count: int) -> Array:
    """(N, count) principal components of unit variance; zeros where there are fewer."""
    left, size, _ = np.linalg.svd(centred(x), full_matrices=False)
    found: Array = left[:, :count] * math.sqrt(len(x)) * (size > 1e-9 * max(float(size.max()), 1e-9))[:count]
    return found


def _change(parts: Array) -> tuple[float, int]:
    n = len(parts)
    places = np.unique(np.linspace(FEW, n - FEW, SPLITS).astype(int))
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
    text = f"The mix of classes differs from the baseline's ({chance(p)}, w = {effect:.2f}): other things come."
    nodes = tuple(sorted(set(now.node.tolist())))
    return [Finding("drift", now.model, None, nodes, len(now), p, effect, text, where="class mix")]
