"""Multiply-accumulates of an operator, from the shapes alone; of a loop, as often as it runs."""

from math import prod

from edgexai.graph import Graph, Op, OpKind
from edgexai.graph.loops import parts_of


def macs(graph: Graph, index: int) -> int:
    """Multiply-accumulates of operator ``index`` for one run; 0 for operators that have none."""
    op = graph.ops[index]
    if not op.outputs:
        return 0
    shape = graph.tensors[op.outputs[0]].shape
    if op.kind in (OpKind.CONV_2D, OpKind.CONV_3D):
        kernel = graph.tensors[op.inputs[1]].shape
        return prod(shape) * prod(kernel[1:] if op.kind == OpKind.CONV_2D else kernel[:-1])
    if op.kind == OpKind.DEPTHWISE_CONV_2D:
        return prod(shape) * prod(graph.tensors[op.inputs[1]].shape[1:3])
    if op.kind == OpKind.FULLY_CONNECTED:
        return prod(shape) * graph.tensors[op.inputs[1]].shape[-1]
    if op.kind == OpKind.TRANSPOSE_CONV:
        kernel = graph.tensors[op.inputs[1]].shape
        return prod(graph.tensors[op.inputs[2]].shape) * prod(kernel[:3])
    if op.kind == OpKind.BATCH_MATMUL:
        left = graph.tensors[op.inputs[0]].shape
        return prod(shape) * left[-2 if getattr(op.options, "adjX", False) else -1]
    if op.kind in RECURRENT:
        return _steps(graph, op) * sum(_matrix(graph, t) for t in op.inputs[1:])
    if op.kind == OpKind.SVDF:
        return shape[0] * sum(_matrix(graph, t) for t in op.inputs[1:3])
    return sum(times * total_macs(part) for part, times in parts_of(graph, op))


RECURRENT = frozenset(
    {
        OpKind.BIDIRECTIONAL_SEQUENCE_LSTM,
        OpKind.BIDIRECTIONAL_SEQUENCE_RNN,
        OpKind.LSTM,
        OpKind.RNN,
        OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM,
        OpKind.UNIDIRECTIONAL_SEQUENCE_RNN,
    }
)
"""Fused operators that multiply a vector by every matrix among their weights, step by step."""


def _steps(graph: Graph, op: Op) -> int:
    """Steps of all sequences of the batch."""
    return prod(graph.tensors[op.inputs[0]].shape[:-1])


def _matrix(graph: Graph, t: int) -> int:
    """Weights of a matrix; 0 for what is none."""
    if t < 0 or not graph.tensors[t].is_constant or len(graph.tensors[t].shape) != 2:
        return 0
    return prod(graph.tensors[t].shape)


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(macs(graph, i) for i in range(len(graph.ops)))
