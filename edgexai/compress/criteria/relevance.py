"""Low relevance first (Yeom et al. 2021; Hatefi et al. 2024): mean |R| of each predicted class, largest over classes.

A channel that one class alone needs stays. Layers are compared as they are, since relevance is conserved from one to
the next: no norm of a layer is needed.
"""

from edgexai.compress.channels import Coupling
from edgexai.compress.criteria.maps import by_label
from edgexai.compress.profile import Profile
from edgexai.compress.select import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label."""
    return by_label(coupling, profile, profile.relevance)
