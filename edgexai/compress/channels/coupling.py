"""Which channels of a graph can only go together: found by following every single channel through the operators.

Each channel that a layer writes gets a label; an operator that needs two channels to be the same one (an addition,
a depthwise convolution) unites their labels. Model inputs and outputs, and whatever an operator without a row
touches, are united with the label FROZEN.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgexai.compress.channels.labels import FROZEN, Labelling, Labels, Line
from edgexai.compress.channels.propagate import COUNTED, FOLLOW, freeze
from edgexai.graph import Graph, Op, OpKind


@dataclass(frozen=True)
class Group:
    """Labels that lie in the same tensors: the channels of one layer, and of all that is coupled to it."""

    labels: Labels
    tensors: tuple[int, ...]


@dataclass(frozen=True)
class Coupling:
    """Where each channel of a graph lies: ``lines`` of the computed tensors, and the groups of free channels.

    ``reads`` are the labels that a linear operator's weights meet along their input axis.
    """

    lines: Mapping[int, Line]
    reads: Mapping[int, Labels]
    groups: tuple[Group, ...]

    def line_of(self, op: Op) -> Line | None:
        """The line of what an operator writes; None for one without free channels, or that writes nothing."""
        return self.lines.get(op.outputs[0]) if op.outputs else None

    @property
    def size(self) -> int:
        """One more than the highest label."""
        return 1 + max((int(g.labels.max()) for g in self.groups), default=0)


def couple(graph: Graph, whole_groups: bool = False) -> Coupling:
    """Find the coupled channels of a graph; of grouped convolutions the same ones of every group, or whole groups."""
    known = Labelling(graph, whole_groups)
    for i, op in enumerate(graph.ops):
        is_counted = bool(op.outputs) and graph.tensors[op.outputs[0]].dtype in COUNTED
        if is_counted and op.kind == OpKind.SHAPE:  # asked when the model runs: it may say another length then
            continue
        is_followed = bool(op.outputs) and not is_counted and any(t in known.labels for t in op.inputs)
        (FOLLOW.get(op.kind, freeze) if is_followed else freeze)(known, i, op)
    for t in graph.outputs:
        known.freeze(t)
    lines = known.straight()
    where: dict[int, list[int]] = {}
    for t, line in lines.items():
        for label in np.unique(line.labels):
            if label != FROZEN:
                where.setdefault(int(label), []).append(t)
    together: dict[tuple[int, ...], list[int]] = {}
    for label, tensors in where.items():
        together.setdefault(tuple(tensors), []).append(label)
    groups = tuple(Group(np.array(sorted(labels)), tensors) for tensors, labels in together.items())
    return Coupling(lines, {i: known.roots(r) for i, r in known.reads.items()}, groups)


def read_by(op: Op) -> int:
    """The map that a layer reads."""
    return op.inputs[2 if op.kind == OpKind.TRANSPOSE_CONV else 0]


def streams(graph: Graph, coupling: Coupling) -> Labels:
    """The labels of sums of computed maps, such as the stream along which residual blocks add up."""
    computed = {t for op in graph.ops for t in op.outputs}
    sums = [op.outputs[0] for op in graph.ops if op.kind == OpKind.ADD and computed.issuperset(op.inputs)]
    found = [coupling.lines[t].labels for t in sums if t in coupling.lines]
    return np.setdiff1d(np.concatenate(found), FROZEN) if found else np.empty(0, np.int64)
