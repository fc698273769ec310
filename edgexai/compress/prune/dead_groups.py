"""Groups of a grouped convolution of which nothing arrives anywhere: Graph -> Graph without them.

Groups stay equally large, so that their channels go position by position, the same one of every group. A group that is
dead altogether would stay that way for as long as its neighbours live; it goes first, whole, and moves nothing.
"""

from dataclasses import fields, replace

import numpy as np

from edgexai.compress.channels.coupling import Coupling, couple, read_by
from edgexai.compress.channels.labels import FROZEN
from edgexai.compress.measure.profile import Channels, Profile
from edgexai.compress.prune.shrink import Keep, shrink
from edgexai.graph import Graph, Op, OpKind

SUMMED = (OpKind.BATCH_MATMUL, OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM)
"""Operators that sum over channels which `Coupling.reads` does not list."""


def without_dead_groups(graph: Graph, profile: Profile) -> tuple[Graph, Profile]:
    """The graph, and its profile, without the groups whose channels every later layer reads as zero on all samples."""
    grouped = [op for op in graph.ops if _is_grouped(graph, op)]
    if not grouped:
        return graph, profile
    coupling = couple(graph, whole_groups=True)
    lines = [line.labels for op in grouped if (line := coupling.line_of(op)) is not None]
    keep = np.ones(coupling.size, bool)
    for labels in lines:
        keep[labels] = False
    keep[_read(graph, coupling, profile)] = keep[FROZEN] = True
    for group in coupling.groups:
        if not keep[group.labels].any():
            keep[group.labels[0]] = True
    if keep.all():
        return graph, profile
    small = shrink(graph, coupling, keep)
    moved = {t: u for a, b in zip(graph.ops, small.ops, strict=True) for t, u in zip(a.outputs, b.outputs, strict=True)}
    channels = {moved[t]: _cut(c, coupling, t, keep) for t, c in profile.channels.items()}
    return small, replace(profile, channels=channels)


def _is_grouped(graph: Graph, op: Op) -> bool:
    """Whether a convolution has groups of several channels, on both sides."""
    if op.kind != OpKind.CONV_2D or not graph.tensors[op.inputs[1]].is_constant:
        return False
    out, ins = graph.tensors[op.inputs[1]].shape[0], graph.tensors[op.inputs[1]].shape[3]
    groups = graph.tensors[op.inputs[0]].shape[3] // ins
    return groups > 1 and min(ins, out // groups) > 1


def _read(graph: Graph, coupling: Coupling, profile: Profile) -> list[int]:
    """The labels that some layer reads as anything but zero, or of which nobody knows."""
    found: set[int] = set()
    for i, labels in coupling.reads.items():
        known = profile.channels.get(read_by(graph.ops[i]))
        is_known = known is not None and len(known.square) == len(labels)
        found.update(labels[known.square > 0] if known is not None and is_known else labels)
    for op in graph.ops:
        if op.kind in SUMMED:
            found.update(n for t in op.inputs if t in coupling.lines for n in coupling.lines[t].labels)
    return sorted(found)


def _cut(channels: Channels, coupling: Coupling, tensor: int, keep: Keep) -> Channels:
    """The sums of the channels that stay; they lie along the last axis of each."""
    line = coupling.lines.get(tensor)
    if line is None:
        return channels
    return Channels(*(getattr(channels, f.name)[..., keep[line.labels]] for f in fields(Channels)))
