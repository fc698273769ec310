"""The schedule of explaining under construction: predicting's steps stay, and the way back is appended to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from converters.c99.back import ways
from converters.c99.back.flows import Flows
from converters.c99.schedule import Constant, Literal, Step
from edgexai.graph import Op


@dataclass
class Back(Flows):
    """The steps so far."""

    steps: list[Step] = field(default_factory=list)
    slopes: dict[Step, str] = field(default_factory=dict)
    """What LSTMs keep on their way there."""
    passed: set[Op] = field(default_factory=set)
    """Operators that a layer's way back has gone through, too."""
    scale: float = 1.0
    error: dict[str, Any] = field(default_factory=dict)

    def call(
        self,
        op: Op,
        kernel: tuple[str, str, Mapping[str, Any]],
        values: Sequence[str | Literal | Constant],
        flows: tuple[str, str | None, str],
        scratch: int,
    ) -> None:
        """Append ``function(&fields, values…, above, gate, below, scratch)``."""
        function, type, fields = kernel
        above, gate, below = flows
        room = self.buffer(f"sb{len(self.steps)}", scratch, "scratch")
        gates = () if function == "exai_back_flat" else (gate or ways.NULL,)
        arguments = (*values, above, *gates, below, room)
        reads = tuple(a for a in arguments[:-1] if isinstance(a, str))
        label = f"back: {self.reading.low.rewritten.describe(op)}"
        self.steps.append(Step(function, type, fields, arguments, reads, (below, room), label))

    def forward(self, op: Op) -> list[Step]:
        """The steps that compute an operator, without moves."""
        at = self.reading.low.graph.ops.index(op)
        return [step for step in self.plan.steps if step.op == at and step.function != "exai_shift"]

    def below(self, x: int) -> str:
        """Where what arrives at a map is written; of a state, one number a pixel."""
        if x in self.reading.reached:
            return self.flow(x)
        return self.buffer(f"z{x}", 4 * self.reading.layout(x)[0], "scratch")

    def to_state(self, x: int) -> None:
        """Add what arrived at a state to its share."""
        name, out = self.below(x), ("state",)
        numbers = (Literal(str(self.reading.layout(x)[0])), Literal(f"{self.scale.hex()}f"))
        self.steps.append(Step("exai_total", "", {}, (name, *numbers, *out), (name, *out), out, "what a state got"))

    def keeping(self, step: Step) -> Step:
        """An LSTM's step of predicting, which also keeps what explaining needs."""
        if step not in self.slopes:
            return step
        name = self.slopes[step]
        arguments = tuple(name if isinstance(a, Literal) else a for a in step.arguments)
        return replace(step, arguments=arguments, writes=(*step.writes, name))
