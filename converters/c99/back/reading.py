"""What the way back asks of a model: which operators are on it, which map is meant by a tensor, how units share."""

from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from converters.c99.lowering import Lowering
from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.reading.questions import border, fused_activation
from edgexai.relevance.rules import Epsilon, Flat, Norm, NormPlus, Rule, ZPlus

ALIASES = {OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS}
LAYERS = {OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED}
POOLS = {OpKind.AVERAGE_POOL_2D, OpKind.MEAN, OpKind.MAX_POOL_2D}
SAME = {OpKind.RELU, OpKind.RELU6, OpKind.QUANTIZE}
"""What relevance passes unchanged."""
RELU = 1
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
        reached = {self.stop}
        for op in graph.ops:
            if any(t in reached for t in op.inputs):
                reached.update(op.outputs)
        waiting = {self.logits}
        for i in reversed(range(len(graph.ops))):
            op = graph.ops[i]
            if op.kind in ALIASES or not any(self.root(y) in waiting - {self.stop} for y in op.outputs):
                continue
            if not any(y in reached for y in op.outputs):
                continue
            self.ops.append(i)
            waiting |= {t for t in self.sources(op) if t in reached}
        if self.stop not in waiting:
            raise UnsupportedOperator("firmware cannot explain: the output does not depend on the input")

    @cached_property
    def producers(self) -> dict[int, int]:
        return self.low.graph.producers()

    def producer(self, t: int) -> Op | None:
        return self.low.graph.ops[self.producers[t]] if t in self.producers else None

    def root(self, t: int) -> int:
        """The tensor that lies in the same memory and was computed there."""
        op = self.producer(t)
        while op is not None and op.kind in ALIASES:
            t = op.inputs[0]
            op = self.producer(t)
        return t

    def padded(self, op: Op) -> tuple[int, tuple[int, int]]:
        """A layer's input and what is padded at its top and left, looked for in front of a PAD of zeros."""
        x = self.root(op.inputs[0])
        pad = self.producer(x)
        if op.kind in (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D) and pad is not None and x != self.stop:
            zeros = border(self.low.graph, self.producers, x)
            if len(zeros) == 4 and pad.kind in (OpKind.PAD, OpKind.PADV2) and zeros[0] == zeros[3] == (0, 0):
                return self.root(pad.inputs[0]), (zeros[1][0], zeros[2][0])
        return x, (0, 0)

    def sources(self, op: Op) -> list[int]:
        """The maps that relevance goes to."""
        if op.kind in LAYERS:
            return [self.padded(op)[0]]
        inputs = op.inputs if op.kind == OpKind.ADD else op.inputs[:1]
        return [self.root(t) for t in inputs if not self.low.tensor(t).is_constant]

    def layout(self, t: int) -> tuple[int, int]:
        """Pixels and channels of a map, as the operator that reads its relevance takes them."""
        shape = self.low.tensor(t).shape
        channels = shape[-1] if shape else 1
        return prod(shape) // channels, channels

    def cut(self, t: int) -> bool:
        """Whether a fused RELU cut the map off."""
        op = self.producer(t)
        return op is not None and fused_activation(op) == RELU and op.kind not in SAME

    def refusal(
        self, op: Op, why: str, hint: str = "stop above it with a grid, or only predict"
    ) -> UnsupportedOperator:
        """Why an operator has no way back, where, and what to do."""
        where = self.low.graph.describe(self.low.graph.ops.index(op))
        return UnsupportedOperator(f"firmware cannot explain {where}: {why}; {hint}")

    def takes_factors(self, op: Op) -> bool:
        """Whether an operator's way back starts from factors rather than from relevance."""
        rule, plain = self.rules.get(op, Norm()), fused_activation(op) in (0, RELU)
        if op.kind in LAYERS:
            if isinstance(rule, Epsilon) and rule.stabilizer > 1e-3 * self.low.scale(op.outputs[0])[0]:
                raise self.refusal(
                    op, f"a stabilizer of {rule.stabilizer} is larger than what its steps resolve", CHOICES
                )
            if not isinstance(rule, Epsilon | ZPlus | Flat):
                raise self.refusal(op, f"the rule {type(rule).__name__} has no integer form", CHOICES)
            return isinstance(rule, Epsilon) and plain
        if op.kind == OpKind.ADD and isinstance(rule, NormPlus):
            return False
        if type(rule) is not Norm or not (plain or op.kind in SAME):
            raise self.refusal(op, f"the rule {type(rule).__name__} behind activation {fused_activation(op)}", CHOICES)
        return op.kind not in SAME

    def is_int8(self, t: int) -> bool:
        return self.low.tensor(t).dtype == DType.INT8
