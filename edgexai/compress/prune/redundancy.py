"""Which channels can replace each other: what the rest of a map tells about a channel, a refit need not miss.

If channel c of a map goes and the next layer is refitted, the error is that part of c which the others do not predict:
with the Gram matrix G of the map's channels its share is u_c = 1 / (G_cc · (G⁻¹)_cc) (Hassibi, Stork 1993, for inputs
instead of weights). When c has gone, G⁻¹ loses a rank-one term, so that of two equal channels one goes and one stays.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels.coupling import Coupling, read_by
from edgexai.compress.channels.labels import FROZEN
from edgexai.graph import Graph

RIDGE = 1e-2
"""Of the mean of the Gram matrix's diagonal."""

ROWS = 4096

Floats = NDArray[np.float64]


class Redundancy:
    """The share of each label that the labels that are still there do not predict, in the map where it is largest."""

    def __init__(self, coupling: Coupling, values: Mapping[int, NDArray[np.float32]], power: float = 1.0) -> None:
        """``values`` (N, …, channels) of maps in real numbers; shares are raised to a ``power``, 0 … 1.

        The first channels to go are few, and judged well by relevance alone; of many, most can be replaced.
        """
        random = np.random.default_rng(0)
        self._power = power
        self._size = coupling.size
        self._maps: list[tuple[NDArray[np.int64], Floats, Floats]] = []
        for tensor, value in values.items():
            rows = value.reshape(-1, value.shape[-1])
            rows = rows[random.choice(len(rows), min(len(rows), ROWS), replace=False)].astype(np.float64)
            rows -= rows.mean(axis=0)  # the bias predicts the mean
            gram = rows.T @ rows
            gram += (RIDGE * np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
            self._maps.append((coupling.lines[tensor].labels, np.linalg.inv(gram), np.diag(gram).copy()))

    def unexplained(self) -> Floats:
        """The share for each label, 0 … 1; 1 for those of which nothing is known."""
        share = np.zeros(self._size)
        for labels, inverse, power in self._maps:
            diagonal = np.diag(inverse)
            alive = diagonal > 0
            np.maximum.at(share, labels[alive], 1 / (diagonal[alive] * power[alive]))
        known = np.zeros(self._size, bool)
        for labels, _, _ in self._maps:
            known[labels] = True
        return np.where(known, np.minimum(share, 1.0), 1.0) ** self._power

    def drop(self, gone: NDArray[np.int64]) -> None:
        """Labels that are no longer there."""
        for labels, inverse, _ in self._maps:
            for c in np.flatnonzero(np.isin(labels, gone)):
                if inverse[c, c] > 0:
                    inverse -= np.outer(inverse[c], inverse[c]) / inverse[c, c]
                    inverse[c], inverse[:, c] = 0, 0


def read_maps(graph: Graph, coupling: Coupling) -> list[int]:
    """The maps, channels last and each channel once, whose channels a refitted layer reads."""
    found = []
    for i in coupling.reads:
        tensor = read_by(graph.ops[i])
        line = coupling.lines.get(tensor)
        if line is None or line.axis != len(graph.tensors[tensor].shape) - 1:
            continue
        free = line.labels[line.labels != FROZEN]
        if len(free) and len(np.unique(free)) == len(free):
            found.append(tensor)
    return list(dict.fromkeys(found))
