"""SVDF: a dense layer over this step's input and what its memory keeps of the steps before.

    a_t = W_f x_t,   y = b + Σ_rank Σ_m w_m · a_{t - M + 1 + m}

This step's input has the share w_{M-1} · W_f x_t of the sum; the rest is in the memory, and the relevance that stays
there is part of a streaming explainer's state.
"""

import numpy as np

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Epsilon, Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of the units -> relevance of this step's input, and of the memory, in proportion (LRP-ε)."""
    build, y = back.build, op.outputs[0]
    x, features, times, biases, memory = op.inputs
    found = [back.constant(t) for t in (features, times)]
    if found[0] is None or found[1] is None:
        raise back.unsupported(op, "weights that are computed have no rule", "use constant weights")
    feature, newest = found[0].real, found[1].real[:, -1:]
    rank = int(op.options.rank)
    now = (newest * feature).reshape(len(feature) // rank, rank, -1).sum(1)  # (units, features)
    stabilizer = rule.stabilizer if isinstance(rule, Epsilon) else Epsilon().stabilizer
    factor = back.over_output(op, back.full(flow, y), stabilizer)
    zeros = build.const(np.zeros(now.shape[1], np.float32))
    r = build.dense(factor, build.const(np.ascontiguousarray(now.T, np.float32)), zeros)
    back.give(x, Flow(r, is_factor=True))
    constant = back.constant(biases) if biases >= 0 else None
    bias = np.zeros(len(now), np.float32) if constant is None else np.asarray(constant.real, np.float32)
    here = build.dense(back.value(x), build.const(np.asarray(now, np.float32)), build.const(bias))
    back.keep(memory, build.mul(factor, build.sub(back.value(y), here)))
