"""What the way back asks of a model: which operators are on it, which map is meant by a tensor, how units share."""

from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np

from converters.c99.lowering import Lowering
from converters.c99.real_tables import FUNCTIONS
from edgexai.errors import UnsupportedOperator
from edgexai.graph import Builder, DType, Op, OpKind
from edgexai.relevance.backward import Backward
from edgexai.relevance.functions.elementwise import argument, rescales_input
from edgexai.relevance.functions.product import signal
from edgexai.relevance.reading.canonical import canonical
from edgexai.relevance.reading.questions import border, fused_activation
from edgexai.relevance.rules import Epsilon, Flat, Norm, NormPlus, Rule, ZPlus

ALIASES = {OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS}
LAYERS = {OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED}
POOLS = {OpKind.AVERAGE_POOL_2D, OpKind.MAX_POOL_2D}
MEANS = {OpKind.MEAN, OpKind.SUM}
SUMS = {OpKind.ADD, OpKind.SUB}
EXTREMES = {OpKind.MAXIMUM, OpKind.MINIMUM}
PRODUCTS = {OpKind.BATCH_MATMUL}
LARGEST = {OpKind.MAX_POOL_2D, OpKind.REDUCE_MAX}
MOVES = {
    *(OpKind.CONCATENATION, OpKind.SPLIT, OpKind.SPLIT_V, OpKind.SLICE, OpKind.STRIDED_SLICE),
    *(OpKind.TRANSPOSE, OpKind.PAD, OpKind.PADV2),
    *ALIASES,
}
SAME = {
    *(OpKind.RELU, OpKind.RELU6, OpKind.RELU_N1_TO_1, OpKind.LEAKY_RELU, OpKind.PRELU, OpKind.ELU),
    *(OpKind.ABS, OpKind.LOGISTIC, OpKind.TANH, OpKind.HARD_SWISH, OpKind.L2_NORMALIZATION),
    *(FUNCTIONS.keys() - {OpKind.LOG, OpKind.RSQRT}),
}
"""What relevance passes unchanged."""
RELU = 1
RELU6 = 3
STABLE = 0.01
"""Of a step: the largest stabilizer that integers do without. Nothing is divided by less than half a step."""
CHOICES = "use composite edge, epsilon, epsilon_plus or epsilon_plus_flat"


