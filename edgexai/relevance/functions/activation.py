"""RELU and its family: relevance passes an activation unchanged (zennit's Pass)."""

from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions import elementwise
from edgexai.relevance.moves import spectrum
from edgexai.relevance.reading.questions import fused_activation
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R_in = R_out; as a factor where the activation is RELU, because relu(x) · c = x · [x > 0] · c."""
    y = op.outputs[0]
    if not flow.is_factor:
        back.give(op.inputs[0], flow)
    elif op.kind == OpKind.RELU:
        open_ = back.above_zero(back.value(y), nonnegative=True)
        back.give(op.inputs[0], Flow(back.build.mul(flow.tensor, open_), is_factor=True))
    else:
        back.give(op.inputs[0], Flow(back.relevance(y, flow), is_factor=False))


def logarithm(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """LOG, alone or as the end of a softplus."""
    if not elementwise.log(back, op, flow):
        relevance(back, op, rule, flow)


def power(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """POW with a constant exponent, as a square is taken."""
    if back.is_dynamic(op.inputs[1]):
        raise back.unsupported(op, "an exponent that is computed has no rule", "make it a constant")
    relevance(back, op, rule, flow)


def identity(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """QUANTIZE, DEQUANTIZE, CAST: the same value in another type; of a complex one the real part."""
    if back.build.dtype(op.inputs[0]) == DType.COMPLEX64:
        spectrum.part(back, op, rule, flow)
        return
    back.give(op.inputs[0], flow)


def undo_fused(back: Backward, op: Op, flow: Flow) -> Flow:
    """The flow in front of the activation fused into an operator."""
    activation = fused_activation(op)
    if activation == 0 or not flow.is_factor:
        return flow
    y = op.outputs[0]
    if activation == 1:
        return Flow(back.build.mul(flow.tensor, back.above_zero(back.value(y), nonnegative=True)), is_factor=True)
    return Flow(back.relevance(y, flow), is_factor=False)
