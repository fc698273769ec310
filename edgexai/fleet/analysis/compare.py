"""Compare: two models (versions, float and int8, two trainings) by the frames of each."""

from dataclasses import replace

import numpy as np

from edgexai.fleet.analysis.difference import difference, views
from edgexai.fleet.analysis.evidence import Evidence, joined
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.statistics import chance, interval

LEAST = 20


def compared(first: Evidence, second: Evidence) -> list[Finding]:
    """For every class: whether the second model gives it for other reasons than the first, on the fleet's stream.

    Channels of two models are not the same things, so that maps alone are compared.
    """
    if first.maps.shape[1:] != second.maps.shape[1:]:
        return []
    a, b = (replace(e, concepts=np.zeros((len(e), 0), np.float32)) for e in (first, second))
    both = joined(a, b)
    seen, found, new = views(both), [], np.arange(len(both)) >= len(a)
    for target in np.intersect1d(a.target, b.target):
        own = both.target == target
        one, other = own & ~new, own & new
        if min(one.sum(), other.sum()) < LEAST:
            continue
        differs = difference(seen, one, other)
        p, shift = differs.p, differs.shift
        text = (
            f"Class {target}: model {second.model} gives it for other reasons than {first.model} ({chance(p)}; what "
            f"differs most, by {abs(shift):.2f} standard deviations)."
        )
        nodes = tuple(sorted(set(b.node[b.target == target].tolist())))
        spread, count = interval(shift, int(one.sum()), int(other.sum())), int(other.sum())
        sides = (first.model, second.model)
        found.append(Finding("compare", second.model, int(target), nodes, count, p, shift, text, spread, sides=sides))
    return found
