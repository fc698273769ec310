"""ADD and SUB of maps: each summand by its share of the sum (zennit's Norm)."""

import numpy as np

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow, fused_activation
from edgexai.relevance.reduce import unbroadcast
from edgexai.relevance.rules import Rule


def addition(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R_i = x_i / Σ x · R; as a factor it is the same for every summand."""
    build, y = back.build, op.outputs[0]
    flow = back.full(flow, y)
    if flow.is_factor and fused_activation(op) in (0, 1) and back.is_coarse(y, rule.stabilizer):
        factor = back.over_output(op, flow, rule.stabilizer)
    else:
        # From the summands themselves: an int8 output is rounded, and a fused RELU6 has cut it.
        a, b = (_value(back, t) for t in op.inputs)
        z = build.add(a, b) if op.kind == OpKind.ADD else build.sub(a, b)
        factor = build.div(back.relevance(y, flow), back.stabilized(z, rule.stabilizer))
    for position, t in enumerate(op.inputs):
        if back.is_dynamic(t):
            sign = -1.0 if position == 1 and op.kind == OpKind.SUB else 1.0
            here = factor if sign > 0 else build.mul(factor, build.const(sign))
            if build.shape(t) != build.shape(y):
                here = unbroadcast(back, here, build.shape(t))
            back.give(t, Flow(here, is_factor=True))


def _value(back: Backward, t: int) -> int:
    constant = back.constant(t)
    return back.value(t) if constant is None else back.build.const(np.asarray(constant.real, np.float32))
