"""apart: Graph -> Graph whose reshaped tensors no kernel writes over while they are still to be read.

LiteRT keeps y = Reshape(x) in the buffer of x, and lets z = Mul(y, …) write into the buffer of y if nothing else reads
y. If x itself was written over what *it* was computed from, LiteRT (2.3, plain kernels) forgets to ask who else reads
x, and z overwrites it. A second reader of y, another Reshape, keeps z out.
"""

from dataclasses import replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph.ir import DType, Graph, Op, Tensor
from edgexai.graph.opkind import OpKind

VIEWS = {OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS}
IN_PLACE = {OpKind.ADD, OpKind.SUB, OpKind.MUL, OpKind.DIV}


def apart(graph: Graph, own: int) -> Graph:
    """The graph with second readers where they are needed, behind its first ``own`` operators."""
    consumers, producers = graph.consumers(), graph.producers()
    tensors = list(graph.tensors)
    further: dict[int, list[Op]] = {}
    for number, op in enumerate(graph.ops):
        if op.kind not in VIEWS or not op.inputs or not op.outputs or op.inputs[0] not in producers:
            continue
        x, y = op.inputs[0], op.outputs[0]
        readers = consumers.get(y, [])
        if graph.ops[producers[x]].kind not in IN_PLACE or len(readers) != 1 or y in graph.outputs:
            continue
        if graph.ops[readers[0]].kind in IN_PLACE and _last_reader(graph, consumers, x) > readers[0]:
            tensors.append(replace(tensors[y], name=f"{tensors[y].name}/again", rest=None))
            shape = np.array(tensors[y].shape, np.int32)
            name = f"{tensors[y].name}/again/shape"
            tensors.append(Tensor(name, shape.shape, DType.INT32, shape.view(np.uint8)))
            options = schema.ReshapeOptionsT(newShape=shape)
            second = Op(OpKind.RESHAPE, (y, len(tensors) - 1), (len(tensors) - 2,), options)
            further.setdefault(max(number, own - 1), []).append(second)
    if not further:
        return graph
    ops = [o for number, op in enumerate(graph.ops) for o in (op, *further.get(number, ()))]
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _last_reader(graph: Graph, consumers: dict[int, list[int]], t: int) -> int:
    """The last operator that reads a tensor or a view of it; beyond all if it is an output."""
    if t in graph.outputs:
        return len(graph.ops)
    last = -1
    for number in consumers.get(t, []):
        op = graph.ops[number]
        inside = _last_reader(graph, consumers, op.outputs[0]) if op.kind in VIEWS and op.outputs else -1
        last = max(last, number, inside)
    return last
