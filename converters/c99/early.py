"""A float32 map that is only moved in front of a QUANTIZE is quantized first."""

from dataclasses import replace

from edgexai.graph import DType, Graph, Op, OpKind, Tensor

EARLY = {
    *(OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS, OpKind.PAD),
    *(OpKind.TRANSPOSE, OpKind.SLICE, OpKind.STRIDED_SLICE),
}
"""What only moves values, and zeros."""


SPLITS = {OpKind.SPLIT, OpKind.SPLIT_V, OpKind.UNPACK}


def quantized_early(graph: Graph) -> Graph:
    """A float map that is moved, and quantized then, is quantized first: a zero is the zero point."""
    tensors, ops = list(graph.tensors), list(graph.ops)
    for op in graph.ops:
        if op.kind in SPLITS:
            _split_early(graph, op, tensors, ops)
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


def _split_early(graph: Graph, op: Op, tensors: list[Tensor], ops: list[Op]) -> None:
    """The same of pieces that are all quantized alike, as of an LSTM whose first step leaves one of them out."""
    where = 1 if op.kind == OpKind.SPLIT else 0
    x, readers = op.inputs[where], [one for one in graph.ops if set(one.inputs) & set(op.outputs)]
    made = {one.inputs[0]: one.outputs[0] for one in readers}
    scales = {(q.scale.tobytes(), q.zero_point.tobytes()) for t in made.values() if (q := tensors[t].quantization)}
    quantized = all(one.kind == OpKind.QUANTIZE for one in readers) and len(made) == len(readers)
    if tensors[x].dtype != DType.FLOAT32 or not quantized or len(scales) != 1 or set(op.outputs) & set(graph.outputs):
        return
    like = tensors[readers[0].outputs[0]]
    early = len(tensors)
    tensors.append(replace(like, shape=tensors[x].shape))
    for t in op.outputs:
        if t not in made:
            made[t] = len(tensors)
            tensors.append(replace(like, shape=tensors[t].shape))
    inputs = tuple(early if k == where else t for k, t in enumerate(op.inputs))
    split = replace(op, inputs=inputs, outputs=tuple(made[t] for t in op.outputs))
    at = ops.index(op)
    ops[at : at + 1] = [replace(readers[0], inputs=(x,), outputs=(early,)), split]
    for one in readers:
        ops.remove(one)
