"""Lowering: a graph on its way into a schedule; what every family of operators needs to become steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99 import fixed
from converters.c99.rewriting import Rewritten
from converters.c99.schedule import Buffer, Constant, Literal, Step
from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Graph, Op, Tensor

FUSED = {0: (None, None), 1: (0.0, None), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
C_TYPES = {DType.INT8: "int8_t", DType.FLOAT32: "float", DType.INT32: "int32_t"}
PORT_TYPES = C_TYPES | {DType.UINT8: "uint8_t", DType.INT16: "int16_t"}
"""A QUANTIZE may take uint8 and int16, and give uint8 at the end."""
WIDE = (DType.FLOAT32, DType.INT32)
"""What takes four bytes."""
FLOAT = "quantize the model, or write it in float32 (--float)"
"""A hint."""


@dataclass
class Lowering:
    """A graph on its way into a schedule: tensors by number get the buffer in which they lie."""

    rewritten: Rewritten
    steps: list[Step] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    home: dict[int, str] = field(default_factory=dict)
    states: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    """What is kept from call to call, by buffer, and its first values."""
    at: int = 0
    floats: bool = False
    """Whether maps are float32."""
    folded: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    """Constants that were computed from others."""

    @property
    def graph(self) -> Graph:
        """The graph whose operators are lowered."""
        return self.rewritten.graph

    @property
    def label(self) -> str:
        """The operator that is being lowered, as messages and comments name it."""
        return self.rewritten.describe(self.op)

    @property
    def op(self) -> Op:
        return self.graph.ops[self.at]

    def refuse(self, why: str, hint: str = "take the layer out or run the .tflite") -> UnsupportedOperator:
        """The refusal of the operator that is being lowered."""
        return UnsupportedOperator(f"firmware does not cover {self.label}: {why}; {hint}")

    def tensor(self, t: int) -> Tensor:
        return self.graph.tensors[t]

    def scale(self, t: int) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor."""
        tensor = self.tensor(t)
        if tensor.dtype != DType.INT8 or tensor.quantization is None or tensor.quantization.scale.size != 1:
            why = f"{tensor.name!r} is {tensor.dtype.name}, not int8 with one scale"
            raise self.refuse(why, FLOAT) if tensor.dtype == DType.FLOAT32 else self.refuse(why)
        zero = int(tensor.quantization.zero_point[0])
        if not -128 <= zero <= 127:
            raise self.refuse(f"{tensor.name!r} has the zero point {zero}, which is no int8")
        return float(tensor.quantization.scale[0]), zero

    def constant(self, t: int) -> Any:
        tensor = self.tensor(t)
        if not tensor.is_constant:
            raise self.refuse(f"{tensor.name!r} must be constant")
        return tensor.array

    def real(self, t: int) -> NDArray[np.float32]:
        """A constant in float32."""
        if t not in self.folded:
            self.constant(t)
        return self.folded[t] if t in self.folded else np.asarray(self.tensor(t).real, np.float32)

    def known(self, t: int, value: NDArray[np.float32]) -> None:
        """A tensor is a constant after all."""
        self.folded[t] = value

    def value(self, t: int) -> "str | Constant":
        """The buffer or constant that holds a tensor."""
        if t in self.home:
            return self.home[t]
        return Constant(self.folded[t] if t in self.folded else self.constant(t))

    def new(self, t: int) -> str:
        """A buffer for the tensor that the operator writes."""
        tensor = self.tensor(t)
        if tensor.dtype not in C_TYPES:
            raise self.refuse(f"{tensor.name!r} is {tensor.dtype.name}; maps must be int8")
        size = prod(tensor.shape) * (4 if tensor.dtype in WIDE else 1)
        name = f"t{t}"
        self.buffers[name] = Buffer(name, size)
        self.home[t] = name
        return name

    def scratch(self, size: int) -> str:
        name = f"s{len(self.steps)}"
        self.buffers[name] = Buffer(name, size, "scratch")
        return name

    def call(
        self,
        function: str,
        type: str,
        parameters: Mapping[str, Any],
        inputs: Sequence["str | Constant"],
        output: str,
        extra: Sequence["Literal | Constant"] = (),
        scratch: int = 0,
        keeps: bool = False,
    ) -> None:
        """Append a call ``function(&parameters, extra…, inputs…, output, scratch)``; ``keeps`` adds to an output."""
        tail = (self.scratch(scratch),) if scratch else ()
        reads = tuple(i for i in inputs if isinstance(i, str)) + ((output,) if keeps else ())
        arguments = (*inputs, *extra, output, *tail)
        self.steps.append(Step(function, type, parameters, arguments, reads, (output, *tail), self.label, self.at))

    def range(self, t: int, fused: int) -> tuple[int, int]:
        """Least and largest value that an operator may write, by its fused activation."""
        if fused not in FUSED:
            raise self.refuse(f"fused activation {fused}")
        scale, zero = self.scale(t)
        low, top = FUSED[fused]
        bottom = -128 if low is None else max(-128, zero + quantized(low, scale))
        return bottom, 127 if top is None else min(127, zero + quantized(top, scale))


def quantized(real: float, scale: float) -> int:
    """A real number in steps of a scale."""
    with np.errstate(over="ignore"):  # infinity is told as what it is: a scale that contradicts its map
        return fixed.round_away(float(np.float32(real) / np.float32(scale)))


def copy_step(source: str, target: str, low: Lowering, t: int) -> Step:
    """A map as it is, into other memory."""
    tensor = low.tensor(t)
    size = prod(tensor.shape) * (4 if tensor.dtype in WIDE else 1)
    return Step("memcpy", "", {}, (target, source, Literal(str(size))), (source,), (target,), "copy")


def rename(step: Step, names: Mapping[str, str]) -> Step:
    """The step on other buffers."""
    return replace(
        step,
        arguments=tuple(names.get(a, a) if isinstance(a, str) else a for a in step.arguments),
        reads=tuple(names.get(n, n) for n in step.reads),
        writes=tuple(names.get(n, n) for n in step.writes),
    )
