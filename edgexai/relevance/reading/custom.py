"""Graph -> Graph as relevance reads it: custom operators under a builtin name, weights that are computed as constants.

Convolution2DTransposeBias(x, w, b) -> TRANSPOSE_CONV(shape, w, x, b)          (MediaPipe's models)
CONV_2D(x, TRANSPOSE(w), b)         -> CONV_2D(x, w', b)
"""

import struct
from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, Graph, Op, OpKind, Tensor
from edgexai.graph.settle import values
from edgexai.relevance.reading.questions import constant_behind, dynamic

SAME = 1
LAYERS = {OpKind.CONV_2D, OpKind.CONV_3D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED, OpKind.BATCH_MATMUL}


def builtin(graph: Graph, build: Builder) -> Graph:
    """The graph as relevance reads it; its tensors keep their numbers, and it is not meant to be written."""
    ops = list(graph.ops)
    for i, op in enumerate(graph.ops):
        if op.kind == OpKind.CUSTOM and op.custom == "Convolution2DTransposeBias" and len(op.inputs) == 3:
            shape = build.const(np.array(graph.tensors[op.outputs[0]].shape, np.int32))
            ops[i] = _transposed_convolution(op, shape)
    known = _computed_weights(graph)
    for i, op in enumerate(ops):
        if op.kind in LAYERS and any(t in known for t in op.inputs[1:]):
            inputs = (op.inputs[0], *(build.kept(known[t]) if t in known else t for t in op.inputs[1:]))
            ops[i] = replace(op, inputs=inputs)
    return replace(graph, tensors=tuple(build.tensors), ops=tuple(ops))


def _computed_weights(graph: Graph) -> dict[int, Tensor]:
    """Weights and biases of layers that operators compute from constants alone."""
    producer, depends = graph.producers(), dynamic(graph)
    wanted = [
        t
        for op in graph.ops
        if op.kind in LAYERS
        for t in op.inputs[1:]
        if t in producer and t not in depends and constant_behind(graph, producer, t) is None
    ]
    found = values(graph, list(dict.fromkeys(wanted)))
    return {
        t: replace(graph.tensors[t], shape=value.shape, data=value.reshape(-1).view(np.uint8))
        for t, value in found.items()
    }


def _transposed_convolution(op: Op, shape: int) -> Op:
    x, weights, bias = op.inputs
    told = getattr(op.rest, "customOptions", None)
    data = b"" if told is None else bytes(bytearray(told))
    padding, width, height = struct.unpack("<3i", data[:12]) if len(data) >= 12 else (SAME, 2, 2)
    options = schema.TransposeConvOptionsT(padding=0 if padding == SAME else 1, strideW=width, strideH=height)
    return Op(OpKind.TRANSPOSE_CONV, (shape, weights, x, bias), op.outputs, options)
