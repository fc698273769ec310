"""Integers out: Graph -> Graph that computes in float32 what an integer or mixed one stands for."""

from dataclasses import replace

import numpy as np

from edgexai.compress.prune.shrink import compact
from edgexai.graph import DType, Graph, Op, OpKind, Tensor, verify

STORED = (DType.INT8, DType.UINT8, DType.INT16, DType.FLOAT16)


def dequantize(graph: Graph) -> Graph:
    """The graph with float32 weights, biases, maps, inputs and outputs; without QUANTIZE and DEQUANTIZE.

    Weights are exact, maps no longer rounded. A graph that is float32 throughout comes back unchanged.
    """
    tensors = tuple(_float(t) for t in graph.tensors)
    stands_for: dict[int, int] = {}
    ops: list[Op] = []
    for op in graph.ops:
        op = replace(op, inputs=tuple(stands_for.get(t, t) for t in op.inputs))
        x = tensors[op.inputs[0]] if op.inputs and op.inputs[0] >= 0 else None
        if op.kind in (OpKind.QUANTIZE, OpKind.DEQUANTIZE) and x is not None and x.dtype == DType.FLOAT32:
            stands_for[op.outputs[0]] = op.inputs[0]
        else:
            ops.append(op)
    if tensors == graph.tensors and len(ops) == len(graph.ops):
        return graph
    outputs = tuple(stands_for.get(t, t) for t in graph.outputs)
    small = compact(replace(graph, tensors=tensors, ops=tuple(ops), outputs=outputs, signatures=()))
    verify(small)
    return small


def _float(tensor: Tensor) -> Tensor:
    is_bias = tensor.dtype == DType.INT32 and tensor.is_constant and tensor.quantization is not None
    if tensor.dtype not in STORED and not is_bias:
        return tensor
    if tensor.data is None:
        return replace(tensor, dtype=DType.FLOAT32, quantization=None)
    data = np.ascontiguousarray(tensor.real).reshape(-1).view(np.uint8)
    return replace(tensor, dtype=DType.FLOAT32, quantization=None, data=data)
