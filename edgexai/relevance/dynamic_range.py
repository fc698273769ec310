"""Conv(s, Dequantize(q)) -> Conv(s, q): the backward pass in integers, relevance quantized map by map as it runs.

The runtime takes the range of s from the map itself, multiplies int8 with int8 and gives floats (TFLite's dynamic
range, XNNPACK's qd8). It pays where the processor multiplies int8 much faster than floats and the runtime has the
kernels: LiteRT 2. TFLite Micro refuses such operators, tflite-runtime 2.14 runs them slowly.
"""

from copy import copy
from dataclasses import replace

import numpy as np

from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor, verify

VERSION = {OpKind.CONV_2D: 5, OpKind.FULLY_CONNECTED: 9}
WORTH = 1024
"""Weights from which on quantizing the map pays."""


def dynamic_range(graph: Graph, first: int) -> Graph:
    """The graph with the large kernels of the operators from number ``first`` on left int8."""
    packed = {
        op.outputs[0]: op.inputs[0]
        for op in graph.ops[first:]
        if op.kind == OpKind.DEQUANTIZE and _is_kernel(graph.tensors[op.inputs[0]])
    }
    tensors = list(graph.tensors)
    ops: list[Op] = list(graph.ops[:first])
    for op in graph.ops[first:]:
        if op.kind in VERSION and op.inputs[1] in packed:
            kernel = packed[op.inputs[1]]
            tensors[kernel] = _by_channel(graph.tensors[kernel], op)
            options = copy(op.options)
            if op.kind == OpKind.FULLY_CONNECTED:
                options.asymmetricQuantizeInputs = True
            inputs = (op.inputs[0], kernel, *op.inputs[2:])
            op = replace(op, inputs=inputs, options=options, version=VERSION[op.kind])
        ops.append(op)
    read = {t for op in ops for t in op.inputs}
    kept = tuple(op for i, op in enumerate(ops) if i < first or op.outputs[0] in read or op.outputs[0] not in packed)
    changed = replace(graph, tensors=tuple(tensors), ops=kept)
    verify(changed)
    return changed


def _is_kernel(tensor: Tensor) -> bool:
    moved = tensor.quantization is not None and bool(tensor.quantization.zero_point.any())
    return tensor.is_constant and tensor.dtype == DType.INT8 and int(np.prod(tensor.shape)) >= WORTH and not moved


def _by_channel(kernel: Tensor, op: Op) -> Tensor:
    """Convolutions want a scale for each output channel, also where all are equal."""
    quantization = kernel.quantization
    if op.kind == OpKind.FULLY_CONNECTED or quantization is None:
        return kernel
    out = kernel.shape[0]
    scale = np.full(out, quantization.scale[0], np.float32)
    return replace(kernel, quantization=Quantization(scale, np.zeros(out, np.int64), 0))
