"""Whether two suspicions are one: their planes divide the frames of a class alike.

A plane's numbers move with every look, also where what it finds does not: in digits with a planted artefact the weights
of two looks at it have a cosine of 0.0 to 0.9, while their sides agree in 60 to 100 %. With another cause they agree in
0 to 53 % (docs/findings.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding
from edgexai.intervention.suspicion import Suspicion

ALIKE = 0.55
"""Of the frames that either plane has on a side, so many are on that side of both: the least of the two sides."""

About = tuple[str, int]
"""Model and class."""
Planes = Mapping[About, Sequence[Suspicion]]
Mask = NDArray[np.bool_]


def recognised(finding: Finding, evidence: Evidence, planes: Planes) -> Finding:
    """A shortcut that knows by `like` which of those planes are its own, by the frames in which it was found."""
    known = planes.get((finding.model, finding.target or 0), ())
    if finding.probe is None or not known:
        return finding
    own = evidence.where(evidence.target == finding.target)
    features, probe = own.channels(), finding.probe
    mask = probe.distance(features, own.score) >= 0
    like = [
        plane.name
        for plane in known
        if plane.of == probe.of
        and len(plane.weights) == len(probe.weights)
        and alike(mask, plane.distance(features, own.score) >= 0)
    ]
    return replace(finding, like=tuple(like))


def alike(one: Mask, other: Mask) -> bool:
    """Whether two divisions of the same frames are one, for all that they show."""
    return all(
        float((a & b).sum()) >= ALIKE * max(1.0, float((a | b).sum())) for a, b in ((one, other), (~one, ~other))
    )
