"""Low relevance first (Yeom et al. 2021; Hatefi et al. 2024): mean |R| a class, the maximum over classes."""

from edgexai.compress.channels import Coupling
from edgexai.compress.criteria.maps import by_label
from edgexai.compress.profile import Profile
from edgexai.compress.select import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label; the maximum over classes forgets none."""
    return by_label(coupling, profile, profile.relevance)
