"""Bias: two declared groups get the same class for different reasons."""

from dataclasses import replace

import numpy as np

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.regions import names, shares
from edgexai.fleet.analysis.statistics import Array, greatest_shift, interval, mmd

LEAST = 20
"""Frames of a class in a group below which nothing is said."""


def biases(evidence: Evidence) -> list[Finding]:
    """A candidate for every class and every group against the others (of two groups: once), whatever its p.

    p is twice the smaller one of two tests: MMD on channels and maps (shape of the distributions), and Welch's t of
    the one column that moves most (Šidák over columns). Lapuschkin et al. 2019; Gretton et al. 2012.
    """
    groups = [g for g in np.unique(evidence.group) if g]
    tests = groups[:1] if len(groups) == 2 else groups
    found, x = [], features(evidence)
    for target in np.unique(evidence.target):
        own = (evidence.target == target) & (evidence.group != "")
        for group in tests:
            inside, outside = own & (evidence.group == group), own & (evidence.group != group)
            if len(groups) > 1 and min(inside.sum(), outside.sum()) >= LEAST:
                other = groups[1] if len(groups) == 2 else "the others"
                rest = f"group~{other}" if len(groups) == 2 else f"other~{group}"
                sides = tuple(f"{evidence.model}~{side}" for side in (f"group~{group}", rest))
                one = _candidate(evidence, x, inside, outside, int(target), f"{group} and {other}")
                found.append(replace(one, sides=sides))
    return found


def features(evidence: Evidence) -> Array:
    """(N, …) what two samples are compared by: channels, pooled maps and the score, each part of the same weight."""
    parts = [evidence.channels(), evidence.score[:, None]]
    if evidence.concepts.shape[1]:
        parts.append(evidence.pooled())
    return np.concatenate([unit(part) for part in parts], 1)


def unit(part: Array) -> Array:
    """Columns about their means, the whole of unit variance."""
    centred = part - part.mean(0)
    found: Array = centred / max(float(np.sqrt((centred**2).sum(1).mean())), 1e-12)
    return found


def _candidate(evidence: Evidence, x: Array, inside: Array, outside: Array, target: int, who: str) -> Finding:
    a, b = x[outside.astype(bool)], x[inside.astype(bool)]
    _, p_shape = mmd(a, b)
    _, shift, p_shift = greatest_shift(a, b)
    p = min(1.0, 2 * min(p_shape, p_shift))
    maps = [evidence.maps[rows.astype(bool)][:500] for rows in (inside, outside)]
    mean = [np.mean([shares(m) for m in one], axis=0) for one in maps]
    region = names(evidence.maps.shape[1])[int(np.argmax(np.abs(mean[0] - mean[1])))]
    moved = float(np.max(np.abs(mean[0] - mean[1])))
    text = (
        f"Class {target}: groups {who} get it for different reasons (p = {p:.1g}); what differs most moves by "
        f"{abs(shift):.2f} standard deviations, relevance at the {region} by {moved:.0%} of all."
    )
    nodes = tuple(sorted(set(evidence.node[inside.astype(bool)].tolist())))
    return Finding(
        "bias", evidence.model, target, nodes, len(a) + len(b), p, shift, text, interval(shift, len(a), len(b)), region
    )
