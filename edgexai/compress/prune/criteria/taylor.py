"""First-order Taylor (Molchanov et al. 2017): |activation · gradient of the predicted logit|, summed over positions.

In a ReLU network LRP-ε is activation times gradient, so that it comes from the same profile.
"""

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.criteria.maps import by_label
from edgexai.compress.prune.greedy import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label: the mean over samples, whatever their class."""
    return by_label(coupling, profile, lambda t: profile.channels[t].net / profile.samples)
