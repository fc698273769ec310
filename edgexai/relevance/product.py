"""MUL and DIV: a constant scales, a gate takes none, two signals take half each.

Gates (Arras et al. 2017): in signal · gate the signal takes all the relevance. A gate is what comes out of a
logistic or of a normalization's 1/√variance; two maps of equal standing get half each (AttnLRP, Achtibat et al.
2024, eq. 13).
"""

import numpy as np

from edgexai.graph import Op, OpKind
from edgexai.relevance import elementwise
from edgexai.relevance.activation import undo_fused
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.questions import fused_activation
from edgexai.relevance.reduce import unbroadcast
from edgexai.relevance.rules import Rule

RELU6 = 3
GATES = {OpKind.LOGISTIC, OpKind.RSQRT, OpKind.HARD_SWISH}
CARRY = {OpKind.DEQUANTIZE, OpKind.QUANTIZE, OpKind.RESHAPE, OpKind.EXPAND_DIMS, OpKind.SQUEEZE}


def multiplication(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R of a product."""
    a, b = op.inputs
    flow = back.full(undo_fused(back, op, flow), op.outputs[0])
    if back.is_dynamic(a) and back.is_dynamic(b):
        gates = [is_gate(back, t) for t in (a, b)]
        if gates[0] != gates[1]:
            _scaled(back, op, 1 if gates[0] else 0, flow)
            return
        if elementwise.passed(back, op, flow):
            return
        half = back.build.mul(back.relevance(op.outputs[0], flow), back.build.const(0.5))
        for t in (a, b):
            back.give(t, Flow(_fitted(back, half, t), is_factor=False))
        return
    _scaled(back, op, 0 if back.is_dynamic(a) else 1, flow)


def division(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """The numerator takes all."""
    if not back.is_dynamic(op.inputs[0]):
        raise back.unsupported(op, "a constant over a map has no rule", "rewrite it as a product")
    flow = back.full(undo_fused(back, op, flow), op.outputs[0])
    back.give(op.inputs[0], Flow(_fitted(back, back.relevance(op.outputs[0], flow), op.inputs[0]), is_factor=False))


def negation(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """NEG: R stays, a factor changes sign."""
    build = back.build
    tensor = build.mul(flow.tensor, build.const(-1.0)) if flow.is_factor else flow.tensor
    back.give(op.inputs[0], Flow(tensor, flow.is_factor))


def is_gate(back: Backward, t: int) -> bool:
    """Whether a tensor comes from a logistic or 1/√variance, at most scaled, subtracted from a constant and
    reshaped since."""
    op = back.producer(t)
    if op is None:
        return False
    if op.kind in GATES or _is_hard_sigmoid(back, op):
        return True
    if op.kind in CARRY:
        return is_gate(back, op.inputs[0])
    if op.kind in (OpKind.MUL, OpKind.SUB, OpKind.MINIMUM, OpKind.MAXIMUM):  # scaled, 1 - gate, or kept in bounds
        dynamic = [i for i in op.inputs if back.is_dynamic(i)]
        return len(dynamic) == 1 and is_gate(back, dynamic[0])
    return False


def _is_hard_sigmoid(back: Backward, op: Op) -> bool:
    """relu6(x + 3), the hard sigmoid but for its factor of 1/6."""
    if op.kind == OpKind.RELU6:
        inner = back.producer(op.inputs[0])
        return inner is not None and _adds_three(back, inner)
    return fused_activation(op) == RELU6 and _adds_three(back, op)


def _adds_three(back: Backward, op: Op) -> bool:
    constants = [c for t in op.inputs if (c := back.constant(t)) is not None]
    return op.kind == OpKind.ADD and bool(constants) and np.allclose(constants[0].real, 3, atol=0.05)


def _scaled(back: Backward, op: Op, signal: int, flow: Flow) -> None:
    """All to the signal; its factor carries what it is multiplied by."""
    build, x = back.build, op.inputs[signal]
    if flow.is_factor:
        other = op.inputs[1 - signal]
        constant = back.constant(other)
        by = back.value(other) if constant is None else build.const(np.asarray(constant.real, np.float32))
        back.give(x, Flow(_fitted(back, build.mul(flow.tensor, by), x), is_factor=True))
    else:
        back.give(x, Flow(_fitted(back, flow.tensor, x), is_factor=False))


def _fitted(back: Backward, s: int, t: int) -> int:
    return s if back.build.shape(s) == back.build.shape(t) else unbroadcast(back, s, back.build.shape(t))
