"""What a streaming model keeps from call to call: VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, and CALL_ONCE at first.

A variable lies in the arena and is alive at every step. It is read where it lies if nobody reads what was there after
it has been assigned, and copied otherwise.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from converters.c99.lowering import Lowering
from converters.c99.schedule import Buffer, Literal, Step
from edgexai.graph import Graph, Op, OpKind

ALIASES = (OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS)


def handle(low: Lowering, op: Op) -> None:
    """VAR_HANDLE: the variable's memory."""
    t = op.outputs[0]
    named = _names(low.graph)[t]
    sharing = [h for h, name in _names(low.graph).items() if name == named]
    sizes = {prod(low.tensor(_value(one)).shape) for one in low.graph.ops if _variable(one) in sharing}
    if len(sizes) != 1:
        raise low.refuse("it is read and assigned in several sizes, or in none")
    first = _first(low.graph).get(named)
    size = sizes.pop()
    if first is None or first.dtype != np.int8 or first.size != size:
        raise low.refuse("no constant of int8 sets it at first")
    name = f"v{min(sharing)}"
    low.home[t] = name
    low.buffers[name] = Buffer(name, size, "state")
    low.states[name] = first.reshape(-1)


def read(low: Lowering, op: Op) -> None:
    """READ_VARIABLE."""
    state, y = low.home[op.inputs[0]], op.outputs[0]
    low.scale(y)
    same, last = {y}, low.at
    for i in range(low.at + 1, len(low.graph.ops)):
        one = low.graph.ops[i]
        if same & set(one.inputs):
            last = i
            same |= set(one.outputs) if one.kind in ALIASES else set()
    later = (i for i, one in enumerate(low.graph.ops) if one.kind == OpKind.ASSIGN_VARIABLE and i > low.at)
    assigned = min((i for i in later if low.home.get(low.graph.ops[i].inputs[0]) == state), default=None)
    if not same & set(low.graph.outputs) and (assigned is None or last < assigned):
        low.home[y] = state
        return
    target = low.new(y)
    _copy(low, target, state, low.buffers[state].size)


def assign(low: Lowering, op: Op) -> None:
    """ASSIGN_VARIABLE."""
    state, x = low.home[op.inputs[0]], op.inputs[1]
    source = low.value(x)
    if not isinstance(source, str):
        raise low.refuse("it assigns a constant")
    low.scale(x)
    if source != state:
        _copy(low, state, source, low.buffers[state].size)


def once(low: Lowering, op: Op) -> None:
    """CALL_ONCE: what it sets is what `…_reset` sets."""


def _copy(low: Lowering, target: str, source: str, size: int) -> None:
    label = low.label
    arguments = (target, source, Literal(str(size)))
    low.steps.append(Step("memcpy", "", {}, arguments, (source,), (target,), label, low.at))


def _variable(op: Op) -> int | None:
    return op.inputs[0] if op.kind in (OpKind.READ_VARIABLE, OpKind.ASSIGN_VARIABLE) else None


def _value(op: Op) -> int:
    return op.outputs[0] if op.kind == OpKind.READ_VARIABLE else op.inputs[1]


def _names(graph: Graph) -> dict[int, bytes]:
    """The name of each handle's variable."""
    return {
        op.outputs[0]: bytes(op.options.container or b"") + b"/" + bytes(op.options.sharedName or b"")
        for op in graph.ops
        if op.kind == OpKind.VAR_HANDLE
    }


def _first(graph: Graph) -> dict[bytes, NDArray[np.generic]]:
    """What variables hold at first, by name."""
    found: dict[bytes, NDArray[np.generic]] = {}
    for start in (op for op in graph.ops if op.kind == OpKind.CALL_ONCE):
        part = graph.subgraphs[start.options.initSubgraphIndex - 1]
        names = _names(part)
        for op in part.ops:
            if op.kind == OpKind.ASSIGN_VARIABLE and part.tensors[op.inputs[1]].is_constant:
                found[names[op.inputs[0]]] = part.tensors[op.inputs[1]].array
    return found
