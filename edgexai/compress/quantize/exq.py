"""A graph as the `.exq` that travels; `edgexai.transit` restores it."""

from math import prod

from edgexai.compress.measure.macs import macs
from edgexai.graph import DType, Graph, serialize
from edgexai.transit import pack

PACKED = (DType.INT8, DType.INT16, DType.INT32)


def in_transit(graph: Graph) -> bytes:
    """The `.exq` of the file that the graph would be written to."""
    tensors = [t for part in graph.every() for t in part.tensors]
    return pack(serialize(graph), [t.array for t in tensors if t.is_constant and t.dtype in PACKED])


def four_bytes_each(graph: Graph) -> int:
    """Bytes of all weights and biases at four bytes a parameter."""
    constants = {
        t
        for i, op in enumerate(graph.ops)
        for t in op.inputs[1:3]
        if macs(graph, i) and t >= 0 and graph.tensors[t].is_constant
    }
    return 4 * sum(prod(graph.tensors[t].shape) for t in constants)
