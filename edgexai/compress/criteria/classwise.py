"""Low relevance first, by mean |R| of the predicted class: the maximum over classes, so that none is forgotten."""

from edgexai.compress.channels import Coupling
from edgexai.compress.criteria.maps import by_label
from edgexai.compress.profile import Profile
from edgexai.compress.select import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label."""
    return by_label(coupling, profile, profile.relevance)
