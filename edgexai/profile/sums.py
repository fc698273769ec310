"""What a relevance profile adds up, sample by sample: the same on a workstation and on a node."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.profile.file import OCTAVES, ROWS, Map, pack

RIVALS = 3
"""The classes next to the predicted one whose logits are looked at as well."""

Maps = Sequence[NDArray[Any]]


class ProfileSums:
    """Sums over samples for some maps of a model, each with its channels on the last axis.

    ``count`` (classes,) is how many samples were predicted as each; ``relevance`` and ``signed`` (classes, channels),
    ``rows`` (4, channels) and ``spread`` (octaves, channels) of each map are what
    `edgexai.compress.measure.profile.Channels` says.
    """

    def __init__(self, classes: int, channels: Sequence[int]) -> None:
        self.count = np.zeros(classes, np.int64)
        self.relevance = [np.zeros((classes, n)) for n in channels]
        self.signed = [np.zeros((classes, n)) for n in channels]
        self.rows = [np.zeros((ROWS, n)) for n in channels]
        self.spread = [np.zeros((OCTAVES, n)) for n in channels]

    def add(self, logits: NDArray[Any], values: Maps, explain: Callable[[int], Maps]) -> None:
        """One sample: its logits (classes,), the maps' values as real numbers, and each map's relevance for a class."""
        order = np.argsort(-logits.astype(np.float64), kind="stable")  # -(-128) is -128 in int8
        target, *rivals = (int(k) for k in order[: RIVALS + 1])
        found, others = explain(target), [explain(k) for k in rivals]
        self.count[target] += 1
        for n, value in enumerate(values):
            relevance = found[n].reshape(-1, found[n].shape[-1])
            flat = value.reshape(relevance.shape)
            size = np.abs(relevance).sum(0)
            self.relevance[n][target] += size
            net = relevance.sum(0)
            self.signed[n][target] += net
            leads = [net - other[n].reshape(relevance.shape).sum(0) for other in others] or [net]
            self.rows[n] += (np.square(leads).mean(0), np.abs(net), np.square(flat).mean(0), flat.mean(0))
            with np.errstate(divide="ignore", invalid="ignore"):
                octave = np.nan_to_num(-np.log2(size / size.sum()), nan=np.inf, posinf=np.inf)
            self.spread[n][np.clip(octave, 0, OCTAVES - 1).astype(int), np.arange(len(size))] += 1

    def maps(self) -> list[Map]:
        """The sums of each map."""
        return list(zip(self.relevance, self.signed, self.rows, self.spread, strict=True))

    def packed(self, model: str, composite: str, tensors: Sequence[int]) -> bytes:
        """The bytes of a profile file; ``tensors`` are the maps' numbers in the model."""
        maps = dict(zip(tensors, self.maps(), strict=True))
        return pack(model, composite, self.count, maps)
