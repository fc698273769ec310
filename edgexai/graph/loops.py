"""Loops and branches: how often the subgraphs that an operator calls run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.graph.ir import DType, Graph, Op
from edgexai.graph.opkind import OpKind

MOST = 100_000
Integers = NDArray[Any]
FOLDED: Mapping[OpKind, Callable[[list[Integers], Any], Integers]] = {
    OpKind.ADD: lambda v, o: v[0] + v[1],
    OpKind.SUB: lambda v, o: v[0] - v[1],
    OpKind.MUL: lambda v, o: v[0] * v[1],
    OpKind.LESS: lambda v, o: v[0] < v[1],
    OpKind.LESS_EQUAL: lambda v, o: v[0] <= v[1],
    OpKind.GREATER: lambda v, o: v[0] > v[1],
    OpKind.GREATER_EQUAL: lambda v, o: v[0] >= v[1],
    OpKind.LOGICAL_AND: lambda v, o: v[0] & v[1],
    OpKind.RESHAPE: lambda v, o: v[0].reshape(v[1]),
    OpKind.CONCATENATION: lambda v, o: np.concatenate(v, o.axis),
    OpKind.PACK: lambda v, o: np.stack(v, o.axis),
}
"""What counters and conditions are computed with."""
WHOLE = {DType.INT32, DType.INT64, DType.BOOL}


def rounds(graph: Graph, op: Op) -> int | None:
    """How often a WHILE runs its body; None if that depends on the input, or is more than 100,000 times."""
    cond, body = _called(graph, op, "condSubgraphIndex"), _called(graph, op, "bodySubgraphIndex")
    if cond is None or body is None:
        return None
    state = [_constant(graph, t) for t in op.inputs]
    for count in range(MOST):
        goes_on = _whole_outputs(cond, state)
        if len(goes_on) != 1 or goes_on[0] is None:
            return None
        if not np.all(goes_on[0]):
            return count
        state = _whole_outputs(body, state)
    return None


def parts_of(graph: Graph, op: Op) -> list[tuple[Graph, int]]:
    """The subgraphs that an operator calls, and how often each runs: a loop of unknown length once, and of a branch
    both sides."""
    if op.kind == OpKind.WHILE:
        count = rounds(graph, op)
        times = 1 if count is None else count
        named = (("condSubgraphIndex", times + 1), ("bodySubgraphIndex", times))
    elif op.kind == OpKind.IF:
        named = (("thenSubgraphIndex", 1), ("elseSubgraphIndex", 1))
    else:
        return []
    found = [(_called(graph, op, name), times) for name, times in named]
    return [(part, times) for part, times in found if part is not None]


def _called(graph: Graph, op: Op, name: str) -> Graph | None:
    """A subgraph by the option that names it, with all subgraphs that it may call itself but its callers."""
    place = int(getattr(op.options, name, 0)) - 1
    if not 0 <= place < len(graph.subgraphs):
        return None
    part = graph.subgraphs[place]
    return replace(part, subgraphs=(*graph.subgraphs[:place], replace(part, ops=()), *graph.subgraphs[place + 1 :]))


def _constant(graph: Graph, t: int) -> Integers | None:
    tensor = graph.tensors[t] if t >= 0 else None
    return tensor.array if tensor is not None and tensor.is_constant and tensor.dtype in WHOLE else None


def _whole_outputs(graph: Graph, inputs: list[Integers | None]) -> list[Integers | None]:
    """The outputs of a subgraph that its whole numbers alone decide; None for the others."""
    known: dict[int, Integers | None] = dict(zip(graph.inputs, inputs, strict=False))
    for op in graph.ops:
        values = [known.get(t, _constant(graph, t)) for t in op.inputs]
        there = [v for v in values if v is not None]
        if op.kind in FOLDED and len(there) == len(values) and op.outputs:
            known[op.outputs[0]] = np.asarray(FOLDED[op.kind](there, op.options))
    return [known.get(t, _constant(graph, t)) for t in graph.outputs]
