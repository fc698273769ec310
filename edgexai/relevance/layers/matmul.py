"""BATCH_MATMUL: a dense layer if the right side is constant, else a product of two maps."""

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.layers import bilinear
from edgexai.relevance.layers.dense import Dense
from edgexai.relevance.layers.linear import Kernel, kernel_of, pass_through
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a matrix product."""
    a, b = op.inputs
    adjoint = bool(op.options.adjX), bool(op.options.adjY)
    if back.is_dynamic(a) and back.is_dynamic(b):
        bilinear.both(back, op, adjoint, rule, flow)
        return
    if not back.is_dynamic(a) or adjoint[0]:
        bilinear.both(back, op, adjoint, rule, flow)
        return
    kernel = kernel_of(back, op, b, axis=len(back.build.shape(b)) - (2 if adjoint[1] else 1))
    q = kernel.q.reshape(kernel.q.shape[-2:]) if kernel.q.size == np.prod(kernel.q.shape[-2:]) else None
    if q is None:
        raise back.unsupported(op, "a batch of constant matrices has no rule", "split the layer")
    q = np.ascontiguousarray(q if adjoint[1] else q.T)
    bias: NDArray[np.float32] = np.zeros(len(q), np.float32)
    pass_through(back, Dense(back, op, Kernel(q, kernel.scale, 0), bias), rule, flow)
