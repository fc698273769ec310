"""A float32 map that is only moved in front of a QUANTIZE is quantized first."""

from dataclasses import replace

from edgexai.graph import DType, Graph, OpKind

EARLY = {
    *(OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS, OpKind.PAD),
    *(OpKind.TRANSPOSE, OpKind.SLICE, OpKind.STRIDED_SLICE),
}
"""What only moves values, and zeros."""


def quantized_early(graph: Graph) -> Graph:
    """A float map that is moved, and quantized then, is quantized first: a zero is the zero point."""
    tensors, ops = list(graph.tensors), list(graph.ops)
    k = 0
    while k < len(ops):
        op = ops[k]
        at = next((i for i, one in enumerate(ops[:k]) if one.outputs == op.inputs), None)
        if op.kind == OpKind.QUANTIZE and at is not None and ops[at].kind in EARLY:
            x, moved = ops[at].inputs[0], op.inputs[0]
            alone = sum(moved in one.inputs for one in ops) == 1 and moved not in graph.outputs
            if alone and tensors[x].dtype == DType.FLOAT32 and not tensors[x].is_constant:
                tensors.append(replace(tensors[op.outputs[0]], shape=tensors[x].shape))
                early = replace(op, inputs=(x,), outputs=(len(tensors) - 1,))
                move = replace(ops[at], inputs=(len(tensors) - 1, *ops[at].inputs[1:]), outputs=op.outputs)
                ops[at : k + 1] = [early, move, *ops[at + 1 : k]]
                k = at
                continue
        k += 1
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))
