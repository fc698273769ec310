"""CONV_3D: y = W * x + b over volumes; back through CONV_3D_TRANSPOSE with the kernel as it is."""

from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.layers.linear import Kernel, Linear, bias_of, kernel_of, pass_through
from edgexai.relevance.reading.window import Axis
from edgexai.relevance.rules import Array, Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a convolution's output -> relevance of its input."""
    kernel = kernel_of(back, op, op.inputs[1], axis=4)
    shape = back.build.shape(op.inputs[0])
    if kernel.q.shape[3] != shape[4]:
        raise back.unsupported(op, "groups in three dimensions have no rule", "use one group")
    o, same = op.options, op.options.padding == 0
    border = back.border(op.inputs[0]) or ((0, 0),) * 5
    axes = (
        Axis(shape[1], kernel.q.shape[0], o.strideD, o.dilationDFactor, same, border[1]),
        Axis(shape[2], kernel.q.shape[1], o.strideH, o.dilationHFactor, same, border[2]),
        Axis(shape[3], kernel.q.shape[2], o.strideW, o.dilationWFactor, same, border[3]),
    )
    pass_through(back, Conv3D(back, op, kernel, bias_of(back, op, kernel), axes), rule, flow)


@dataclass(frozen=True)
class Conv3D:
    """The linear map of a CONV_3D; kernels are (depth, height, width, in, out)."""

    back: Backward
    op: Op
    kernel: Kernel
    bias: NDArray[np.float32]
    axes: tuple[Axis, Axis, Axis]
    mixes: bool = True

    @property
    def x(self) -> int:
        return self.op.inputs[0]

    def with_kernel(self, kernel: Kernel) -> Linear:
        return replace(self, kernel=kernel)

    def forward(self, x: int, q: Array, bias: NDArray[np.float32]) -> int:
        build = self.back.build
        inputs = [x, build.weight(q), build.const(bias)]
        return build.op(OpKind.CONV_3D, inputs, build.shape(self.op.outputs[0]), self._options(dilated=True))

    def transposed(self, s: int, q: Array) -> int:
        build = self.back.build
        shape = (*build.shape(self.op.inputs[0])[:4], q.shape[3])
        inputs = [build.const(list(shape)), build.weight(_dilated(q, self.axes)), s]
        return build.op(OpKind.CONV_3D_TRANSPOSE, inputs, shape, self._options(dilated=False))

    def constant(self, value: float, q: Array) -> Array:
        inside = [axis.inside() for axis in self.axes]
        return np.asarray(value * np.einsum("ak,bl,cm,klmio->abco", *inside, q.astype(np.float32)))

    def summed(self, s: int) -> int:
        return self.transposed(s, np.ones((*self.kernel.q.shape[:3], 1, 1), np.int8))

    def _options(self, dilated: bool) -> schema.Conv3DOptionsT:
        depth, height, width = self.axes
        dilation = [a.dilation if dilated else 1 for a in self.axes]
        return schema.Conv3DOptionsT(
            padding=self.op.options.padding,
            strideD=depth.stride,
            strideH=height.stride,
            strideW=width.stride,
            dilationDFactor=dilation[0],
            dilationHFactor=dilation[1],
            dilationWFactor=dilation[2],
        )


def _dilated(q: Array, axes: tuple[Axis, Axis, Axis]) -> Array:
    """Zeros between the taps, because CONV_3D_TRANSPOSE knows no dilation."""
    if all(axis.dilation == 1 for axis in axes):
        return q
    wide = np.zeros((*(axis.span for axis in axes), *q.shape[3:]), q.dtype)
    d, h, w = (axis.dilation for axis in axes)
    wide[::d, ::h, ::w] = q
    return wide
