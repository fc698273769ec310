"""The backward pass under construction: what an operator's relevance function reads from and writes to.

Relevance *flows* to a tensor in one of two forms: as itself, R, or as a factor c with R = value · c. Linear layers
pass factors on without ever dividing by their own output, which is both cheaper and better conditioned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import Builder, DType, Graph, Op, OpKind, Tensor
from edgexai.relevance.reading.bounds import bounds
from edgexai.relevance.reading.canonical import canonical
from edgexai.relevance.reading.questions import (
    WHOLE,
    border,
    consistent,
    constant_behind,
    describe,
    dynamic,
    fused_activation,
    states,
)
from edgexai.relevance.reading.signs import Signs
from edgexai.relevance.reading.window import Border
from edgexai.relevance.rules import Epsilon, Norm, Pass, Rule

NEGLIGIBLE = 1e-3
"""Up to this share of the smallest step of an integer output y, y / (y + ε) counts as 1."""

HUGE = 1e30
LARGE_FLOATS, LARGE_INTEGERS = 1 << 17, 1 << 19
"""Bytes of constants from which on a model is for processors with XNNPACK, which multiplies by a matrix nearly as fast
as by its transpose. Plain kernels are 2 to 21 times slower at that, and microcontrollers have no memory for it."""
Scale = NDArray[np.float32]
ONE: Scale = np.ones(1, np.float32)
INTEGERS = {DType.INT8, DType.UINT8, DType.INT16}


@dataclass(frozen=True)
class Flow:
    """Relevance at a tensor: ``tensor`` holds R, or the factor c of R = value · c."""

    tensor: int
    is_factor: bool


class Backward:
    """The builder, the values of the forward pass, and the relevance that has arrived so far."""

    def __init__(
        self, graph: Graph, build: Builder, table: "Table", rules: dict[Op, Rule], integer: bool = False
    ) -> None:
        self.build = build
        self.integer = integer
        self.shares_weights = not integer and _is_large(build.graph)
        """Whether matrices stand in the file once, for both ways."""
        self._table = table
        self._rules = rules
        self._arrived: dict[int, list[Flow]] = {}
        self._inside: list[Op] = []
        self.notes: list[str] = []
        self.state: list[int] = []
        self.taken: list[int] | None = None
        """What biases took, a number a layer; None if nobody asks."""
        self.number = 0
        """Of the operator of the model that relevance is at."""
        self._look_at(graph)

    def _look_at(self, graph: Graph) -> None:
        self.graph = graph
        self._signs = Signs(graph)
        self._producer = graph.producers()
        self._dynamic = dynamic(graph)
        self._states = states(graph)

    # --- operators

    def walk(self, ops: Sequence[Op]) -> None:
        """Let the relevance that has arrived through operators, the last of them first."""
        graph_ops = len(self.graph.ops)
        for position, op in reversed(list(enumerate(ops))):
            if not self._inside:
                self.number = graph_ops - len(ops) + position
            flow = next((f for y in op.outputs if (f := self.arrived(y))), None)
            if flow is None:
                continue
            if op.kind not in self._table:
                raise self.unsupported(op, "no relevance rule", "replace the layer")
            rule = self._rules.get(op, Norm())
            with consistent(self.build.graph, op):
                self._unchanged(op, flow) if isinstance(rule, Pass) else self._table[op.kind](self, op, rule, flow)

    def _unchanged(self, op: Op, flow: Flow) -> None:
        """The rule Pass: R_in = R_out."""
        y, computed = op.outputs[0], [t for t in op.inputs if self.is_dynamic(t)]
        if len(computed) != 1 or self.build.shape(computed[0]) != self.build.shape(y) or len(op.outputs) > 1:
            where = describe(self.build.graph, op)
            raise ConfigError(f"rule pass needs one input of the output's shape, unlike {where}; choose another rule")
        self.give(computed[0], Flow(self.relevance(y, self.full(flow, y)), is_factor=False))

    def walk_inside(self, op: Op, rule: Rule, ops: Sequence[Op], outputs: Mapping[int, int]) -> None:
        """Let the relevance of an operator's outputs through ``ops``, appended to compute the same in smaller steps.

        ``outputs`` maps outputs of ``op`` to their copies; dense layers take ``rule`` if that is LRP-ε.
        """
        carried = tuple(self._dynamic)
        before = replace(self.graph, tensors=tuple(self.build.tensors))
        part = replace(before, ops=tuple(ops), inputs=carried, outputs=tuple(outputs.values()))
        ops = canonical(part, self.build).ops
        if isinstance(rule, Epsilon):
            self._rules.update((o, rule) for o in ops if o.kind == OpKind.FULLY_CONNECTED)
        known = dict.fromkeys((*self.build.ops, *self.graph.ops, *ops))
        self._look_at(replace(before, tensors=tuple(self.build.tensors), ops=tuple(known)))
        for t, copy in outputs.items():
            flow = self.arrived(t)
            if flow is not None:
                self.give(copy, flow)
        self._inside.append(op)
        self.walk(ops)
        self._inside.pop()

    # --- values

    def value(self, t: int) -> int:
        """The forward value of a tensor as float32."""
        if self.build.dtype(t) in WHOLE or self.build.dtype(t) == DType.BOOL:
            return self.build.cast(t, DType.FLOAT32)
        return self.build.dequantize(t)

    def real_value(self, t: int) -> int:
        """The same of an operand that may be a constant, which is dequantized here and now."""
        constant = self.constant(t)
        return self.value(t) if constant is None else self.build.const(np.asarray(constant.real, np.float32))

    def nonnegative(self, t: int) -> bool:
        """Whether the value can never be below zero."""
        return self._signs.nonnegative(t)

    def constant(self, t: int) -> Tensor | None:
        """The constant behind a tensor, looked for through DEQUANTIZE and DENSIFY; None if it is computed."""
        return constant_behind(self.graph, self._producer, t)

    def bounds(self, t: int) -> tuple[float, float]:
        """The least and the largest value that a tensor can take, for all that its operators say."""
        return bounds(self.graph, self._producer, t)

    def border(self, t: int) -> Border:
        """How much of each axis of a tensor, before and after, are zeros that a PAD wrote; () if none are."""
        return border(self.graph, self._producer, t)

    def fixed(self, op: Op, position: int, what: str) -> NDArray[np.int64]:
        """An operator's integer argument; refused if it is computed."""
        tensor = self.constant(op.inputs[position])
        if tensor is None:
            raise self.unsupported(op, f"{what} must be constant", "convert the model with a fixed one")
        return tensor.array.astype(np.int64)

    def producer(self, t: int) -> Op | None:
        """The operator of the model that writes a tensor."""
        return self.graph.ops[self._producer[t]] if t in self._producer else None

    def order(self, t: int) -> int:
        """When a tensor is written: the number of its operator, -1 for inputs and constants."""
        return self._producer.get(t, -1)

    def is_dynamic(self, t: int) -> bool:
        """Whether a tensor depends on the model's input."""
        return t in self._dynamic

    # --- relevance

    def stops(self, op: Op, why: str) -> None:
        """No relevance goes further than the output of ``op``: say so."""
        self.notes.append(f"no relevance goes through {self.graph.describe(self.graph.ops.index(op))}: {why}")

    def give(self, t: int, flow: Flow) -> None:
        """Let relevance arrive at a tensor; what would go to constants is dropped, what goes to a state is counted."""
        if t in self._states:
            self.keep(t, self.relevance(t, self.full(flow, t)))
        elif t in self._dynamic:
            here, whole = self.build.shape(flow.tensor), self.build.shape(t)
            if here not in (whole, (*whole[:-1], 1)):
                raise ValueError(f"relevance of shape {here} for a map of shape {whole}")
            self._arrived.setdefault(t, []).append(flow)

    def keep(self, t: int, r: int) -> None:
        """Let relevance stay in a state ``t``: it is about the steps before."""
        build = self.build
        self.state.append(build.reshape(build.sum(r, list(range(len(build.shape(r))))), (1,)))

    def put(self, t: int, flow: Flow) -> None:
        """Let this be all the relevance of a tensor."""
        self._arrived.pop(t, None)
        self.give(t, flow)

    def arrived(self, t: int) -> Flow | None:
        """All the relevance of a tensor, summed; None if none reaches it."""
        flows = self._arrived.get(t)
        if not flows:
            return None
        if len(flows) > 1:
            as_factor = all(f.is_factor for f in flows)
            first, *more = (f.tensor if as_factor else self.relevance(t, f) for f in flows)
            for other in more:
                first = self.build.add(first, other)
            self._arrived[t] = flows = [Flow(first, as_factor)]
        return flows[0]

    def relevance(self, t: int, flow: Flow) -> int:
        """R itself."""
        return self.build.mul(self.value(t), flow.tensor) if flow.is_factor else flow.tensor

    def full(self, flow: Flow, t: int) -> Flow:
        """The flow in the whole shape of its tensor (the flat rule leaves one channel for all)."""
        shape = self.build.shape(t)
        if self.build.shape(flow.tensor) == shape:
            return flow
        ones = self.build.const(np.ones(shape[-1:], np.float32))
        return Flow(self.build.mul(flow.tensor, ones), flow.is_factor)

    # --- pieces of the rules

    def stabilized(self, z: int, stabilizer: float, sign: int = 0) -> int:
        """z + sign(z) · stabilizer, with sign(0) = +1; cheaper where the sign of z is known."""
        build = self.build
        if sign:
            return build.add(z, build.const(sign * stabilizer))
        return build.add(z, build.mul(self.sign(z), build.const(stabilizer)))

    def sign(self, z: int) -> int:
        """1 or -1, without comparisons, which the fast kernels lack: shift zero up, blow up, clamp."""
        up = self.build.add(z, self.build.const(np.float32(1e-37)))
        return self.build.mul(up, self.build.const(np.float32(3e37)), "RELU_N1_TO_1")

    def above_zero(self, x: int, nonnegative: bool = False) -> int:
        """1 where x > 0, else 0."""
        build = self.build
        above = x if nonnegative else build.relu(x)
        return build.minimum(build.mul(above, build.const(HUGE)), build.const(1.0))

    def over_output(self, op: Op, flow: Flow, stabilizer: float, scale: Scale = ONE) -> int:
        """scale · R / (z + sign(z)·ε) at an operator's first output, z being that output before a fused RELU."""
        build, t = self.build, op.outputs[0]
        if not (flow.is_factor and self.is_coarse(t, stabilizer) and fused_activation(op) in (0, 1)):
            sign, coarse = 1 if self.nonnegative(t) else 0, self.is_coarse(t, stabilizer)
            z = self._away_from_zero(t, sign) if coarse else self.stabilized(self.value(t), stabilizer, sign)
            return self.scaled(build.div(self.relevance(t, flow), z), scale)
        if not _cut(op):
            return self.scaled(flow.tensor, scale)
        # A minimum with what is no larger than the smallest step is a mask and the scale at once.
        y = self.value(t)
        if scale.max() > self.step(t):
            y = build.mul(y, build.const(HUGE))
        return build.mul(flow.tensor, build.minimum(y, build.const(_short(scale))))

    def took(self, s: int, constants: NDArray[np.float32]) -> None:
        """Count what constants of a layer (channels,) take of its relevance: ``s`` (…, channels) times each."""
        if self.taken is not None and np.any(constants):
            build = self.build
            shares = build.mul(s, build.const(np.asarray(constants, np.float32)))
            self.taken.append(build.reshape(build.sum(shares, list(range(len(build.shape(shares))))), (1,)))

    def scaled(self, s: int, scale: Scale) -> int:
        """s · scale, a factor for each channel."""
        return s if np.all(scale == 1) else self.build.mul(s, self.build.const(_short(scale)))

    def step(self, t: int) -> float:
        """The smallest step of an integer tensor."""
        quantization = self.graph.tensors[t].quantization
        return 0.0 if quantization is None else float(quantization.scale.min())

    def _away_from_zero(self, t: int, sign: int) -> int:
        """An integer value whose zeros, which stand for up to half a step, count as half a step."""
        build, y = self.build, self.value(t)
        shape, half = build.shape(t), build.const(self.step(t) / 2)
        size = y if sign else build.op(OpKind.ABS, [y], shape, schema.AbsOptionsT())
        size = build.op(OpKind.MAXIMUM, [size, half], shape, schema.MaximumMinimumOptionsT())
        return size if sign else build.mul(size, self.sign(y))

    def is_coarse(self, t: int, stabilizer: float) -> bool:
        """Whether a tensor is so coarsely quantized that a stabilizer cannot be seen in it."""
        return self.graph.tensors[t].dtype in INTEGERS and stabilizer <= NEGLIGIBLE * self.step(t)

    def unsupported(self, op: Op, why: str, hint: str) -> UnsupportedOperator:
        """The refusal of an operator: why, where, and what to do."""
        outer, *inner = [*self._inside, op]
        where = describe(self.build.graph, outer)
        inside = "".join(f"{o.kind.name} inside " for o in reversed(inner))
        return UnsupportedOperator(f"{why} for {inside}{where}; {hint}")


Table = Mapping[OpKind, Callable[[Backward, Op, Rule, Flow], None]]
"""What each operator does with relevance."""


def _short(scale: Scale) -> Scale:
    """One number if all are equal, because that is much faster to broadcast."""
    return scale if np.ptp(scale) else scale.reshape(-1)[:1].reshape(())


def _cut(op: Op) -> bool:
    return fused_activation(op) == 1


def _is_large(graph: Graph) -> bool:
    floats = integers = 0
    for tensor in graph.tensors:
        if tensor.data is not None and tensor.dtype in (DType.FLOAT16, DType.FLOAT32):
            floats += tensor.data.nbytes
        elif tensor.data is not None:
            integers += tensor.data.nbytes
    return floats >= LARGE_FLOATS or integers >= LARGE_INTEGERS
