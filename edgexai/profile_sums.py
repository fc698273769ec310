"""What a relevance profile adds up, sample by sample: the same on a workstation and on a node."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.profile_file import ROWS, pack

RIVALS = 15
"""The classes next to the predicted one whose logits are looked at as well."""

Maps = Sequence[NDArray[Any]]


class ProfileSums:
    """Sums over samples for some maps of a model, each with its channels on the last axis.

    ``count`` (classes,) is how many samples were predicted as each; ``relevance`` (classes, channels) and ``rows``
    (4, channels) of each map are what `edgexai.compress.profile.Channels` says.
    """

    def __init__(self, classes: int, channels: Sequence[int]) -> None:
        self.count = np.zeros(classes, np.int64)
        self.relevance = [np.zeros((classes, n)) for n in channels]
        self.rows = [np.zeros((ROWS, n)) for n in channels]

    def add(self, logits: NDArray[Any], values: Maps, explain: Callable[[int], Maps]) -> None:
        """One sample: its logits (classes,), the maps' values as real numbers, and each map's relevance for a class."""
        order = np.argsort(-logits, kind="stable")[: RIVALS + 1]
        target = int(order[0])
        found = [explain(int(k)) for k in order]
        self.count[target] += 1
        for n, value in enumerate(values):
            own, *others = (maps[n].reshape(-1, maps[n].shape[-1]) for maps in found)
            net = own.sum(0)
            leads = [net - other.sum(0) for other in others] or [net]
            flat = value.reshape(own.shape)
            self.relevance[n][target] += np.abs(own).sum(0)
            self.rows[n] += (np.square(leads).mean(0), np.abs(net), flat.mean(0), np.square(flat).mean(0))

    def packed(self, model: str, composite: str, tensors: Sequence[int]) -> bytes:
        """The bytes of a profile file; ``tensors`` are the maps' numbers in the model."""
        maps = dict(zip(tensors, zip(self.relevance, self.rows, strict=True), strict=True))
        return pack(model, composite, self.count, maps)
