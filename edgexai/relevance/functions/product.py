"""MUL and DIV: a constant scales, a gate takes none, two signals take half each.

Gates (Arras et al. 2017): in signal · gate the signal takes all the relevance. A gate is what lies between 0 and 1,
or a normalization's 1/√variance; two maps of equal standing get half each (AttnLRP, Achtibat et al.
2024, eq. 13).
"""

from collections.abc import Callable
from math import inf

import numpy as np

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions import elementwise, softmax
from edgexai.relevance.functions.activation import undo_fused
from edgexai.relevance.moves.reduce import unbroadcast
from edgexai.relevance.rules import Rule
from edgexai.relevance.targets.written_softmax import written_softmax

ROUNDING = 0.01
CARRY = {OpKind.DEQUANTIZE, OpKind.QUANTIZE, OpKind.RESHAPE, OpKind.EXPAND_DIMS, OpKind.SQUEEZE}


def multiplication(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R of a product."""
    a, b = op.inputs
    flow = back.full(undo_fused(back, op, flow), op.outputs[0])
    if back.is_dynamic(a) and back.is_dynamic(b):
        taking = signal(back, a, b)
        if taking is not None:
            _scaled(back, op, taking, flow)
            return
        if elementwise.passed(back, op, flow):
            return
        half = back.build.mul(back.relevance(op.outputs[0], flow), back.build.const(0.5))
        for t in (a, b):
            back.give(t, Flow(_fitted(back, half, t), is_factor=False))
        return
    _scaled(back, op, 0 if back.is_dynamic(a) else 1, flow)


def division(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """The numerator takes all; a softmax that is written out is one."""
    if not back.is_dynamic(op.inputs[0]):
        raise back.unsupported(op, "a constant over a map has no rule", "rewrite it as a product")
    flow = back.full(undo_fused(back, op, flow), op.outputs[0])
    written = written_softmax(back.graph, back.graph.producers(), op)
    if written is not None:
        softmax.expanded(back, written.logits, op.outputs[0], written.axes, flow)
        return
    back.give(op.inputs[0], Flow(_fitted(back, back.relevance(op.outputs[0], flow), op.inputs[0]), is_factor=False))


def negation(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """NEG: R stays, a factor changes sign."""
    build = back.build
    tensor = build.mul(flow.tensor, build.const(-1.0)) if flow.is_factor else flow.tensor
    back.give(op.inputs[0], Flow(tensor, flow.is_factor))


def signal(back: Backward, a: int, b: int) -> int | None:
    """Which of two factors, 0 or 1, is the signal that the other one gates; None if they are of equal standing.

    A factor gates by what it is, whichever operators wrote it: 1/√variance, and what can only lie between 0 and 1
    (a logistic, or a hard sigmoid, whose +3 may stand in a convolution); failing that, what is bounded at all and
    never negative, beside a factor that is not.
    """
    for is_gate in (_normalizes, _between(1.0), _between(inf)):
        gates = [is_gate(back, t) for t in (a, b)]
        if gates[0] != gates[1]:
            return 1 if gates[0] else 0
    return None


def _normalizes(back: Backward, t: int) -> bool:
    """Whether a tensor comes from 1/√variance, at most scaled and reshaped since."""
    op = back.producer(t)
    if op is None:
        return False
    if op.kind == OpKind.RSQRT:
        return True
    if op.kind in CARRY:
        return _normalizes(back, op.inputs[0])
    if op.kind in (OpKind.MUL, OpKind.MINIMUM, OpKind.MAXIMUM):
        dynamic = [i for i in op.inputs if back.is_dynamic(i)]
        return len(dynamic) == 1 and _normalizes(back, dynamic[0])
    return False


def _between(most: float) -> Callable[[Backward, int], bool]:
    def is_gate(back: Backward, t: int) -> bool:
        low, high = back.bounds(t)
        return low >= 0 and high <= most * (1 + ROUNDING) and high < inf

    return is_gate


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
