"""Bias: two declared groups get the same class for different reasons."""

from dataclasses import replace

import numpy as np

from edgexai.fleet.analysis.difference import Rows, Views, difference, views
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.regions import names, shares
from edgexai.fleet.analysis.statistics import chance, interval

LEAST = 20
"""Frames of a class in a group below which nothing is said."""


def biases(evidence: Evidence) -> list[Finding]:
    """A candidate for every class and every group against the others (of two groups: once), whatever its p.

    p is that of `difference` (Lapuschkin et al. 2019; Gretton et al. 2012).
    """
    groups = [g for g in np.unique(evidence.group) if g]
    if len(groups) < 2:
        return []
    tests = groups[:1] if len(groups) == 2 else groups
    found, seen = [], views(evidence)
    for target in np.unique(evidence.target):
        own = (evidence.target == target) & (evidence.group != "")
        for group in tests:
            inside, outside = own & (evidence.group == group), own & (evidence.group != group)
            if min(inside.sum(), outside.sum()) >= LEAST:
                other = groups[1] if len(groups) == 2 else "the others"
                rest = f"group~{other}" if len(groups) == 2 else f"other~{group}"
                sides = tuple(f"{evidence.model}~{side}" for side in (f"group~{group}", rest))
                one = _candidate(evidence, seen, inside, outside, int(target), f"{group} and {other}")
                found.append(replace(one, sides=sides))
    return found


def _candidate(evidence: Evidence, seen: Views, inside: Rows, outside: Rows, target: int, who: str) -> Finding:
    differs = difference(seen, outside, inside)
    maps = [evidence.maps[rows][:500] for rows in (inside, outside)]
    mean = [np.mean([shares(m) for m in one], axis=0) for one in maps]
    region = names(evidence.maps.shape[1])[int(np.argmax(np.abs(mean[0] - mean[1])))]
    moved = float(np.max(np.abs(mean[0] - mean[1])))
    text = (
        f"Class {target}: groups {who} get it for different reasons ({chance(differs.p)}); what differs most moves by "
        f"{abs(differs.shift):.2f} standard deviations, relevance at the {region} by {moved:.0%} of all."
    )
    nodes = tuple(sorted(set(evidence.node[inside].tolist())))
    count, rest = int(inside.sum()), int(outside.sum())
    spread = interval(differs.shift, rest, count)
    return Finding("bias", evidence.model, target, nodes, count + rest, differs.p, differs.shift, text, spread, region)
