"""ADD, SUB and SQUARED_DIFFERENCE of maps: each summand by its share of the sum (zennit's Norm)."""

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions import elementwise
from edgexai.relevance.functions.activation import undo_fused
from edgexai.relevance.moves.reduce import unbroadcast
from edgexai.relevance.reading.questions import fused_activation
from edgexai.relevance.rules import TINY, NormPlus, Rule


def addition(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R_i = x_i / Σ x · R; as a factor it is the same for every summand."""
    build, y = back.build, op.outputs[0]
    flow = back.full(flow, y)
    both = all(back.is_dynamic(t) for t in op.inputs)
    if (both or elementwise.rescales_input(back, op)) and elementwise.passed(back, op, flow):
        return
    if isinstance(rule, NormPlus) and both:
        _by_sign(back, op, flow)
        return
    if flow.is_factor and fused_activation(op) in (0, 1) and back.is_coarse(y, rule.stabilizer):
        factor = back.over_output(op, flow, rule.stabilizer)
    else:
        # From the summands themselves: an int8 output is rounded, and a fused RELU6 has cut it.
        a, b = (back.real_value(t) for t in op.inputs)
        z = build.add(a, b) if op.kind == OpKind.ADD else build.sub(a, b)
        factor = build.div(back.relevance(y, flow), back.stabilized(z, rule.stabilizer))
    _to_summands(back, op, factor)


def _by_sign(back: Backward, op: Op, flow: Flow) -> None:
    """R_i = max(s·x_i, 0) / Σ max(s·x, 0) · R, s being the sign of the sum."""
    build, y = back.build, op.outputs[0]
    a, b = (back.value(t) for t in op.inputs)
    if op.kind != OpKind.ADD:
        b = build.mul(b, build.const(-1.0))
    r = back.relevance(y, flow)
    if not all(back.nonnegative(t) for t in op.inputs) or op.kind != OpKind.ADD:
        if not back.nonnegative(y):
            sign = back.sign(build.add(a, b))
            a, b = build.mul(a, sign), build.mul(b, sign)
        a, b = build.relu(a), build.relu(b)
    share = build.div(r, build.add(build.add(a, b), build.const(TINY)))
    for t, part in zip(op.inputs, (a, b), strict=True):
        got = build.mul(part, share)
        fits = build.shape(got) == build.shape(t)
        back.give(t, Flow(got if fits else unbroadcast(back, got, build.shape(t)), is_factor=False))


def addition_of_many(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """ADD_N: the same factor for every summand."""
    factor = back.over_output(op, back.full(flow, op.outputs[0]), rule.stabilizer)
    for t in op.inputs:
        back.give(t, Flow(factor, is_factor=True))


def squared_difference(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """(a - b)²: the square hands on what a - b then shares out."""
    build, y = back.build, op.outputs[0]
    a, b = (back.real_value(t) for t in op.inputs)
    r = back.relevance(y, back.full(undo_fused(back, op, flow), y))
    _to_summands(back, op, build.div(r, back.stabilized(build.sub(a, b), rule.stabilizer)))


def _to_summands(back: Backward, op: Op, factor: int) -> None:
    """The factor of a sum to each of its summands."""
    build, y = back.build, op.outputs[0]
    for position, t in enumerate(op.inputs):
        if back.is_dynamic(t):
            turned = position == 1 and op.kind != OpKind.ADD
            here = build.mul(factor, build.const(-1.0)) if turned else factor
            if build.shape(t) != build.shape(y):
                here = unbroadcast(back, here, build.shape(t))
            back.give(t, Flow(here, is_factor=True))
