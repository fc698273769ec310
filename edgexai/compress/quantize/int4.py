"""narrow: int8 Graph -> Graph whose kernels with weights of -7 … 7 are stored as int4, two a byte.

The last step before a file is written: the values are the same and so are the results. LiteRT and tflite-runtime 2.14
unpack them when they load the model; TFLite Micro has int4 kernels for the same three operators.
"""

from dataclasses import replace

import numpy as np

from edgexai.compress.prune.shrink import compact
from edgexai.graph import DType, Graph, Op, OpKind, Tensor, verify

VERSION = {OpKind.CONV_2D: 7, OpKind.DEPTHWISE_CONV_2D: 7, OpKind.FULLY_CONNECTED: 10}
"""The version of each operator that reads int4 weights."""
MOST = 7


def narrow(graph: Graph) -> Graph:
    """The graph with every kernel that fits in int4; the others stay as they are."""
    tensors = list(graph.tensors)
    ops = [_narrow(graph, op, tensors) for op in graph.ops]
    small = compact(replace(graph, tensors=tuple(tensors), ops=tuple(ops)))
    verify(small)
    return small


def _narrow(graph: Graph, op: Op, tensors: list[Tensor]) -> Op:
    if op.kind not in VERSION or graph.tensors[op.inputs[0]].dtype != DType.INT8:
        return op
    kernel = graph.tensors[op.inputs[1]]
    if not kernel.is_constant or kernel.dtype != DType.INT8 or np.abs(kernel.array.astype(int)).max(initial=0) > MOST:
        return op
    tensors.append(replace(kernel, dtype=DType.INT4, data=pack(kernel.array)))
    return replace(op, inputs=(op.inputs[0], len(tensors) - 1, *op.inputs[2:]), version=VERSION[op.kind])


def pack(values: np.ndarray) -> np.ndarray:
    """Integers -8 … 7 as nibbles, the first in the low half of its byte."""
    nibbles = np.append(values.ravel(), np.zeros(values.size % 2, values.dtype)).astype(np.int8).view(np.uint8) & 15
    return np.asarray(nibbles[0::2] | nibbles[1::2] << 4, np.uint8)
