"""Mean square activation: a channel that hardly ever fires goes first (Hu et al. 2016, in its L2 form)."""

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.criteria.maps import by_label
from edgexai.compress.prune.greedy import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label."""
    return by_label(coupling, profile, lambda t: profile.channels[t].square / profile.samples)
