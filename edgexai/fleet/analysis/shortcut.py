"""Shortcuts (Clever Hans): a part of a predicted class that is recognised by other channels, and more surely.

Lapuschkin et al. 2019 (*Unmasking Clever Hans predictors*) cluster the maps of a class; the map shows a finding, but
what the network saw and how sure it was detect it. So each class is clustered on its concepts and its logit:

1. Concepts are whitened by how they vary within the *other* classes: what varies everywhere says nothing, what varies
   in one class alone does (a discriminant analysis whose classes are the predicted ones). Five components are kept.
2. k-means, k = 2, 3, 4, 6, on components and logit. Every cluster of at least max(3, 2 %) frames is a suspect, and so
   is everything outside of it: carriers may be the majority.
3. A suspect's separation is its d' along a discriminant of the components, computed on frames that the discriminant has
   not seen (five folds), what is beyond 5 thrice, plus three times its shift of the logit in standard deviations of the
   other classes', plus four times its d' on the logit alone (a natural class thins out towards its surest, an artefact
   leaves a gap), plus three times how much closer it lies together than the rest (half the logarithm of the ratio of
   variances), in concepts and in maps: an artefact is the same each time.
4. What is usual depends on the network: half of how far the middle one of its other classes leaves the usual is
   taken off.

How large that becomes in classes without an artefact is known from networks that were trained clean
(`benchmarks/findings`): its Gumbel distribution gives the p-value.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding, Member
from edgexai.fleet.analysis.regions import areas, names, shares
from edgexai.fleet.analysis.statistics import interval
from edgexai.intervention.suspicion import Suspicion

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST = 40
"""Frames of a class below which nothing is said."""
COMPONENTS, CLUSTERS, FOLDS, FEWEST = 5, (2, 3, 4, 6), 5, 3
LOGIT_WEIGHT, MOST_SHIFT, MOST_SEPARATION = 0.8, 10.0, 12.0
SHIFT_WEIGHT, APART_WEIGHT, TOGETHER_WEIGHT, MOST_TOGETHER, NATURAL = 3.0, 4.0, 3.0, 1.5, 5.0
SHRINK_WITHIN, SHRINK = 0.2, 0.3
NULL = (18.0, 2.62)
"""Location and scale of a Gumbel distribution that has the upper tail of `Suspect.separation` in 910 clean classes."""
USUAL, ENOUGH_CLASSES = 19.1, 4
"""Median of `Suspect.separation` in clean classes, and how many other classes say what is usual in a network."""


@dataclass(frozen=True)
class Suspect:
    """The part of a class that stands out most: who is in it, its separation, its shift of the logit, and of every
    frame how much speaks for being in it (0 to 1). The same is said by a ``plane`` in channels and logit: weights
    (D,), the logit's weight, and a constant."""

    mask: Mask
    separation: float
    shift: float
    likeness: Array
    plane: tuple[Array, float, float]

    def p(self, others: Sequence[float]) -> float:
        """How often a clean class has as much, in a network whose ``others`` have such separations."""
        location, scale = NULL
        if len(others) >= ENOUGH_CLASSES:
            location += 0.5 * (float(np.median(others)) - USUAL)
        return float(-np.expm1(-math.exp(min(-(self.separation - location) / scale, 700.0))))


def shortcuts(evidence: Evidence) -> list[Finding]:
    """One candidate for every class with enough frames, whatever its p; who reads them corrects for their number."""
    channels, maps, suspects = evidence.channels(), evidence.pooled(), dict[int, Suspect]()
    for target in map(int, np.unique(evidence.target)):
        if (evidence.target == target).sum() >= LEAST:
            suspect = suspected(channels, maps, evidence.score, evidence.target, target)
            suspects |= {target: suspect} if suspect else {}
    found = []
    for target, suspect in suspects.items():
        others = [other.separation for k, other in suspects.items() if k != target]
        found.append(_finding(evidence.where(evidence.target == target), target, suspect, suspect.p(others)))
    return found


def suspected(channels: Array, maps: Array, score: Array, classes: NDArray[np.int64], target: int) -> Suspect | None:
    """The most separated part of a class; None if it has none that is large enough.

    ``channels`` (N, D), pooled ``maps`` (N, P) and ``score`` (N,) of all classes, since what is usual is learned from
    the others.
    """
    own = classes == target
    white_maps = maps[own] @ _whitening(maps, classes, target)
    mean, white = channels[own].mean(0), _whitening(channels, classes, target)
    middle, spread = float(np.median(score[own])), _usual_spread(score, classes, target)
    logit = (score[own] - middle) / spread
    white_x = (channels[own] - mean) @ white
    axes = white @ np.linalg.svd(white_x, full_matrices=False)[2][:COMPONENTS].T
    parts = (channels[own] - mean) @ axes
    size = max(math.sqrt(float((parts**2).sum(1).mean())), 1e-12)
    parts, weight = parts / size, LOGIT_WEIGHT / max(float(logit.std()), 1e-9)
    both = np.column_stack([parts, weight * logit])
    best: tuple[float, float, Mask] | None = None
    for mask in _clusters(both):
        shift = float(logit[mask].mean()) - float(logit[~mask].mean())
        separation = min(_separation(_projected(parts, mask), mask), MOST_SEPARATION)
        separation += 2 * max(0.0, separation - NATURAL)
        separation += SHIFT_WEIGHT * min(abs(shift), MOST_SHIFT)
        surer = mask if shift > 0 else ~mask
        separation += APART_WEIGHT * min(_separation(logit, surer), MOST_SEPARATION)
        separation += TOGETHER_WEIGHT * (_together(white_x, surer) + _together(white_maps, surer))
        if best is None or separation > best[0]:
            best = separation, shift, mask
    if best is None:
        return None
    separation, shift, mask = best
    if shift < 0:  # the artefact makes the network surer, whichever side is the larger one
        shift, mask = -shift, ~mask
    direction, between = _discriminant(both, mask)
    far = (both - between) @ direction
    weights, logit_weight = axes @ direction[:-1] / size, float(direction[-1]) * weight / spread
    constant = -float(mean @ weights + middle * logit_weight + between @ direction)
    likeness = 1 / (1 + np.exp(-np.clip(far, -30, 30)))
    return Suspect(mask, separation, shift, likeness, (weights, logit_weight, constant))


