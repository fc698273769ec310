"""Which channels go: the least relevance lost for what the model's price falls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels.coupling import Coupling
from edgexai.compress.channels.labels import FROZEN
from edgexai.compress.measure.macs import macs
from edgexai.compress.prune.joint import Balance
from edgexai.compress.prune.redundancy import Redundancy
from edgexai.compress.prune.shrink import Keep
from edgexai.errors import ConfigError
from edgexai.graph import Graph, Op

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Price:
    """What a choice of channels costs: each part's price times the shares of its channels that stay.

    ``whole`` (parts,) is the price of each part as it is, ``writes`` and ``reads`` (parts, labels) the share of its
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


def price(graph: Graph, coupling: Coupling, each: Sequence[Sequence[float]] | None = None) -> Price:
    """The price of a graph; of ``each`` operator (ops, 3) what falls with the channels that it reads and writes, what
    with those that it writes alone, and what with neither (default: multiply-accumulates, 0 and 0)."""
    ops, labels = len(graph.ops), coupling.size
    parts = np.array([(macs(graph, i), 0, 0) for i in range(ops)] if each is None else each, np.float64)
    writes, reads = np.zeros((ops, labels)), np.zeros((ops, labels))
    for i, op in enumerate(graph.ops):
        for table, line in ((writes, _written(coupling, op)), (reads, coupling.reads.get(i))):
            if line is not None:
                np.add.at(table[i], line, 1 / len(line))
    writes[:, FROZEN] = reads[:, FROZEN] = 0
    none = np.zeros((1, labels))
    whole = np.concatenate([parts[:, 0], parts[:, 1], [parts[:, 2].sum()]])
    return Price(whole, np.vstack([writes, writes, none]), np.vstack([reads, np.zeros_like(reads), none]))


def _written(coupling: Coupling, op: Op) -> NDArray[np.int64] | None:
    line = coupling.line_of(op)
    return None if line is None else line.labels


def cheapest(
    coupling: Coupling,
    scores: Scores,
    cost: Price,
    target: float,
    multiple: int = 1,
    redundancy: Redundancy | None = None,
    balance: Balance | None = None,
) -> Keep:
    """Drop channels, the lowest score a unit of price first, until the price is at most ``target``.

    Channels of a group go so many at once that a ``multiple`` of some number stays; at least one channel, or one
    multiple, stays in every group. With ``redundancy`` a score counts by the share of the channel that those that
    are left do not predict; ``balance`` adds what the channel does to all that have gone. Raises ConfigError if the
    target cannot be reached that way.
    """
    keep = np.ones(coupling.size, bool)
    while cost(keep) > target:
        saved = cost.saved(keep)
        worth = scores if redundancy is None else scores * redundancy.unexplained()
        worth = worth if balance is None else worth + balance.more()
        best, best_ratio = np.empty(0, np.int64), np.inf
        for group in coupling.groups:
            left = group.labels[keep[group.labels]]
            size = _block(len(left), multiple)
            block = left[np.argsort(worth[left], kind="stable")[:size]]
            if size and worth[block].mean() / max(saved[block[0]], 1e-12) < best_ratio:
                best, best_ratio = block, worth[block].mean() / max(saved[block[0]], 1e-12)
        if not len(best):
            whole = cost(np.ones_like(keep))
            raise ConfigError(
                f"the model cannot be pruned to {target / whole:.0%}: "
                f"with the fewest channels in every layer it is at {cost(keep) / whole:.0%}"
            )
        keep[best] = False
        if redundancy is not None:
            redundancy.drop(best)
        if balance is not None:
            balance.drop(best)
    return keep


def _block(count: int, multiple: int) -> int:
    """How many of so many channels go next: down to the next multiple, but never the last ones."""
    size = count % multiple or multiple
    return size if size < count else 0
