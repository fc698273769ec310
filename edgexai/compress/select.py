"""Which channels go: the least relevance lost for what the model's price falls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels import FROZEN, Coupling
from edgexai.compress.macs import macs
from edgexai.compress.shrink import Keep
from edgexai.errors import ConfigError
from edgexai.graph import Graph

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Price:
    """What a choice of channels costs: each operator's price times the shares of its channels that stay.

    ``whole`` (ops,) is the price of each operator as it is, ``writes`` and ``reads`` (ops, labels) the share of its
    output and input channels that each label stands for.
    """

    whole: NDArray[np.float64]
    writes: NDArray[np.float64]
    reads: NDArray[np.float64]

    def __call__(self, keep: Keep) -> float:
        out, into = self._shares(keep)
        return float(np.sum(self.whole * out * into))

    def saved(self, keep: Keep) -> Scores:
        """What the price falls by if one more label goes, for each label."""
        out, into = self._shares(keep)
        less = self.writes * into[:, None] + self.reads * out[:, None] - self.writes * self.reads
        return np.asarray(self.whole @ less)

    def _shares(self, keep: Keep) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gone = ~keep
        return 1 - self.writes @ gone, 1 - self.reads @ gone


def price(graph: Graph, coupling: Coupling, each: Sequence[float] | None = None) -> Price:
    """The price of a graph; ``each`` operator's (default: its multiply-accumulates)."""
    ops, labels = len(graph.ops), coupling.size
    whole = np.array([macs(graph, i) for i in range(ops)] if each is None else each, np.float64)
    writes, reads = np.zeros((ops, labels)), np.zeros((ops, labels))
    for i, op in enumerate(graph.ops):
        for table, line in ((writes, _written(coupling, op.outputs[0])), (reads, coupling.reads.get(i))):
            if line is not None:
                np.add.at(table[i], line, 1 / len(line))
    writes[:, FROZEN] = reads[:, FROZEN] = 0
    return Price(whole, writes, reads)


def _written(coupling: Coupling, tensor: int) -> NDArray[np.int64] | None:
    line = coupling.lines.get(tensor)
    return None if line is None else line.labels


def normalized(coupling: Coupling, scores: Scores) -> Scores:
    """Scores divided by the L2 norm of their layer, which makes layers comparable."""
    out = scores.copy()
    for group in coupling.groups:
        norm = np.linalg.norm(scores[group.labels])
        out[group.labels] /= norm if norm > 0 else 1.0
    return out


def cheapest(
    coupling: Coupling, scores: Scores, cost: Price, target: float, least: int = 1, keep: Keep | None = None
) -> Keep:
    """Drop labels, the lowest score a unit of price first, until the price is at most ``target``.

    ``least`` channels of every group stay. Raises ConfigError if the target cannot be reached that way.
    """
    keep = np.ones(coupling.size, bool) if keep is None else keep.copy()
    group_of = np.full(coupling.size, -1)
    for n, group in enumerate(coupling.groups):
        group_of[group.labels] = n
    left = np.array([keep[g.labels].sum() for g in coupling.groups])
    while cost(keep) > target:
        free = keep & (group_of >= 0)
        free[free] = left[group_of[free]] > least
        if not free.any():
            raise ConfigError(
                f"the model cannot be pruned to {target / cost(np.ones_like(keep)):.0%}: "
                f"with one channel left in every layer it is at {cost(keep) / cost(np.ones_like(keep)):.0%}"
            )
        saved = cost.saved(keep)
        ratio = np.full(coupling.size, np.inf)
        ratio[free] = scores[free] / np.maximum(saved[free], 1e-12)
        label = int(np.argmin(ratio))
        keep[label] = False
        left[group_of[label]] -= 1
    return keep
