"""A softmax that a converter wrote out: Div(Exp(Sub(z, ReduceMax(z))), Sum(Exp(…))) -> softmax(z) along its axes."""

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from edgexai.graph import Graph, Op, OpKind
from edgexai.relevance.reading.questions import constant_behind

COPIES = {OpKind.QUANTIZE, OpKind.DEQUANTIZE}
AROUND = {*COPIES, OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS, OpKind.BROADCAST_TO}
ADJUSTED = {OpKind.MUL, OpKind.ADD, OpKind.MAXIMUM}
"""What may stand between sum and quotient with a constant, against division by zero."""


@dataclass(frozen=True)
class Softmax:
    """The map that a softmax is of, and the axes along which it adds up to one."""

    logits: int
    axes: tuple[int, ...]


def written_softmax(graph: Graph, producer: Mapping[int, int], op: Op) -> Softmax | None:
    """The softmax that ends in this DIV; None if it is another quotient."""
    if op.kind != OpKind.DIV:
        return None
    top = _through(graph, producer, op.inputs[0], COPIES)
    total = _through(graph, producer, op.inputs[1], AROUND, ADJUSTED)
    powers, summed = (_producer(graph, producer, t) for t in (top, total))
    if powers is None or summed is None or powers.kind != OpKind.EXP or summed.kind != OpKind.SUM:
        return None
    if _through(graph, producer, summed.inputs[0], COPIES) != top:
        return None
    axes = constant_behind(graph, producer, summed.inputs[1])
    z = _through(graph, producer, powers.inputs[0], COPIES)
    below = _producer(graph, producer, z)
    if below is not None and below.kind == OpKind.SUB:
        minuend = _through(graph, producer, below.inputs[0], COPIES)
        most = _producer(graph, producer, _through(graph, producer, below.inputs[1], AROUND))
        if most is not None and most.kind == OpKind.REDUCE_MAX:
            z = minuend if _through(graph, producer, most.inputs[0], COPIES) == minuend else z
    shape = graph.tensors[op.outputs[0]].shape
    if axes is None or graph.tensors[z].shape != shape:
        return None
    return Softmax(z, tuple(sorted({int(a) % len(shape) for a in np.atleast_1d(axes.array)})))


def _producer(graph: Graph, producer: Mapping[int, int], t: int) -> Op | None:
    return graph.ops[producer[t]] if t in producer else None


def _through(
    graph: Graph, producer: Mapping[int, int], t: int, kinds: Set[OpKind], adjusted: Set[OpKind] = frozenset()
) -> int:
    """The tensor behind operators that only carry it, or put a constant to it."""
    while (op := _producer(graph, producer, t)) is not None:
        if op.kind in adjusted:
            computed = [i for i in op.inputs if constant_behind(graph, producer, i) is None]
            if len(computed) != 1:
                return t
            t = computed[0]
        elif op.kind in kinds:
            t = op.inputs[0]
        else:
            return t
    return t
