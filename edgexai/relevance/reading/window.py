"""The geometry of a sliding window along two axes: padding, and which inputs each output sees."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Op

Border = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Axis:
    """One spatial axis: ``size`` inputs, ``out`` outputs, and ``before`` zeros in front."""

    size: int
    kernel: int
    stride: int
    dilation: int
    same: bool
    border: tuple[int, int] = (0, 0)
    """How many of the inputs, at either end, are zeros that a PAD wrote there."""

    @property
    def span(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    @property
    def out(self) -> int:
        return ceil(self.size / self.stride) if self.same else ceil((self.size - self.span + 1) / self.stride)

    @property
    def before(self) -> int:
        return max(0, (self.out - 1) * self.stride + self.span - self.size) // 2 if self.same else 0

    @property
    def margin(self) -> tuple[int, int]:
        """Zeros (or, if negative, surplus) around outputs spread to the stride, for the way back to ``size`` inputs
        by a VALID convolution with the kernel turned around."""
        before = self.span - 1 - self.before
        return before, self.size + self.span - 1 - before - self.out * self.stride

    def inside(self) -> NDArray[np.float32]:
        """(out, kernel): 1 where output o's tap k lies on an input, 0 where it lies on padding, however written."""
        taps = np.arange(self.out)[:, None] * self.stride - self.before + np.arange(self.kernel) * self.dilation
        return np.asarray((taps >= self.border[0]) & (taps < self.size - self.border[1]), np.float32)


@dataclass(frozen=True)
class Window:
    """Rows and columns of a convolution or pool."""

    rows: Axis
    columns: Axis

    @staticmethod
    def of(op: Op, shape: tuple[int, ...], kernel: tuple[int, int], border: Border = ()) -> "Window":
        """The window of an operator whose options have strides and padding, over an NHWC shape.

        ``border`` is how much of each axis a PAD wrote (see `Backward.border`).
        """
        o = op.options
        dilation = (getattr(o, "dilationHFactor", 1) or 1, getattr(o, "dilationWFactor", 1) or 1)
        same = o.padding == 0
        rows, columns = border[1:3] if border else ((0, 0), (0, 0))
        return Window(
            Axis(shape[1], kernel[0], o.strideH, dilation[0], same, rows),
            Axis(shape[2], kernel[1], o.strideW, dilation[1], same, columns),
        )

    @property
    def stride(self) -> tuple[int, int]:
        return self.rows.stride, self.columns.stride

    @property
    def dilation(self) -> tuple[int, int]:
        return self.rows.dilation, self.columns.dilation

    @property
    def tiles(self) -> bool:
        """Whether the windows neither overlap nor leave or add anything."""
        return all(
            a.kernel == a.stride and a.dilation == 1 and a.size % a.stride == 0 for a in (self.rows, self.columns)
        )

    def counts(self) -> NDArray[np.float32]:
        """(rows, columns): how many inputs each output sees, padding not counted."""
        return np.outer(self.rows.inside().sum(1), self.columns.inside().sum(1)).astype(np.float32)
