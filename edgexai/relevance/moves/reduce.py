"""MEAN, SUM, CUMSUM over axes: each input by its share; TILE and BROADCAST_TO: each input all that its copies got."""

from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R_i = x_i / Σ x · R over the axes that were reduced (zennit's Norm)."""
    build, x, y = back.build, op.inputs[0], op.outputs[0]
    shape = build.shape(x)
    over = {int(a) % len(shape) for a in np.atleast_1d(back.fixed(op, 1, "axes"))}
    s = back.over_output(op, back.full(flow, y), rule.stabilizer)
    if op.kind == OpKind.MEAN:
        s = build.mul(s, build.const(np.float32(1 / prod(shape[a] for a in over))))
    s = build.reshape(s, [1 if i in over else n for i, n in enumerate(shape)])
    back.give(
        x,
        Flow(
            build.mul(s, build.const(np.ones([n if i in over else 1 for i, n in enumerate(shape)], np.float32))),
            is_factor=True,
        ),
    )


def running(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """CUMSUM: each input by its share of every sum that it is part of, which are those in the other direction."""
    build, (x, axis) = back.build, op.inputs
    s = back.over_output(op, back.full(flow, op.outputs[0]), rule.stabilizer)
    options = schema.CumsumOptionsT(exclusive=bool(op.options.exclusive), reverse=not op.options.reverse)
    back.give(x, Flow(build.op(OpKind.CUMSUM, [s, axis], build.shape(x), options), is_factor=True))


def tile(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """TILE: the sum over the copies."""
    build, x, y = back.build, op.inputs[0], op.outputs[0]
    flow = back.full(flow, y)
    total, shape = flow.tensor, list(build.shape(y))
    for axis, times in enumerate(back.fixed(op, 1, "how often")):
        if times > 1:  # an axis at a time: the fast kernels know few axes
            shape[axis] //= int(times)
            copies = build.reshape(total, (prod(shape[:axis]), int(times), prod(shape[axis:])))
            total = build.sum(copies, [1])
    back.give(x, Flow(build.reshape(total, build.shape(x)), flow.is_factor))


def broadcast(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """BROADCAST_TO: the sum over the copies."""
    x = op.inputs[0]
    tensor = unbroadcast(back, back.full(flow, op.outputs[0]).tensor, back.build.shape(x))
    back.give(x, Flow(tensor, flow.is_factor))


def unbroadcast(back: Backward, s: int, shape: tuple[int, ...]) -> int:
    """Sum a map over the axes along which a smaller one was repeated."""
    build, wide = back.build, back.build.shape(s)
    padded = (1,) * (len(wide) - len(shape)) + shape
    axes = [i for i, (n, m) in enumerate(zip(wide, padded, strict=True)) if n != m]
    return build.reshape(build.sum(s, axes, keep_dims=True), shape)
