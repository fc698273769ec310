"""Custom operators that do what a builtin one does: Graph -> Graph in which they are called by its name.

Convolution2DTransposeBias(x, w, b) -> TRANSPOSE_CONV(shape, w, x, b)          (MediaPipe's models)
"""

import struct
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, Graph, Op, OpKind

SAME = 1


def builtin(graph: Graph, build: Builder) -> Graph:
    """The graph as relevance reads it; its tensors keep their numbers, and it is not meant to be written."""
    ops = list(graph.ops)
    for i, op in enumerate(graph.ops):
        if op.kind == OpKind.CUSTOM and op.custom == "Convolution2DTransposeBias" and len(op.inputs) == 3:
            shape = build.const(np.array(graph.tensors[op.outputs[0]].shape, np.int32))
            ops[i] = _transposed_convolution(op, shape)
    return replace(graph, tensors=tuple(build.tensors), ops=tuple(ops))


def _transposed_convolution(op: Op, shape: int) -> Op:
    x, weights, bias = op.inputs
    told = getattr(op.rest, "customOptions", None)
    data = b"" if told is None else bytes(bytearray(told))
    padding, width, height = struct.unpack("<3i", data[:12]) if len(data) >= 12 else (SAME, 2, 2)
    options = schema.TransposeConvOptionsT(padding=0 if padding == SAME else 1, strideW=width, strideH=height)
    return Op(OpKind.TRANSPOSE_CONV, (shape, weights, x, bias), op.outputs, options)
