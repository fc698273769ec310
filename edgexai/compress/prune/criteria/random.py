"""Chance: what every other criterion has to beat. The order depends on the model alone, so that runs repeat."""

import numpy as np

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.measure.profile import Profile
from edgexai.compress.prune.greedy import Scores
from edgexai.graph import Graph


def scores(graph: Graph, coupling: Coupling, profile: Profile) -> Scores:
    """A uniform score for each label."""
    seed = int(profile.model[:8] or "0", 16) + profile.samples
    return np.random.default_rng(seed).random(coupling.size)
