"""settled: Graph -> Graph with the shapes that its tensors really have, for models converted with an open batch.

A converter that does not know the batch writes 1 for it, and what it computes from that (padding into batches, shapes
made of SHAPE, STRIDED_SLICE and PACK) may be wrong in the file and right only once the runtime has run.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as runtime
from ai_edge_litert import schema_py_generated as schema

from edgexai.errors import ModelError
from edgexai.graph.ir import DType, Graph, Op, Tensor
from edgexai.graph.opkind import OpKind
from edgexai.graph.write import serialize


def settled(graph: Graph) -> Graph:
    """The same model for a batch of one, every shape as it is then; the graph itself if no shape is open.

    Raises ModelError if more than the batch of an input is open, or the model does not run.
    """
    if not any(_is_open(t) for t in graph.tensors) and not any(_computed_shape(graph, op) for op in graph.ops):
        return graph
    for t in graph.inputs:
        open_axes = [i for i, n in enumerate(_signature(graph.tensors[t])) if n < 0]
        if any(axis > 0 for axis in open_axes):
            given = ", ".join("?" if n < 0 else str(n) for n in _signature(graph.tensors[t]))
            raise ModelError(
                f"input {graph.tensors[t].name!r} has the open shape ({given}); convert it with a fixed one"
            )
    shapes = _shapes(graph)
    tensors = [replace(t, shape=shapes[i], rest=_closed(t.rest)) for i, t in enumerate(graph.tensors)]
    ops = []
    for op in graph.ops:
        if _computed_shape(graph, op):
            shape = np.array(tensors[op.outputs[0]].shape, np.int32)
            tensors.append(
                Tensor(f"{tensors[op.outputs[0]].name}/shape", shape.shape, DType.INT32, shape.view(np.uint8))
            )
            options = schema.ReshapeOptionsT(newShape=shape)
            op = Op(op.kind, (op.inputs[0], len(tensors) - 1), op.outputs, options, op.version, op.custom, op.rest)
        ops.append(op)
    return replace(graph, tensors=tuple(tensors), ops=tuple(ops))


def _signature(tensor: Tensor) -> tuple[int, ...]:
    signature = getattr(tensor.rest, "shapeSignature", None)
    return tensor.shape if signature is None else tuple(int(n) for n in signature)


def _is_open(tensor: Tensor) -> bool:
    return any(n < 0 for n in _signature(tensor))


def _computed_shape(graph: Graph, op: Op) -> bool:
    return op.kind == OpKind.RESHAPE and len(op.inputs) > 1 and not graph.tensors[op.inputs[1]].is_constant


def _closed(rest: Any) -> Any:
    if rest is None or getattr(rest, "shapeSignature", None) is None:
        return rest
    closed = type(rest)()
    closed.__dict__.update(rest.__dict__, shapeSignature=None)
    return closed


def _shapes(graph: Graph) -> list[tuple[int, ...]]:
    """What the runtime says after one run on zeros."""
    try:
        inner = runtime.Interpreter(
            model_content=serialize(graph),
            experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        inner.allocate_tensors()
        inner.invoke()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"the model does not run, so that its open shapes stay unknown: {error}") from error
    found = {d["index"]: tuple(int(n) for n in d["shape"]) for d in inner.get_tensor_details()}
    return [found.get(i, t.shape) for i, t in enumerate(graph.tensors)]
