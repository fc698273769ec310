"""From values of a map's channels to scores of labels."""

from collections.abc import Callable

import numpy as np

from edgexai.compress.channels import Coupling
from edgexai.compress.profile import Profile
from edgexai.compress.select import Scores


def by_label(coupling: Coupling, profile: Profile, value: Callable[[int], Scores]) -> Scores:
    """A score for each label: the value of the first map of its group that was profiled, that of its writer.

    Channels about which nothing is known score infinitely: they stay.
    """
    scores = np.zeros(coupling.size)
    for group in coupling.groups:
        first = next((t for t in group.tensors if t in profile.channels), None)
        if first is None:
            scores[group.labels] = np.inf
            continue
        a_label = np.zeros(coupling.size)
        np.add.at(a_label, coupling.lines[first].labels, value(first))
        scores[group.labels] = a_label[group.labels]
    return scores
