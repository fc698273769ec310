"""BATCH_MATMUL: a dense layer if one side is constant, else half of the relevance to each side.

Two maps multiplied (queries with keys, attention with values) share by AttnLRP's uniform rule:
R_ij → a_ij · Σ_k b_jk · R_ik / (2 · stab(Σ_j a_ij b_jk)) (Achtibat et al. 2024, eq. 13).
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.dense import Dense
from edgexai.relevance.linear import Kernel, kernel_of, pass_through
from edgexai.relevance.reduce import unbroadcast
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a matrix product."""
    a, b = op.inputs
    adjoint = bool(op.options.adjX), bool(op.options.adjY)
    if back.is_dynamic(a) and back.is_dynamic(b):
        _both(back, op, adjoint, rule, flow)
        return
    if not back.is_dynamic(a) or adjoint[0]:
        raise back.unsupported(op, "a constant on the left has no rule", "put the constant on the right")
    kernel = kernel_of(back, op, b, axis=len(back.build.shape(b)) - (2 if adjoint[1] else 1))
    q = kernel.q.reshape(kernel.q.shape[-2:]) if kernel.q.size == np.prod(kernel.q.shape[-2:]) else None
    if q is None:
        raise back.unsupported(op, "a batch of constant matrices has no rule", "split the layer")
    q = np.ascontiguousarray(q if adjoint[1] else q.T)
    bias: NDArray[np.float32] = np.zeros(len(q), np.float32)
    pass_through(back, Dense(back, op, Kernel(q, kernel.scale, 0), bias), rule, flow)


def _both(back: Backward, op: Op, adjoint: tuple[bool, bool], rule: Rule, flow: Flow) -> None:
    build, (a, b) = back.build, op.inputs
    s = build.mul(back.over_output(op, back.full(flow, op.outputs[0]), rule.stabilizer), build.const(0.5))
    left, right = back.value(a), back.value(b)
    # y = A B with A = a or aᵀ, B = b or bᵀ: the factor of A is s Bᵀ, of B it is Aᵀ s
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
