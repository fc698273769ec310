"""MAXIMUM, MINIMUM, REDUCE_MAX, REDUCE_MIN: the winner takes all, equals share (the gradient's way)."""

import numpy as np

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions.activation import undo_fused
from edgexai.relevance.moves.reduce import unbroadcast
from edgexai.relevance.rules import Rule

LARGEST = {OpKind.MAXIMUM, OpKind.REDUCE_MAX, OpKind.MAX_POOL_2D}


def between(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """The larger, or smaller, of two maps, or of a map and a constant."""
    build, y = back.build, op.outputs[0]
    flow = back.full(undo_fused(back, op, flow), y)
    wins = [reaches(back, op, y, back.real_value(t)) for t in op.inputs]
    share = build.div(flow.tensor, build.add(wins[0], wins[1]))
    for t, win in zip(op.inputs, wins, strict=True):
        if back.is_dynamic(t):
            got = build.mul(win, share)
            fits = build.shape(got) == build.shape(t)
            back.give(t, Flow(got if fits else unbroadcast(back, got, build.shape(t)), flow.is_factor))


def over_axes(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """The largest, or smallest, value along axes, as global pooling takes it."""
    build, x, y = back.build, op.inputs[0], op.outputs[0]
    shape = build.shape(x)
    over = {int(a) % len(shape) for a in np.atleast_1d(back.fixed(op, 1, "axes"))}
    kept = [1 if i in over else n for i, n in enumerate(shape)]
    wins = reaches(back, op, build.reshape(back.value(y), kept), back.value(x))
    winners = build.sum(wins, sorted(over), keep_dims=True)
    share = build.div(build.reshape(back.full(flow, y).tensor, kept), winners)
    back.give(x, Flow(build.mul(wins, share), flow.is_factor))


def reaches(back: Backward, op: Op, extremum: int, value: int) -> int:
    """1 where a value is the extremum (it is never beyond), else 0."""
    build = back.build
    top = back.value(extremum)
    apart = build.sub(top, value) if op.kind in LARGEST else build.sub(value, top)
    below = build.mul(apart, build.const(1e30))
    return build.sub(build.const(1.0), below, "RELU")
