"""unrolled: a streaming model -> one without variables that takes the last n steps at once, for explaining over them.

    VAR_HANDLE, READ_VARIABLE, …, ASSIGN_VARIABLE, n times    ->    the steps one after another, what was assigned at
    one of them read at the next

It begins from the state that CALL_ONCE sets, and answers what the model answers to its last step after such a reset.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.errors import ConfigError, ModelError
from edgexai.graph.builder import Builder
from edgexai.graph.ir import DType, Graph, Op, Tensor
from edgexai.graph.opkind import OpKind

STATEFUL = {OpKind.CALL_ONCE, OpKind.VAR_HANDLE, OpKind.READ_VARIABLE, OpKind.ASSIGN_VARIABLE}
MOST = 1000


def unrolled(graph: Graph, steps: int) -> Graph:
    """The model over ``steps`` steps: input (1, steps, values of a step) in the model's own type, its own outputs.

    Raises ConfigError for a model whose memory is not in variables that a constant sets.
    """
    if not 1 <= steps <= MOST:
        raise ConfigError(f"{steps} steps cannot be unrolled; choose 1 to {MOST}")
    if not any(op.kind == OpKind.READ_VARIABLE for op in graph.ops):
        raise ConfigError("the model has no variables that would carry steps on; explain it without steps")
    if len(graph.inputs) != 1:
        raise ConfigError("a streaming model with several inputs cannot be unrolled; explain its single steps")
    try:
        return _written_out(graph, steps)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"the model's variables contradict its operators ({error}); convert the model again"
        ) from error


def _written_out(graph: Graph, steps: int) -> Graph:
    state = _reset(graph)
    build = Builder(replace(graph, tensors=(), ops=(), inputs=(), outputs=(), subgraphs=(), signatures=()), "steps")
    one = graph.tensors[graph.inputs[0]]
    width = prod(one.shape)
    build.tensors.append(replace(one, shape=(1, steps, width), rest=None))
    build.inputs.append(0)
    outputs: list[int] = []
    for step in range(steps):
        x = _moved(build, one, OpKind.SLICE, 0, (1, 1, width), ((0, step, 0), (1, 1, width)), schema.SliceOptionsT())
        reshape = schema.ReshapeOptionsT(newShape=np.array(one.shape, np.int32))
        x = _moved(build, one, OpKind.RESHAPE, x, one.shape, (one.shape,), reshape)
        outputs = _step(build, graph, x, state)
    return build.finish(outputs)


def _reset(graph: Graph) -> dict[bytes, Tensor | int]:
    """What each variable holds at first."""
    state: dict[bytes, Tensor | int] = {}
    for once in (op for op in graph.ops if op.kind == OpKind.CALL_ONCE):
        part = graph.subgraphs[once.options.initSubgraphIndex - 1]
        names = _names(part)
        for op in part.ops:
            if op.kind == OpKind.ASSIGN_VARIABLE and part.tensors[op.inputs[1]].is_constant:
                state[names[op.inputs[0]]] = part.tensors[op.inputs[1]]
    return state


def _names(graph: Graph) -> dict[int, bytes]:
    return {
        op.outputs[0]: bytes(op.options.container or b"") + b"/" + bytes(op.options.sharedName or b"")
        for op in graph.ops
        if op.kind == OpKind.VAR_HANDLE
    }


def _step(build: Builder, graph: Graph, x: int, state: dict[bytes, Tensor | int]) -> list[int]:
    """Append one step; its outputs. ``state`` becomes what the step assigns."""
    names, there = _names(graph), {graph.inputs[0]: x}
    there |= {t: build.kept(tensor) for t, tensor in enumerate(graph.tensors) if tensor.is_constant}
    for op in graph.ops:
        if op.kind == OpKind.READ_VARIABLE:
            held = state.get(names[op.inputs[0]])
            if held is None:
                raise ConfigError(f"the variable {names[op.inputs[0]].decode()!r} is not set by a constant at first")
            like = graph.tensors[op.outputs[0]]
            there[op.outputs[0]] = held if isinstance(held, int) else build.kept(_typed(held, like))
            state[names[op.inputs[0]]] = there[op.outputs[0]]
        elif op.kind == OpKind.ASSIGN_VARIABLE:
            state[names[op.inputs[0]]] = there[op.inputs[1]]
        elif op.kind not in STATEFUL:
            _append(build, graph, op, there)
    return [there[t] for t in graph.outputs]


def _typed(held: Tensor, like: Tensor) -> Tensor:
    return replace(held, quantization=like.quantization, rest=None)


def _append(build: Builder, graph: Graph, op: Op, there: dict[int, int]) -> None:
    if any(graph.tensors[t].is_variable for t in op.inputs if t >= 0):
        raise ConfigError(
            f"{op.kind.name} keeps a memory of its own, which cannot be unrolled; explain its single steps"
        )
    outputs = tuple(build.computed(graph.tensors[t]) for t in op.outputs)
    inputs = tuple(there[t] if t >= 0 else t for t in op.inputs)
    build.ops.append(replace(op, inputs=inputs, outputs=outputs))
    there.update(zip(op.outputs, outputs, strict=True))


def _moved(
    build: Builder, like: Tensor, kind: OpKind, x: int, shape: tuple[int, ...], arguments: Any, options: Any
) -> int:
    """A SLICE or RESHAPE in the input's own type."""
    out = build.computed(replace(like, name=f"{like.name}/{len(build.ops)}", shape=shape, rest=None))
    inputs = (x, *(build.const([int(n) for n in a]) for a in arguments))
    build.ops.append(Op(kind, inputs, (out,), options, _version(kind, like)))
    return out


def _version(kind: OpKind, like: Tensor) -> int:
    versions: Mapping[DType, int] = {DType.INT8: 2, DType.INT16: 4} if kind == OpKind.SLICE else {}
    return versions.get(like.dtype, 1)
