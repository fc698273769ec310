"""DEPTHWISE_CONV_2D; back through zero insertion and a DEPTHWISE_CONV_2D with the flipped kernel.

There is no transposed depthwise operator: s is spread to the stride by padding its channels with zeros and
reshaping, so that a plain depthwise convolution with the kernel turned around finishes the job.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Builder, Op
from edgexai.graph.builder import Padding
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.layers import zeros
from edgexai.relevance.layers.conv import Conv
from edgexai.relevance.layers.linear import Kernel, Linear, bias_of, kernel_of, pass_through
from edgexai.relevance.reading.window import Window
from edgexai.relevance.rules import Array, Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a depthwise convolution's output -> relevance of its input."""
    kernel = kernel_of(back, op, op.inputs[1], axis=3)
    shape = back.build.shape(op.inputs[0])
    window = Window.of(op, shape, kernel.q.shape[1:3], back.border(op.inputs[0]))
    bias = bias_of(back, op, kernel)
    if shape[-1] == 1:  # one channel: a convolution by another name, and convolutions go back faster
        turned = replace(kernel, q=np.ascontiguousarray(kernel.q.transpose(3, 1, 2, 0)), axis=0)
        pass_through(back, Conv(back, op, turned, bias, window, mixes=True), rule, flow)
        return
    pass_through(back, Depthwise(back, op, kernel, bias, window), rule, flow)


def spread(build: Builder, s: int, q: Array, window: Window, channels: int) -> int:
    """Transposed depthwise convolution: (1, rows', columns', C·m) -> (1, rows, columns, C), kernel (1, h, w, C·m)."""
    s = zeros.between(build, s, window.stride)
    batch, *_, wide = build.shape(s)
    axes = (window.rows, window.columns)
    s, padding = zeros.around(build, s, [axis.margin for axis in axes], [axis.span for axis in axes])
    flipped = build.weight(np.ascontiguousarray(q[:, ::-1, ::-1]))
    bias = build.const(np.zeros(wide, np.float32))
    r = build.depthwise(s, flipped, bias, padding=padding, dilation=window.dilation)
    if wide == channels:
        return r
    shape = (batch, window.rows.size, window.columns.size)
    r = build.sum(build.reshape(r, (batch * shape[1] * shape[2], channels, wide // channels)), [2])
    return build.reshape(r, (*shape, channels))


@dataclass(frozen=True)
class Depthwise:
    """The linear map of a DEPTHWISE_CONV_2D; kernels are (1, h, w, in · multiplier)."""

    back: Backward
    op: Op
    kernel: Kernel
    bias: NDArray[np.float32]
    window: Window
    mixes: bool = False

    @property
    def x(self) -> int:
        return self.op.inputs[0]

    def with_kernel(self, kernel: Kernel) -> Linear:
        return replace(self, kernel=kernel)

    def forward(self, x: int, q: Array, bias: NDArray[np.float32]) -> int:
        build, window = self.back.build, self.window
        padding: Padding = "SAME" if self.op.options.padding == 0 else "VALID"
        return build.depthwise(x, build.weight(q), build.const(bias), window.stride, padding, window.dilation)

    def transposed(self, s: int, q: Array) -> int:
        return spread(self.back.build, s, q, self.window, self.back.build.shape(self.op.inputs[0])[-1])

    def constant(self, value: float, q: Array) -> Array:
        rows, columns = self.window.rows.inside(), self.window.columns.inside()
        return np.asarray(value * np.einsum("ik,jl,klo->ijo", rows, columns, q[0].astype(np.float32)))

    def summed(self, s: int) -> int:
        raise NotImplementedError("a depthwise layer does not mix channels")
