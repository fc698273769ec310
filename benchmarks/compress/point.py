"""One point of the pruning tables: a model pruned and repaired in one way, and what it is then worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.board import load_board
from edgexai.cli.bench.explain import alternate
from edgexai.compress.measure.accuracy import accuracy, predictions
from edgexai.compress.measure.fidelity import correlation, heatmaps, particular
from edgexai.compress.measure.limits import Budget
from edgexai.compress.measure.macs import total_macs
from edgexai.compress.measure.profile import Profile, profile_relevance
from edgexai.compress.prune.pruning import Choice, prune, refined
from edgexai.compress.repair.distillation import Schedule, distill
from edgexai.graph import Graph, serialize

Data = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Material:
    """What one seed works with: ``few`` calibration inputs, ``many`` unlabelled ones, labelled ``test`` ones."""

    graph: Graph
    profile: Profile
    few: NDArray[Any]
    many: NDArray[Any]
    test: Data
    maps: NDArray[np.float32]
    base: float

    @classmethod
    def drawn(
        cls, graph: Graph, data: Data, held: Data | None, hold_out: int, per_class: int, maps: int, seed: int
    ) -> "Material":
        """Draw by a seed; test inputs are in neither ``few`` nor ``many``."""
        order = np.random.default_rng(seed).permutation(len(data[0]))
        pool, rest = (order, order[:0]) if held is not None else (order[hold_out:], order[:hold_out])
        test = held if held is not None else (data[0][rest], data[1][rest])
        many = data[0][pool]
        predicted = predictions(graph, many)
        few = np.concatenate([many[predicted == k][:per_class] for k in np.unique(predicted)])
        shown = heatmaps(graph, test[0][:maps])
        return cls(graph, profile_relevance(graph, few), few, many, test, shown, accuracy(graph, *test))


def pruned(
    material: Material,
    criterion: str,
    repair: str,
    keeps: Sequence[float],
    steps: int,
    epochs: int | None,
    board: str | None = None,
    multiple: int | None = None,
) -> Iterator[Graph]:
    """The model at each of some falling shares of its MACs, or of its time on a board; least squares go from one to the
    next."""
    graph, profile, few = material.graph, material.profile, material.few
    known = None if board is None else load_board(board)
    choice = Choice(criterion, known, multiple or (known.lanes if known else 1))
    if repair == "least_squares":
        yield from refined(graph, profile, keeps, few, choice)
        return
    for keep in keeps:
        if repair != "distill":
            budget = Budget(macs=keep) if board is None else Budget(latency=keep, board=board)
            yield prune(graph, profile, budget, criterion=criterion, repair=repair, multiple=multiple)
            continue
        shares = [1 - (1 - keep) * step / steps for step in range(1, steps + 1)]
        *_, small = refined(graph, profile, shares, few, choice, only_last=True)
        yield distill(small, graph, material.many, schedule=Schedule(epochs=epochs))


def measure(material: Material, small: Graph) -> dict[str, Any]:
    """What it is worth: accuracies 0 … 1, shares of MACs and of milliseconds, median heatmap correlation."""
    graph = material.graph
    maps = heatmaps(small, material.test[0][: len(material.maps)])
    before, after = alternate([serialize(graph), serialize(small)], 100)
    return {
        "macs": total_macs(small) / total_macs(graph),
        "latency": after / before,
        "base": material.base,
        "accuracy": accuracy(small, *material.test),
        "heatmap": correlation(material.maps, maps),
        "specific": correlation(particular(material.maps), particular(maps)),
    }
