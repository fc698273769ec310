"""Between which numbers a computed tensor lies, as the operators that wrote it say: a static look at the graph."""

from collections.abc import Mapping
from math import inf

import numpy as np

from edgexai.graph import Graph, Op, OpKind, Tensor
from edgexai.relevance.reading.questions import constant_behind, fused_activation

Range = tuple[float, float]
ANY: Range = (-inf, inf)
OF: Mapping[OpKind, Range] = {
    OpKind.LOGISTIC: (0, 1),
    OpKind.SOFTMAX: (0, 1),
    OpKind.TANH: (-1, 1),
    OpKind.RELU: (0, inf),
    OpKind.RELU6: (0, 6),
    OpKind.RELU_0_TO_1: (0, 1),
    OpKind.RELU_N1_TO_1: (-1, 1),
}
FUSED: Mapping[int, Range] = {1: (0, inf), 2: (-1, 1), 3: (0, 6), 4: (-1, 1)}
CARRY = {
    OpKind.BROADCAST_TO,
    OpKind.DEQUANTIZE,
    OpKind.EXPAND_DIMS,
    OpKind.QUANTIZE,
    OpKind.RESHAPE,
    OpKind.SLICE,
    OpKind.SQUEEZE,
    OpKind.STRIDED_SLICE,
    OpKind.TILE,
    OpKind.TRANSPOSE,
    OpKind.UNPACK,
}


def bounds(graph: Graph, producer: Mapping[int, int], t: int) -> Range:
    """The least and the largest value that a tensor can take; infinite where nothing bounds it."""
    if t not in producer:
        return ANY
    op = graph.ops[producer[t]]
    if op.kind in OF:
        return OF[op.kind]
    if op.kind in CARRY:
        return bounds(graph, producer, op.inputs[0])
    found = FUSED.get(fused_activation(op), ANY)
    if op.kind not in (OpKind.ADD, OpKind.SUB, OpKind.MUL, OpKind.DIV, OpKind.MINIMUM, OpKind.MAXIMUM, OpKind.NEG):
        return found
    low, high = _computed(graph, producer, op)
    return max(found[0], low), min(found[1], high)


def _computed(graph: Graph, producer: Mapping[int, int], op: Op) -> Range:
    """Of a map and a constant: interval arithmetic."""
    if op.kind == OpKind.NEG:
        low, high = bounds(graph, producer, op.inputs[0])
        return -high, -low
    constants = [constant_behind(graph, producer, t) for t in op.inputs]
    if all(c is None for c in constants) or all(c is not None for c in constants):
        return ANY
    first = constants[0] is None
    c = next(c for c in constants if c is not None)
    low, high = bounds(graph, producer, op.inputs[0 if first else 1])
    return _with(op.kind, (low, high), c, first)


def _with(kind: OpKind, inside: Range, constant: Tensor, first: bool) -> Range:
    values = constant.real
    if not values.size or not np.all(np.isfinite(values)):
        return ANY
    c, d = float(values.min()), float(values.max())
    low, high = inside
    match kind:
        case OpKind.ADD:
            return low + c, high + d
        case OpKind.SUB:
            return (low - d, high - c) if first else (c - high, d - low)
        case OpKind.MINIMUM:
            return min(low, c), min(high, d)
        case OpKind.MAXIMUM:
            return max(low, c), max(high, d)
        case OpKind.MUL if c >= 0:
            return _times(low, c, d)[0], _times(high, c, d)[1]
        case OpKind.MUL if d <= 0:
            return _times(high, c, d)[0], _times(low, c, d)[1]
        case OpKind.DIV if first and c > 0:
            return _times(low, 1 / d, 1 / c)[0], _times(high, 1 / d, 1 / c)[1]
    return ANY


def _times(bound: float, c: float, d: float) -> Range:
    """The least and the largest of a bound times what lies between c and d, 0 · ∞ being 0."""
    products = [0.0 if by == 0 else bound * by for by in (c, d)]
    return min(products), max(products)