@dataclass
class Reading:
    """The operators between the logits and the map at which relevance stops, with their rules."""

    low: Lowering
    rules: dict[Op, Rule]
    logits: int
    stop: int
    ops: list[int] = field(default_factory=list)
    """From the logits downwards."""

    def __post_init__(self) -> None:
        graph = self.low.graph
        self.asks = Backward(graph, Builder(graph), {}, self.rules)
        self.reached = {self.stop}
        """What depends on the input of this call."""
        for op in graph.ops:
            if any(t in self.reached for t in op.inputs):
                self.reached.update(op.outputs)
        waiting = {self.logits}
        for i in reversed(range(len(graph.ops))):
            op = graph.ops[i]
            made = [y for y in op.outputs if self.root(y) == y and y in waiting - {self.stop}]
            if any(y in self.reached for y in made):
                self.ops.append(i)
                waiting |= {t for t in self.sources(op) if t in self.reached}
        if self.stop not in waiting:
            raise UnsupportedOperator("firmware cannot explain: the output does not depend on the input")

    @cached_property
    def producers(self) -> dict[int, int]:
        return self.low.graph.producers()

    @cached_property
    def folded(self) -> set[Op]:
        """Operators that are part of the layer in front of them, as rules see it (see `canonical`)."""
        graph = self.low.graph
        kept = set(canonical(graph, Builder(graph), [self.logits]).ops)
        return {op for op in graph.ops if op not in kept and op.kind not in LAYERS | ALIASES}

    def producer(self, t: int) -> Op | None:
        return self.low.graph.ops[self.producers[t]] if t in self.producers else None

    def root(self, t: int) -> int:
        """The tensor that lies in the same memory and was computed there, in pixels that those of ``t`` are made of."""
        channels = self.layout(t)[1]
        op = self.producer(t)
        while op is not None and op.kind in ALIASES and channels % self.layout(op.inputs[0])[1] == 0:
            t = op.inputs[0]
            op = self.producer(t)
        return t

    def is_grouped(self, op: Op) -> bool:
        shape = self.low.tensor(op.inputs[1]).shape
        return op.kind == OpKind.CONV_2D and shape[-1] != self.low.tensor(op.inputs[0]).shape[-1]

    def padded(self, op: Op) -> tuple[int, tuple[int, int]]:
        """A layer's input and what is padded at its top and left, looked for in front of a PAD of zeros."""
        x = self.root(op.inputs[0])
        pad = self.producer(x)
        windows = op.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D) and not self.is_grouped(op)
        if windows and pad is not None and x != self.stop:
            zeros = border(self.low.graph, self.producers, x)
            if len(zeros) == 4 and pad.kind in (OpKind.PAD, OpKind.PADV2) and zeros[0] == zeros[3] == (0, 0):
                return pad.inputs[0], (zeros[1][0], zeros[2][0])
        return op.inputs[0], (0, 0)

    def passed(self, op: Op) -> int | None:
        """The map of which alone the output of a sum or product is a function, element by element."""
        if op.kind not in SUMS | {OpKind.MUL}:
            return None
        if not all(self.asks.is_dynamic(t) for t in op.inputs):
            return argument(self.asks, op) if op.kind in SUMS and rescales_input(self.asks, op) else None
        if op.kind == OpKind.MUL and signal(self.asks, *op.inputs) is not None:
            return None
        return argument(self.asks, op)

    def takes(self, op: Op) -> list[int]:
        """Which inputs of a product take relevance: the signal, or both of equal standing."""
        dynamic = [self.asks.is_dynamic(t) for t in op.inputs]
        taking = signal(self.asks, *op.inputs) if all(dynamic) else dynamic.index(True)
        return [0, 1] if taking is None else [taking]

    def positions(self, op: Op) -> list[int]:
        """Which inputs of an operator take relevance."""
        if op.kind == OpKind.MUL:
            return self.takes(op)
        if op.kind == OpKind.SPLIT:
            return [1]
        several = range(len(op.inputs)) if op.kind in SUMS | EXTREMES | PRODUCTS | {OpKind.CONCATENATION} else range(1)
        return [k for k in several if self.asks.is_dynamic(op.inputs[k])]

    def sources(self, op: Op) -> list[int]:
        """The maps that relevance goes to; those that no input reaches are states of the steps before."""
        if op.kind in LAYERS:
            return [self.root(self.padded(op)[0])]
        passed = self.passed(op)
        if passed is not None:
            return [self.root(passed)]
        return [self.root(op.inputs[k]) for k in self.positions(op)]

    def layout(self, t: int) -> tuple[int, int]:
        """Pixels and channels of a map, as the operator that reads its relevance takes them."""
        shape = self.low.tensor(t).shape
        channels = shape[-1] if shape else 1
        return prod(shape) // max(1, channels), max(1, channels)

    def cut(self, t: int) -> bool:
        """Whether a fused RELU cut the map off, at once or before it was moved."""
        op = self.producer(t)
        if op is not None and op.kind in MOVES:
            return all(self.cut(self.root(op.inputs[k])) for k in self.positions(op))
        if op is None or op.kind in SAME:
            return False
        return fused_activation(op) == RELU or (fused_activation(op) == RELU6 and op.kind == OpKind.AVERAGE_POOL_2D)

    def refusal(
        self, op: Op, why: str, hint: str = "stop above it with a grid, or only predict"
    ) -> UnsupportedOperator:
        """Why an operator has no way back, where, and what to do."""
        where = self.low.rewritten.describe(op)
        return UnsupportedOperator(f"firmware cannot explain {where}: {why}; {hint}")

    def by_sign(self, op: Op) -> bool:
        """Whether a sum is shared out among the summands of its sign."""
        both = op.kind in SUMS and all(self.asks.is_dynamic(t) for t in op.inputs)
        return both and isinstance(self.rules.get(op), NormPlus)

    def is_flat(self, t: int) -> bool:
        """Whether relevance arrives as a flat rule gives it, which does not look at values."""
        readers = [op for op in (self.low.graph.ops[i] for i in self.ops) if t in self.sources(op)]
        flat = any(isinstance(self.rules.get(op), Flat) for op in readers)
        return flat or any(op.kind in MOVES and any(map(self.is_flat, op.outputs)) for op in readers)

    def divides(self, op: Op) -> bool:
        """Whether relevance is divided by a sum as it was before it was cut off on both sides.

        A flat rule gives to what a RELU cut off too, and to what was rounded to nothing.
        """
        if op.kind not in SUMS or self.passed(op) is not None:
            return False
        if fused_activation(op) in (0, RELU) and not self.is_flat(op.outputs[0]):
            return False
        return not self.by_sign(op) and (op not in self.folded or isinstance(self._layer_rule(op), Epsilon))

    def form(self, op: Op) -> str:
        """What an operator's way back starts from: ``factor``, ``relevance``, ``any`` that it hands on as it is, or
        ``sum``, which takes any and hands on factors."""
        rule, activation = self.rules.get(op, Norm()), fused_activation(op)
        plain = activation in (0, RELU)
        if op.kind in LAYERS:
            step = self.low.scale(op.outputs[0])[0]
            if isinstance(rule, Epsilon) and rule.stabilizer > STABLE * step:
                why = f"a stabilizer of {rule.stabilizer:g} is no small part of its steps of {step:.3g}"
                raise self.refusal(op, why, "write a composite with a smaller one, or only predict")
            if not isinstance(rule, Epsilon | ZPlus | Flat):
                raise self.refusal(op, f"the rule {type(rule).__name__} has no integer form", CHOICES)
            return "factor" if isinstance(rule, Epsilon) and plain else "relevance"
        if op.kind in PRODUCTS | {OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM, OpKind.SVDF}:
            return "factor"  # they share as sums do, whatever the composite says of layers
        if self.passed(op) is not None or self.by_sign(op):
            return "relevance"
        if not isinstance(rule, Norm):
            raise self.refusal(op, f"the rule {type(rule).__name__} has no integer form", CHOICES)
        if self.divides(op):
            return "relevance"
        if op in self.folded:
            return self._folded(op)
        if op.kind in SAME | {OpKind.SOFTMAX} or (op.kind == OpKind.MUL and len(self.takes(op)) > 1):
            return "relevance"
        if op.kind in MOVES | EXTREMES | {OpKind.MUL, OpKind.QUANTIZE}:
            return "any" if plain else "relevance"
        if op.kind in SUMS:
            return "sum"
        largest = op.kind == OpKind.MAX_POOL_2D and (not plain or self.is_flat(op.outputs[0]))
        return "relevance" if largest else "factor"

    def _folded(self, op: Op) -> str:
        """A bias or scale that is part of a layer: factors pass as through any sum, relevance stays what it is."""
        rule = self._layer_rule(op)
        if isinstance(rule, ZPlus) and self._turns(op):
            raise self.refusal(op, "it turns the sign of a layer's sums around, which z+ goes by", CHOICES)
        if isinstance(rule, ZPlus) and rule.bias:
            raise self.refusal(op, "it is the bias of the layer in front of it, which z+ shares out", CHOICES)
        return "factor" if isinstance(rule, Epsilon) and fused_activation(op) in (0, RELU) else "relevance"

    def _turns(self, op: Op) -> bool:
        """Whether some values change their sign."""
        constant = next(t for t in op.inputs if not self.asks.is_dynamic(t))
        if op.kind == OpKind.SUB:
            return op.inputs[0] == constant
        return op.kind == OpKind.MUL and bool(np.any(self.low.real(constant) < 0))

    def _layer_rule(self, op: Op) -> Rule | None:
        """The rule of the layer that an operator is part of."""
        at: Op | None = op
        while at is not None and at.kind not in LAYERS:
            dynamic = [t for t in at.inputs if self.asks.is_dynamic(t)]
            at = self.producer(dynamic[0]) if dynamic else None
        return None if at is None else self.rules.get(at)

    def is_int8(self, t: int) -> bool:
        return self.low.tensor(t).dtype == DType.INT8
