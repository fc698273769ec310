"""SELECT, SELECT_V2: relevance goes to the side that was chosen; the condition takes none."""

import numpy as np

from edgexai.graph import DType, Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions import elementwise
from edgexai.relevance.moves.reduce import unbroadcast
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R of the output -> R of both sides, masked by the condition."""
    build = back.build
    flow = back.full(flow, op.outputs[0])
    condition, *sides = op.inputs
    constant = back.constant(condition)
    if constant is None and all(back.is_dynamic(t) for t in sides) and elementwise.passed(back, op, flow):
        return
    if constant is None:
        taken = build.cast(condition, DType.FLOAT32)
        masks = [taken, build.sub(build.const(1.0), taken)]
    else:
        chosen = constant.array.astype(bool)
        masks = [build.const(np.asarray(mask, np.float32)) for mask in (chosen, ~chosen)]
    for t, mask in zip(sides, masks, strict=True):
        if back.is_dynamic(t):
            got = build.mul(flow.tensor, _aligned(back, op, mask))
            fits = build.shape(got) == build.shape(t)
            back.give(t, Flow(got if fits else unbroadcast(back, got, build.shape(t)), flow.is_factor))


def _aligned(back: Backward, op: Op, mask: int) -> int:
    """SELECT may have a vector for a condition: one decision a row."""
    shape, whole = back.build.shape(mask), back.build.shape(op.outputs[0])
    if len(shape) == 1 and len(whole) > 1 and op.kind.name == "SELECT":
        return back.build.reshape(mask, (*shape, *[1] * (len(whole) - 1)))
    return mask
