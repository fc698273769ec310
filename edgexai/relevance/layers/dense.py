"""FULLY_CONNECTED: y = W x + b, whatever stands before the last axis; back with the transposed weights."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.layers import bilinear
from edgexai.relevance.layers.linear import Kernel, Linear, bias_of, kernel_of, pass_through
from edgexai.relevance.rules import Array, Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a dense layer's output -> relevance of its input."""
    if back.is_dynamic(op.inputs[1]) and len(back.build.shape(op.inputs[0])) == 2:
        bilinear.both(back, op, (False, True), rule, flow)
        return
    kernel = kernel_of(back, op, op.inputs[1], axis=0)
    pass_through(back, Dense(back, op, kernel, bias_of(back, op, kernel)), rule, flow)


@dataclass(frozen=True)
class Dense:
    """The linear map of a FULLY_CONNECTED; kernels are (out, in)."""

    back: Backward
    op: Op
    kernel: Kernel
    bias: NDArray[np.float32]
    mixes: bool = True

    @property
    def x(self) -> int:
        return self.op.inputs[0]

    def with_kernel(self, kernel: Kernel) -> Linear:
        return replace(self, kernel=kernel)

    def _rows(self, x: int, width: int) -> int:
        build = self.back.build
        return build.reshape(x, (int(np.prod(build.shape(x))) // width, width))

    def forward(self, x: int, q: Array, bias: NDArray[np.float32]) -> int:
        build = self.back.build
        y = build.dense(self._rows(x, q.shape[1]), build.weight(q), build.const(bias))
        return build.reshape(y, build.shape(self.op.outputs[0]))

    def transposed(self, s: int, q: Array) -> int:
        build, rows = self.back.build, self._rows(s, q.shape[0])
        if self.back.shares_weights:
            r = build.matmul(rows, build.weight(q))
        else:
            zeros = build.const(np.zeros(q.shape[1], np.float32))
            r = build.dense(rows, build.weight(np.ascontiguousarray(q.T)), zeros)
        return build.reshape(r, build.shape(self.op.inputs[0]))

    def constant(self, value: float, q: Array) -> Array:
        return np.asarray(value * q.astype(np.float32).sum(axis=1))

    def summed(self, s: int) -> int:
        build, shape = self.back.build, self.back.build.shape(self.op.inputs[0])
        one = self._rows(s, 1)
        if build.shape(one)[0] == 1:
            one = build.mul(one, build.const(np.ones((1, self.kernel.q.shape[1]), np.float32)))
            return build.reshape(one, shape)
        return build.reshape(one, (*shape[:-1], 1))
