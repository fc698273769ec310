"""TRANSPOSE_CONV as a layer of the model; back through CONV_2D with the same kernel."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Op
from edgexai.graph.builder import Padding
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.layers.linear import Kernel, Linear, bias_of, kernel_of, pass_through
from edgexai.relevance.reading.window import Axis, Window
from edgexai.relevance.rules import Array, Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a transposed convolution's output -> relevance of its input (its third operand)."""
    kernel = kernel_of(back, op, op.inputs[1], axis=0)
    window = Window.of(op, back.build.shape(op.outputs[0]), kernel.q.shape[1:3])
    pass_through(back, TransposeConv(back, op, kernel, bias_of(back, op, kernel, position=3), window), rule, flow)


@dataclass(frozen=True)
class TransposeConv:
    """The linear map of a TRANSPOSE_CONV; kernels are (out, h, w, in), the window slides over the output."""

    back: Backward
    op: Op
    kernel: Kernel
    bias: NDArray[np.float32]
    window: Window
    mixes: bool = False

    @property
    def x(self) -> int:
        return self.op.inputs[2]

    def with_kernel(self, kernel: Kernel) -> Linear:
        return replace(self, kernel=kernel)

    @property
    def padding(self) -> Padding:
        return "SAME" if self.op.options.padding == 0 else "VALID"

    def forward(self, x: int, q: Array, bias: NDArray[np.float32]) -> int:
        build = self.back.build
        shape = build.shape(self.op.outputs[0])
        y = build.transpose_conv(x, build.weight(q), shape, self.window.stride, self.padding)
        return build.add(y, build.const(bias))

    def transposed(self, s: int, q: Array) -> int:
        build = self.back.build
        turned = np.ascontiguousarray(q.transpose(3, 1, 2, 0))
        zeros = build.const(np.zeros(len(turned), np.float32))
        return build.conv(s, build.weight(turned), zeros, self.window.stride, self.padding)

    def constant(self, value: float, q: Array) -> Array:
        rows, columns = _reached(self.window.rows), _reached(self.window.columns)
        return np.asarray(value * np.einsum("ik,jl,oklc->ijo", rows, columns, q.astype(np.float32)))

    def summed(self, s: int) -> int:
        raise NotImplementedError("only called for layers that mix evenly")


def _reached(axis: Axis) -> NDArray[np.float32]:
    """(positions, kernel): 1 where tap k of some input lands on an output position."""
    taps = np.arange(axis.out)[:, None] * axis.stride - axis.before + np.arange(axis.kernel)
    return np.asarray((taps[None] == np.arange(axis.size)[:, None, None]).sum(1), np.float32)
