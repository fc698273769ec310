"""One operator in its graph, what may be asked of it, and the row that says how it is checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.graph.ir import DType, Graph, Op, Tensor
from edgexai.graph.opkind import OpKind

Shape = tuple[int, ...]
QUANTIZED = (DType.INT8, DType.UINT8, DType.INT16)
BROADCAST_RANK = 6
"""Axes that kernels can broadcast over; they abort the process beyond."""
MANY = 2**16


@dataclass(frozen=True)
class At:
    """One operator in its graph, and what to ask of it."""

    graph: Graph
    op: Op
    index: int

    def ensure(self, holds: bool, why: str) -> None:
        if not holds:
            raise ModelError(f"{self.graph.describe(self.index)} {why}; the file is broken")

    def given(self, i: int) -> bool:
        return i < len(self.op.inputs) and self.op.inputs[i] >= 0

    def input(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.op.inputs[i]]

    def output(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.op.outputs[i]]

    def shape(self, i: int = 0) -> Shape:
        return self.input(i).shape

    def rank(self, i: int, ranks: tuple[int, ...]) -> Shape:
        shape = self.shape(i)
        wanted = " or ".join(map(str, ranks))
        self.ensure(len(shape) in ranks, f"needs {wanted} axes in input {i}, which has the shape {shape}")
        return shape

    def constant(self, i: int) -> NDArray[np.int64] | None:
        """Whole numbers of a constant input, flat; None if it is computed."""
        tensor = self.input(i)
        if tensor.data is None:
            return None
        self.ensure(tensor.dtype in (DType.INT32, DType.INT64), f"takes whole numbers in input {i}")
        return tensor.array.astype(np.int64).reshape(-1)

    def option(self, name: str, default: Any = None) -> Any:
        """An option; without ``default`` the options must be there."""
        value = getattr(self.op.options, name, default)
        self.ensure(value is not None, f"lacks its option {name}")
        return value

    def positive(self, *names: str) -> list[int]:
        values = [int(self.option(name)) for name in names]
        for name, value in zip(names, values, strict=True):
            self.ensure(0 < value < 2**16, f"has the {name} {value}")
        return values

    def axis(self, axis: int, rank: int) -> int:
        self.ensure(-rank <= axis < rank, f"names axis {axis} of {rank}")
        return axis % rank if rank else 0

    def same_type(self, *inputs: int) -> None:
        told = self.output().dtype
        for i in inputs:
            kind = self.input(i).dtype
            self.ensure(kind == told, f"makes {told.name} of {kind.name}")

    def makes(self, shape: Shape, i: int = 0) -> None:
        """The output's shape."""
        tensor = self.output(i)
        self.ensure(tensor.shape == shape, f"makes the shape {shape} and is said to make {tensor.shape}")

    def scaled(self, *tensors: Tensor) -> None:
        """Integers in arithmetic need a scale."""
        for tensor in tensors:
            scale = None if tensor.quantization is None else tensor.quantization.scale
            if tensor.dtype in QUANTIZED:
                right = scale is not None and bool(np.all(scale > 0))
                self.ensure(right, f"reckons with {tensor.name!r}, integers without a scale")

    def full(self) -> None:
        """No tensor without a value: kernels divide by sizes."""
        for t in (*self.op.inputs, *self.op.outputs):
            if t >= 0:
                shape = self.graph.tensors[t].shape
                self.ensure(0 not in shape, f"takes {self.graph.tensors[t].name!r} of the empty shape {shape}")


@dataclass(frozen=True)
class Row:
    """``inputs`` least and most, how many outputs, which inputs may be missing, whether sizes of 0 are refused."""

    inputs: tuple[int, int]
    check: Callable[[At], None]
    outputs: int | None = 1
    optional: tuple[int, ...] = ()
    full: bool = True


def rows(check: Callable[[At], None], inputs: int, *kinds: OpKind, full: bool = True) -> dict[OpKind, Row]:
    return {kind: Row((inputs, inputs), check, full=full) for kind in kinds}


def is_open(tensor: Tensor) -> bool:
    """Whether a shape is known at run time only."""
    signature = getattr(tensor.rest, "shapeSignature", None)
    if signature is not None and any(int(n) < 0 for n in signature):
        return True
    return tensor.shape == () and not tensor.is_constant and not getattr(tensor.rest, "hasRank", False)


def spread(at: At, *shapes: Shape) -> Shape:
    """The shape that these broadcast to."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    for sizes in zip(*padded, strict=True):
        at.ensure(len({n for n in sizes if n != 1}) <= 1, f"joins the shapes {' and '.join(map(str, shapes))}")
    at.ensure(rank <= BROADCAST_RANK or len(set(shapes)) == 1, f"spreads values over {rank} axes")
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def window(at: At, size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Places of a kernel along an axis, by the operator's padding."""
    padding = int(at.option("padding"))
    at.ensure(padding in (0, 1), f"has the padding {padding}")
    places = -(-size // stride) if padding == 0 else -(-(size - (kernel - 1) * dilation) // stride)
    at.ensure(places > 0, f"moves a kernel of {kernel} over {size} values")
    return places