def _whitening(channels: Array, classes: NDArray[np.int64], target: int) -> Array:
    """(D, D) what makes channels vary alike within the other classes; as they are if there are no others."""
    width = channels.shape[1]
    scatter, count = np.zeros((width, width)), 0
    for other in np.unique(classes):
        rows = channels[classes == other]
        if other != target and len(rows) >= 20:
            about = rows - rows.mean(0)
            scatter, count = scatter + about.T @ about, count + len(rows)
    if count == 0:
        return np.eye(width)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(_shrunk(scatter / count, SHRINK_WITHIN))))


def _usual_spread(score: Array, classes: NDArray[np.int64], target: int) -> float:
    others = [score[classes == k] for k in np.unique(classes) if k != target]
    spreads = [float(s.std()) for s in others if len(s) >= 20]
    own = score[classes == target]
    robust = 1.4826 * float(np.median(np.abs(own - np.median(own))))
    return max(float(np.median(spreads)) if spreads else robust, 1e-9)


def _clusters(x: Array) -> list[Mask]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    least, found = max(FEWEST, math.ceil(0.02 * len(x))), []
    with warnings.catch_warnings(), threadpool_limits(1):  # so few frames make threads wait for each other
        warnings.simplefilter("ignore", ConvergenceWarning)  # frames that are all alike
        for k in CLUSTERS:
            label = KMeans(k, n_init=2, random_state=0).fit_predict(x)
            masks = [label == j for j in range(k)]
            found += [m for m in masks if least <= m.sum() <= len(x) - least]
    return found


def _projected(x: Array, mask: Mask) -> Array:
    """Each frame along the discriminant of the other folds, in its standard deviations."""
    fold, out = np.zeros(len(x), np.int64), np.zeros(len(x))
    for side in (mask, ~mask):
        fold[side] = np.arange(side.sum()) % FOLDS
    for k in range(FOLDS):
        seen = fold != k
        direction, middle = _discriminant(x[seen], mask[seen])
        out[~seen] = (x[~seen] - middle) @ direction
    return out


def _discriminant(x: Array, mask: Mask) -> tuple[Array, Array]:
    inside, outside = x[mask], x[~mask]
    one, other = inside.mean(0), outside.mean(0)
    a, b = inside - one, outside - other
    within = _shrunk((a.T @ a + b.T @ b) / max(1, len(x) - 2), SHRINK)
    direction = np.linalg.solve(within, one - other)
    length = math.sqrt(max(float(direction @ within @ direction), 1e-24))
    return direction / length, (one + other) / 2


def _separation(projected: Array, mask: Mask) -> float:
    inside, outside = projected[mask], projected[~mask]
    spread = (inside.var() * len(inside) + outside.var() * len(outside)) / max(1, len(projected) - 2)
    return float((inside.mean() - outside.mean()) / max(math.sqrt(float(spread)), 1e-12))


def _together(x: Array, mask: Mask) -> float:
    """How much closer those of the mask lie together than the others."""
    inside, outside = (max(float(x[side].var(0).sum()), 1e-9) for side in (mask, ~mask))
    return min(max(0.5 * math.log(outside / inside), -1.0), MOST_TOGETHER)


def _shrunk(covariance: Array, share: float) -> Array:
    mean = max(float(np.trace(covariance)) / len(covariance), 1e-12)
    found: Array = (1 - share) * covariance + share * mean * np.eye(len(covariance))
    return found


def _finding(own: Evidence, target: int, suspect: Suspect, p: float) -> Finding:
    count, rest = int(suspect.mask.sum()), int((~suspect.mask).sum())
    where = _where(own.maps[suspect.mask], own.maps[~suspect.mask])
    nodes = tuple(sorted(set(own.node[suspect.mask].tolist())))
    text = (
        f"Class {target}: {count} of its {len(own)} frames are recognised by other channels than the rest, with a "
        f"score {suspect.shift:.1f} standard deviations higher{f', and look more at the {where}' if where else ''}. "
        f"Of clean classes, {'fewer than 0.01' if p < 0.0001 else f'{100 * p:.3g}'} % show as much."
    )
    members = tuple(
        Member(int(i), str(n), int(s), round(float(v), 4))
        for i, n, s, v in zip(own.id, own.node, own.sequence, suspect.likeness, strict=True)
    )
    return Finding(
        "shortcut",
        own.model,
        target,
        nodes,
        count,
        p,
        suspect.shift,
        text,
        interval(suspect.shift, count, rest),
        where,
        members=members,
        probe=Suspicion(target, *suspect.plane, "concepts" if own.concepts.shape[1] else "maps"),
    )


def _where(inside: NDArray[np.float32], outside: NDArray[np.float32]) -> str:
    """The region whose share of positive relevance grows most against its area, if that is a tenth; else nothing."""
    mean = [np.mean([shares(one) for one in maps[:500]], axis=0) for maps in (inside, outside)]
    gain = mean[0] - mean[1]
    dense = gain / np.maximum(areas(inside.shape[1:]), 1e-9)
    best = int(np.argmax(np.where(gain > 0.1, dense, -np.inf)))
    return names(inside.shape[1])[best] if gain[best] > 0.1 else ""
