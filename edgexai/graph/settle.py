"""settled: Graph -> Graph with the shapes that its tensors really have, for models converted with an open batch.

A converter that does not know the batch writes 1 for it, and what it computes from that (padding into batches, shapes
made of SHAPE, STRIDED_SLICE and PACK) may be wrong in the file and right only once the runtime has run. What is
computed from shapes alone is then a constant, and its operators are left out.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as runtime
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.graph.ir import DType, Graph, Op, Tensor
from edgexai.graph.opkind import OpKind
from edgexai.graph.write import serialize

MOST = 1 << 28
"""Values that an input may have."""
WHOLE = {DType.INT32, DType.INT64, DType.BOOL}
ARITHMETIC = {
    OpKind.ADD,
    OpKind.CAST,
    OpKind.CONCATENATION,
    OpKind.DIV,
    OpKind.EQUAL,
    OpKind.EXPAND_DIMS,
    OpKind.FILL,
    OpKind.FLOOR_DIV,
    OpKind.FLOOR_MOD,
    OpKind.GATHER,
    OpKind.GREATER,
    OpKind.GREATER_EQUAL,
    OpKind.LESS,
    OpKind.LESS_EQUAL,
    OpKind.MAXIMUM,
    OpKind.MINIMUM,
    OpKind.MUL,
    OpKind.NEG,
    OpKind.NOT_EQUAL,
    OpKind.PACK,
    OpKind.RANGE,
    OpKind.RANK,
    OpKind.REDUCE_MAX,
    OpKind.REDUCE_PROD,
    OpKind.RESHAPE,
    OpKind.SELECT,
    OpKind.SELECT_V2,
    OpKind.SLICE,
    OpKind.SPLIT,
    OpKind.SPLIT_V,
    OpKind.SQUEEZE,
    OpKind.STRIDED_SLICE,
    OpKind.SUB,
    OpKind.TILE,
    OpKind.TRANSPOSE,
    OpKind.UNPACK,
}
"""What shapes are computed with."""


def settled(graph: Graph, inputs: Sequence[Sequence[int]] | None = None) -> Graph:
    """The same model for a batch of one, every shape as it is then; the graph itself if no shape is open.

    ``inputs`` are the shapes of the model's inputs, where the file leaves more open than the batch. Raises ModelError
    if such a shape is open and neither file nor ``inputs`` name its lengths, or the model does not run.
    """
    arithmetic = _of_shapes(graph)
    is_open = any(_is_open(t) for t in graph.tensors) or any(_computed_shape(graph, op) for op in graph.ops)
    if not is_open and not arithmetic and inputs is None:
        return graph
    if inputs is not None and len(inputs) != len(graph.inputs):
        raise ModelError(f"the model takes {len(graph.inputs)} inputs; name a shape for each of them")
    for t in graph.inputs if inputs is None else ():
        open_axes = [i for i, n in enumerate(_signature(graph.tensors[t])) if n < 0]
        if any(axis > 0 and graph.tensors[t].shape[axis] <= 1 for axis in open_axes):
            given = ", ".join("?" if n < 0 else str(n) for n in _signature(graph.tensors[t]))
            raise ModelError(
                f"input {graph.tensors[t].name!r} has the open shape ({given}); name one with --shape, as in "
                f"--shape {'x'.join('96' if n < 0 else str(n) for n in _signature(graph.tensors[t]))}"
            )
    inner = _run(graph, inputs)
    shapes = _shapes(graph, inner)
    tensors = [replace(t, shape=shapes[i], rest=_closed(t.rest)) for i, t in enumerate(graph.tensors)]
    for op in arithmetic:
        for t in op.outputs:
            value = np.ascontiguousarray(inner.get_tensor(t))
            tensors[t] = replace(tensors[t], shape=value.shape, data=value.reshape(-1).view(np.uint8))
    ops = []
    for op in graph.ops:
        if op in arithmetic:
            continue
        if _computed_shape(graph, op):
            shape = np.array(tensors[op.outputs[0]].shape, np.int32)
            tensors.append(
                Tensor(f"{tensors[op.outputs[0]].name}/shape", shape.shape, DType.INT32, shape.view(np.uint8))
            )
            options = schema.ReshapeOptionsT(newShape=shape)
            op = Op(op.kind, (op.inputs[0], len(tensors) - 1), op.outputs, options, op.version, op.custom, op.rest)
        ops.append(op)
    result = replace(graph, tensors=tuple(tensors), ops=tuple(ops))
    object.__setattr__(result, "sha256", graph.sha256)  # still the model of that file
    return result


def values(graph: Graph, tensors: Sequence[int]) -> dict[int, NDArray[Any]]:
    """What computed tensors hold that do not depend on the input, from one run of the model on zeros."""
    inner = _run(graph, None) if tensors else None
    return {t: np.ascontiguousarray(inner.get_tensor(t)) for t in tensors if inner is not None}


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


def _of_shapes(graph: Graph) -> set[Op]:
    """The operators that compute whole numbers from shapes and constants alone."""
    fixed = {i for i, t in enumerate(graph.tensors) if t.is_constant}
    found: set[Op] = set()
    for op in graph.ops:
        whole = all(graph.tensors[t].dtype in WHOLE for t in op.outputs) and not set(op.outputs) & set(graph.outputs)
        known = op.kind == OpKind.SHAPE or (op.kind in ARITHMETIC and all(t in fixed for t in op.inputs if t >= 0))
        if op.outputs and whole and known:
            fixed.update(op.outputs)
            found.add(op)
    return found


def _resized(inner: Any, port: Any, shape: list[int]) -> None:
    try:
        inner.resize_tensor_input(port["index"], shape, strict=True)
    except (ValueError, RuntimeError) as error:
        takes = "x".join("?" if n < 0 else str(n) for n in port["shape_signature"])
        asked = "x".join(map(str, shape))
        raise ModelError(f"input {port['name']!r} takes {takes}, not {asked}; only a ? can be chosen") from error


def _run(graph: Graph, inputs: Sequence[Sequence[int]] | None) -> Any:
    """The runtime after one run on zeros."""
    try:
        inner = runtime.Interpreter(
            model_content=serialize(graph),
            experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        for port, shape in zip(inner.get_input_details(), inputs or (), strict=False):
            if prod(shape) > MOST or any(n < 1 for n in shape):
                raise ModelError(f"an input of shape {tuple(shape)} makes no sense; name a smaller one")
            _resized(inner, port, [int(n) for n in shape])
        inner.allocate_tensors()
        inner.invoke()
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"the model does not run, so that its open shapes stay unknown ({_first(error)}); name one with --shape"
        ) from error
    return inner


def _first(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")


def _shapes(graph: Graph, inner: Any) -> list[tuple[int, ...]]:
    found = {d["index"]: tuple(int(n) for n in d["shape"]) for d in inner.get_tensor_details()}
    return [found.get(i, t.shape) for i, t in enumerate(graph.tensors)]
