"""WHILE -> its body once for every round, which relevance then goes back through.

Keras turns LSTM and GRU into loops over a counter. Counters and shapes are computed here, so that the copies hold
nothing but maps; the loop itself stays and predicts.
"""

import numpy as np

from edgexai.graph import Builder, Graph, Op, OpKind
from edgexai.graph.loops import FOLDED, WHOLE
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule

ROUNDS = 1000


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of what a loop leaves -> relevance of what it began with."""
    build = back.build
    cond = back.graph.subgraphs[op.options.condSubgraphIndex - 1]
    body = back.graph.subgraphs[op.options.bodySubgraphIndex - 1]
    mark = len(build.ops)
    state = list(op.inputs)
    for _ in range(ROUNDS):
        (goes_on,) = copied(build, cond, state)
        if not build.tensors[goes_on].is_constant:
            raise back.unsupported(op, "a length that is computed has no rule", "build the model for a fixed length")
        if not build.tensors[goes_on].array:
            break
        state = copied(build, body, state)
    else:
        raise back.unsupported(op, f"more than {ROUNDS} rounds are not unrolled", "explain a shorter sequence")
    back.walk_inside(op, rule, build.ops[mark:], dict(zip(op.outputs, state, strict=True)))


def copied(build: Builder, graph: Graph, inputs: list[int]) -> list[int]:
    """Append the operators of a subgraph to compute on ``inputs``; its outputs. What is constant is computed."""
    there = dict(zip(graph.inputs, inputs, strict=True))
    for t, tensor in enumerate(graph.tensors):
        if tensor.is_constant:
            there[t] = build.kept(tensor)
    for op in graph.ops:
        found = [there.get(t, -1) for t in op.inputs]
        values = [build.tensors[t] for t in found if t >= 0]
        if op.kind in FOLDED and all(v.is_constant and v.dtype in WHOLE for v in values):
            there[op.outputs[0]] = build.const(np.asarray(FOLDED[op.kind]([v.array for v in values], op.options)))
        elif op.kind == OpKind.SLICE:
            there[op.outputs[0]] = _slice(build, *found)
        elif op.kind == OpKind.CONCATENATION:
            parts = [t for t in found if 0 not in build.shape(t)]
            there[op.outputs[0]] = build.concat(parts, op.options.axis) if len(parts) > 1 else parts[0]
        else:
            outputs = tuple(build.computed(graph.tensors[t]) for t in op.outputs)
            build.ops.append(Op(op.kind, tuple(found), outputs, op.options, op.version, op.custom, op.rest))
            there.update(zip(op.outputs, outputs, strict=True))
    return [there[t] for t in graph.outputs]


def _slice(build: Builder, x: int, begin: int, size: int) -> int:
    """A piece; an empty one is an empty constant."""
    start = [int(n) for n in build.tensors[begin].array]
    ends = [
        n - at if long < 0 else int(long)
        for n, at, long in zip(build.shape(x), start, build.tensors[size].array, strict=True)
    ]
    return build.slice(x, start, ends) if all(ends) else build.const(np.zeros(ends, np.float32))
