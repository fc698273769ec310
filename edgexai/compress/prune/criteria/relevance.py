"""Low relevance first (Yeom et al. 2021; Hatefi et al. 2024): mean |R| of each predicted class, largest over classes.

A channel that one class alone needs stays. Layers are compared as they are, since relevance is conserved from one to
the next: no norm of a layer is needed. What goes together may cancel (`edgexai.compress.prune.joint`).
"""

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.criteria.maps import by_label
from edgexai.compress.prune.greedy import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label."""
    return by_label(coupling, profile, profile.relevance)


def shifts(coupling: Coupling, profile: Profile) -> NDArray[np.float64]:
    """The mean R of each predicted class, in the map where the label is worth most; (labels, classes)."""
    seen = profile.count > 0
    found, largest = np.zeros((coupling.size, int(seen.sum()))), np.zeros(coupling.size)
    for tensor in sorted(profile.channels.keys() & coupling.lines.keys()):
        channels = profile.channels[tensor]
        worth, shift = np.zeros(coupling.size), np.zeros_like(found)
        np.add.at(worth, coupling.lines[tensor].labels, profile.relevance(tensor))
        np.add.at(shift, coupling.lines[tensor].labels, (channels.signed[seen] / profile.count[seen, None]).T)
        more = worth > largest
        found[more], largest[more] = shift[more], worth[more]
    return found
