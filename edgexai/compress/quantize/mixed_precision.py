"""mixed: which operators of an int8 model need int16 maps, so that it explains as its float model does.

Each operator is widened alone first: by how much the heatmaps come nearer to the float model's, per multiply-accumulate
that gets dearer. Then they are widened together in that order until the heatmaps are as near as is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgexai.board import Board
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.fidelity import correlation, heatmaps
from edgexai.compress.quantize.int16x8 import LINEAR, WIDE, widen
from edgexai.graph import DType, Graph, OpKind


@dataclass(frozen=True)
class Mixed:
    """The graph, which operators of the int8 one are ``wide``, and the heatmaps' ``correlation`` with the float model's
    before and after."""

    graph: Graph
    wide: tuple[int, ...]
    before: float
    after: float


def mixed(
    graph: Graph,
    whole: Graph,
    samples: NDArray[Any],
    least: float,
    board: Board | None = None,
    composite: str = "edge",
    progress: Callable[[int, int], None] | None = None,
) -> Mixed:
    """The int8 graph with the fewest operators in int16×8 whose heatmaps correlate ``least`` with ``whole``'s (median).

    ``whole`` is the float model, ``samples`` (N, …) unlabelled. With a ``board``, an operator counts by its cycles.
    Where even all operators do not reach ``least``, the best that was seen comes back: look at ``after``.
    """
    wanted = heatmaps(whole, samples, composite)

    def near(small: Graph) -> float:
        return correlation(wanted, heatmaps(small, samples, composite))

    before = near(graph)
    if before >= least:
        return Mixed(graph, (), before, before)
    layers = cost(graph, board).layers
    able = [i for i, op in enumerate(graph.ops) if _can(graph, i) and (op.kind in LINEAR or op.kind in OTHERS)]
    gains = {}
    for n, i in enumerate(able):
        price = layers[i].latency_ms if board is not None else 1 + layers[i].macs
        gains[i] = (near(widen(graph, [i])) - before) / max(price or 0.0, 1e-9)
        if progress is not None:
            progress(n + 1, 2 * len(able))
    order = sorted(able, key=lambda i: -gains[i])
    best = Mixed(graph, (), before, before)
    for n in range(1, len(order) + 1):
        small = widen(graph, order[:n])
        after = near(small)
        if after > best.after:
            best = Mixed(small, tuple(sorted(order[:n])), before, after)
        if progress is not None:
            progress(len(able) + n, 2 * len(able))
        if after >= least:
            break
    return best


OTHERS = (OpKind.ADD, OpKind.MEAN)


def _can(graph: Graph, index: int) -> bool:
    op = graph.ops[index]
    return op.kind in WIDE and all(graph.tensors[t].dtype == DType.INT8 for t in (op.inputs[0], op.outputs[0]))
