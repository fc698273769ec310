"""Multiply-accumulates of an operator, from the shapes alone."""

from math import prod

from edgexai.graph import Graph, OpKind


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
    if op.kind == OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM:
        units, features = graph.tensors[op.inputs[2]].shape
        return prod(shape) * 4 * (units + features)
    return 0


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference."""
    return sum(macs(graph, i) for i in range(len(graph.ops)))
