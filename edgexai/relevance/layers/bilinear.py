"""Two maps multiplied (queries with keys, attention with values, a layer whose weights are computed).

They share by AttnLRP's uniform rule, half of the relevance to each side:
R_ij → a_ij · Σ_k b_jk · R_ik / (2 · stab(Σ_j a_ij b_jk)) (Achtibat et al. 2024, eq. 13). All goes to one side if the
other does not depend on the input.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.moves.reduce import unbroadcast
from edgexai.relevance.rules import Rule


def both(back: Backward, op: Op, adjoint: tuple[bool, bool], rule: Rule, flow: Flow) -> None:
    """Relevance of y = A B with A = a or aᵀ, B = b or bᵀ."""
    build, (a, b) = back.build, op.inputs[:2]
    s = back.over_output(op, back.full(flow, op.outputs[0]), rule.stabilizer)
    if back.is_dynamic(a) and back.is_dynamic(b):
        s = build.mul(s, build.const(0.5))
    left, right = back.value(a), back.value(b)
    # the factor of A is s Bᵀ, of B it is Aᵀ s
    to_a = _product(back, right, s, adjoint[1], True) if adjoint[0] else _product(back, s, right, False, not adjoint[1])
    to_b = _product(back, s, left, True, adjoint[0]) if adjoint[1] else _product(back, left, s, not adjoint[0], False)
    for t, factor in ((a, to_a), (b, to_b)):
        fits = build.shape(factor) == build.shape(t)
        back.give(t, Flow(factor if fits else unbroadcast(back, factor, build.shape(t)), is_factor=True))


def _product(back: Backward, a: int, b: int, adj_a: bool, adj_b: bool) -> int:
    build = back.build
    left, right = build.shape(a), build.shape(b)
    rows, columns = left[-1 if adj_a else -2], right[-2 if adj_b else -1]
    shape = (*np.broadcast_shapes(left[:-2], right[:-2]), rows, columns)
    return build.op(OpKind.BATCH_MATMUL, [a, b], shape, schema.BatchMatMulOptionsT(adjX=adj_a, adjY=adj_b))
