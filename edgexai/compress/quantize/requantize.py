"""requantize: a float Graph that came of an integer one -> int8 again, with inputs and outputs as that one."""

from dataclasses import replace
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.compress.quantize.int8 import quantize
from edgexai.compress.quantize.scales import Ports
from edgexai.graph import DType, Graph, Op, OpKind, verify


def is_integer(graph: Graph) -> bool:
    """Whether a graph computes in int8, whatever its inputs and outputs are."""
    return any(graph.tensors[t].dtype == DType.INT8 for op in graph.ops for t in op.outputs)


def requantize(graph: Graph, samples: NDArray[Any], like: Graph) -> Graph:
    """The float32 graph in int8, its ports quantized or float32 as those of ``like``; ``samples`` (N, …) set ranges.

    Raises what `quantize` raises.
    """
    small = quantize(graph, samples, Ports.of(like))
    tensors = list(small.tensors)
    before: list[Op] = []
    after: list[Op] = []
    inputs, outputs = list(small.inputs), list(small.outputs)
    for ports, wanted, ops in ((inputs, like.inputs, before), (outputs, like.outputs, after)):
        for n, t in enumerate(ports):
            if like.tensors[wanted[n]].dtype != DType.FLOAT32 or tensors[t].dtype != DType.INT8:
                continue
            name = tensors[t].name
            tensors.append(replace(tensors[t], dtype=DType.FLOAT32, quantization=None))
            tensors[t] = replace(tensors[t], name=f"{name}/int8")
            ports[n] = len(tensors) - 1
            if ops is before:
                ops.append(Op(OpKind.QUANTIZE, (ports[n],), (t,), schema.QuantizeOptionsT(), 1))
            else:
                ops.append(Op(OpKind.DEQUANTIZE, (t,), (ports[n],), schema.DequantizeOptionsT(), 2))
    whole = (*before, *small.ops, *after)
    found = replace(small, tensors=tuple(tensors), ops=whole, inputs=tuple(inputs), outputs=tuple(outputs))
    verify(found)
    return found
