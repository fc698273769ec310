"""Float32 networks: models with their 8-bit weights as float32, and a network of many operators."""

from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, DType, Graph, OpKind


def in_float(graph: Graph) -> Graph:
    """The model with its 8-bit weights as float32, which LiteRT does not quantize its maps for."""
    tensors = list(graph.tensors)
    for i, tensor in enumerate(tensors):
        if tensor.is_constant and tensor.dtype == DType.INT8:
            data = np.ascontiguousarray(tensor.real, np.float32).reshape(-1).view(np.uint8)
            tensors[i] = replace(tensor, dtype=DType.FLOAT32, data=data, quantization=None, rest=None)
    return replace(graph, tensors=tuple(tensors))


def mixed() -> Graph:
    """What the models above have not: functions, moves, pools, products of maps."""
    random = np.random.default_rng(2)
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 6, 8, 4))

    def constant(*shape: int) -> int:
        return build.const(random.normal(0, 0.5, shape).astype(np.float32))

    y = build.add(build.mul(x, constant(4)), constant(6, 1, 1))
    kinds = (OpKind.LOGISTIC, OpKind.TANH, OpKind.HARD_SWISH, OpKind.EXP, OpKind.ABS, OpKind.NEG, OpKind.RELU6)
    parts = [build.op(kind, [y], (1, 6, 8, 4)) for kind in kinds]
    parts.append(build.op(OpKind.LEAKY_RELU, [y], (1, 6, 8, 4), schema.LeakyReluOptionsT(alpha=0.3)))
    y = build.concat(parts, 3)
    y = build.transpose(y, [0, 2, 3, 1])
    y = build.slice(y, [0, 1, 2, 1], [1, 7, 29, 5])
    pools = schema.Pool2DOptionsT(padding=0, strideH=2, strideW=3, filterHeight=3, filterWidth=2)
    pools.fusedActivationFunction = 0
    tops = [build.op(kind, [y], (1, 4, 10, 5), pools) for kind in (OpKind.MAX_POOL_2D, OpKind.AVERAGE_POOL_2D)]
    y = build.div(build.mul(*tops), build.add(build.op(OpKind.ABS, [tops[0]], (1, 4, 10, 5)), build.const(1.0)))
    y = build.sub(y, build.sum(y, [1, 2], keep_dims=True))
    y = build.op(OpKind.SOFTMAX, [build.reshape(y, (1, 200))], (1, 200), schema.SoftmaxOptionsT(beta=0.7))
    return build.finish([y])
