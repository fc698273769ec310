"""Low relevance first (Yeom et al. 2021; Hatefi et al. 2024), of the predicted class against each of its rivals.

A channel counts by the root mean square, over samples and rivals, of what it adds to the predicted logit's lead:
what it adds to all logits alike changes no decision, and a lead lost on few samples is lost all the same.
"""

from edgexai.compress.channels import Coupling
from edgexai.compress.criteria.maps import by_label
from edgexai.compress.profile import Profile
from edgexai.compress.select import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """The score of each label."""
    return by_label(coupling, profile, profile.margin)
