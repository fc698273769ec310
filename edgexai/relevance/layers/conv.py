"""CONV_2D: y = W * x + b; back through TRANSPOSE_CONV with the kernel's input and output channels exchanged."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Op
from edgexai.graph.builder import Padding
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.layers import subpixel, zeros
from edgexai.relevance.layers.linear import Kernel, Linear, bias_of, kernel_of, pass_through
from edgexai.relevance.reading.window import Window
from edgexai.relevance.rules import Array, Rule

WIDE = 16
"""Positions in a row from which on a product of each row is faster than two RESHAPEs."""


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a convolution's output -> relevance of its input."""
    kernel = kernel_of(back, op, op.inputs[1], axis=0)
    shape = back.build.shape(op.inputs[0])
    if kernel.q.shape[-1] != shape[-1]:
        kernel = _ungrouped(kernel, shape[-1])
    window = Window.of(op, shape, kernel.q.shape[1:3], back.border(op.inputs[0]))
    pass_through(back, Conv(back, op, kernel, bias_of(back, op, kernel), window, kernel.mask is None), rule, flow)


def _ungrouped(kernel: Kernel, channels: int) -> Kernel:
    """A grouped kernel (out, h, w, in / groups) as a full one with zeros between the groups."""
    out, height, width, inside = kernel.q.shape
    groups = channels // inside
    full = np.zeros((out, height, width, channels), kernel.q.dtype)
    mask = np.zeros_like(full)
    for g in range(groups):
        o, i = slice(g * out // groups, (g + 1) * out // groups), slice(g * inside, (g + 1) * inside)
        full[o, :, :, i] = kernel.q[o]
        mask[o, :, :, i] = 1
    return replace(kernel, q=full, mask=mask)


@dataclass(frozen=True)
class Conv:
    """The linear map of a CONV_2D; kernels are (out, h, w, in)."""

    back: Backward
    op: Op
    kernel: Kernel
    bias: NDArray[np.float32]
    window: Window
    mixes: bool

    @property
    def x(self) -> int:
        return self.op.inputs[0]

    def with_kernel(self, kernel: Kernel) -> Linear:
        return replace(self, kernel=kernel)

    @property
    def padding(self) -> Padding:
        return "SAME" if self.op.options.padding == 0 else "VALID"

    def forward(self, x: int, q: Array, bias: NDArray[np.float32]) -> int:
        build, window = self.back.build, self.window
        return build.conv(x, build.weight(q), build.const(bias), window.stride, self.padding, window.dilation)

    def transposed(self, s: int, q: Array) -> int:
        if q.shape[1:3] == (1, 1) and self.back.shares_weights:
            return self._between(self._times(s, q))
        return self._spread(s, np.ascontiguousarray(q.transpose(3, 1, 2, 0)))

    def _times(self, s: int, q: Array) -> int:
        """s times a kernel (out, 1, 1, in) as it stands; short rows of a map all in one."""
        build, shape = self.back.build, self.back.build.shape(s)
        out, inside = q.shape[0], q.shape[3]
        if shape[2] >= WIDE:
            return build.matmul(s, build.weight(q.reshape(1, 1, out, inside)))
        rows = build.reshape(s, (int(np.prod(shape[:3])), out))
        return build.reshape(build.matmul(rows, build.weight(q.reshape(out, inside))), (*shape[:3], inside))

    def _between(self, s: int) -> int:
        """What a kernel of one tap gives, at the places of the input that it looked at."""
        build, window = self.back.build, self.window
        s = zeros.between(build, s, window.stride)
        return build.slice(s, (0, 0, 0, 0), (*build.shape(self.op.inputs[0])[:3], build.shape(s)[3]))

    def _spread(self, s: int, q: Array) -> int:
        """Transposed convolution of s to the size of the input, kernel (in, h, w, out)."""
        build, window = self.back.build, self.window
        batch, height, width, _ = build.shape(self.op.inputs[0])
        if q.shape[1:3] == (1, 1):
            return self._between(build.conv(s, build.weight(q), build.const(np.zeros(q.shape[0], np.float32))))
        if window.dilation == (1, 1) and subpixel.pays(q, window, self.back.integer):
            return subpixel.transpose_conv(build, s, q, window)
        if window.stride == (1, 1):
            axes = (window.rows, window.columns)
            s, padding = zeros.around(build, s, [axis.margin for axis in axes], [axis.span for axis in axes])
            flipped = build.weight(np.ascontiguousarray(q[:, ::-1, ::-1]))
            bias = build.const(np.zeros(q.shape[0], np.float32))
            return build.conv(s, flipped, bias, padding=padding, dilation=window.dilation)
        if window.dilation != (1, 1):
            q = _dilated(q, window.dilation)
        shape = (batch, height, width, q.shape[0])
        return build.transpose_conv(s, build.weight(q), shape, window.stride, self.padding)

    def constant(self, value: float, q: Array) -> Array:
        rows, columns = self.window.rows.inside(), self.window.columns.inside()
        return np.asarray(value * np.einsum("ik,jl,oklc->ijo", rows, columns, q.astype(np.float32)))

    def summed(self, s: int) -> int:
        return self._spread(s, np.ones((1, *self.kernel.q.shape[1:3], 1), np.int8))


def _dilated(q: Array, dilation: tuple[int, int]) -> Array:
    """Zeros between the taps, because TRANSPOSE_CONV knows no dilation."""
    _, height, width, _ = q.shape
    wide = np.zeros((q.shape[0], (height - 1) * dilation[0] + 1, (width - 1) * dilation[1] + 1, q.shape[3]), q.dtype)
    wide[:, :: dilation[0], :: dilation[1]] = q
    return wide
