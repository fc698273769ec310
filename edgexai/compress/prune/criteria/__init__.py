"""What a channel is worth: one criterion a file, each (graph, coupling, profile) -> a score for every label."""

from collections.abc import Callable, Mapping

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.criteria import activation, magnitude, random, relevance, taylor
from edgexai.compress.prune.greedy import Scores
from edgexai.graph import Graph

Criterion = Callable[[Graph, Coupling, Profile], Scores]

CRITERIA: Mapping[str, Criterion] = {
    "relevance": relevance.scores,
    "magnitude": magnitude.scores,
    "taylor": taylor.scores,
    "activation": activation.scores,
    "random": random.scores,
}

__all__ = ["CRITERIA", "Criterion"]
