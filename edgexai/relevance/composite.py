"""Composites: which rule each operator takes; the first matching line decides.

    Composite("mine", (Line(Flat(), first=True), Line(ZPlus(), kinds=CONVOLUTIONS), Line(Epsilon())))

Lines without ``kinds`` are for layers with weights. Other operators (ADD, MEAN, pools, activations …) have a rule of
their own, which a line that names their kind may replace by `Norm` with another stabilizer, or by `Pass`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edgexai.checks import one_of, told
from edgexai.errors import ConfigError
from edgexai.graph import OpKind
from edgexai.relevance.rules import TINY, AlphaBeta, Epsilon, Flat, Gamma, NormPlus, Rule, WSquare, ZBox, ZPlus

CONVOLUTIONS = frozenset(
    {OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.CONV_3D, OpKind.TRANSPOSE_CONV, OpKind.CONV_3D_TRANSPOSE}
)
DENSE = frozenset({OpKind.FULLY_CONNECTED, OpKind.BATCH_MATMUL})


@dataclass(frozen=True)
class Layer:
    """What a line may ask about an operator: depths count the layers with weights before and behind it."""

    kind: OpKind
    name: str
    from_input: int
    from_output: int
    window: float = 1.0
    """Share of its input's positions that one output sees."""
    has_weights: bool = True
    axes: int = 4
    """Of its output."""


@dataclass(frozen=True)
class Line:
    """A rule, and the operators that it is for: all of these conditions hold."""

    rule: Rule
    kinds: frozenset[OpKind] = frozenset()
    first: bool = False
    name: str = ""
    """A regular expression that is found in the name of the layer's output."""
    from_input: range | None = None
    from_output: range | None = None
    window: float = 1.0
    """The largest share of its input that one output of the layer may see."""
    axes: int = 0
    """The fewest axes that its output has: 3 and more are maps and sequences, 2 what a dense layer gives."""

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Rule):
            raise ConfigError(f"a Line begins with a rule such as Epsilon(), not {told(self.rule)}")

    def matches(self, layer: Layer) -> bool:
        return (
            (layer.kind in self.kinds if self.kinds else layer.has_weights)
            and (not self.first or layer.from_input == 0)
            and (not self.name or re.search(self.name, layer.name) is not None)
            and (self.from_input is None or layer.from_input in self.from_input)
            and (self.from_output is None or layer.from_output in self.from_output)
            and layer.window <= self.window
            and layer.axes >= self.axes
        )


@dataclass(frozen=True)
class Composite:
    """A name and its lines."""

    name: str
    lines: tuple[Line, ...]
    start: Literal["logit", "less mean"] = "logit"
    """What the score is: a logit, or a logit less the mean of those that it competes with in a softmax."""

    def __post_init__(self) -> None:
        is_whole = isinstance(self.lines, tuple | list) and all(isinstance(line, Line) for line in self.lines)
        if not isinstance(self.name, str) or not is_whole or not self.lines:
            raise ConfigError("a Composite is a name and at least one Line: Composite('mine', (Line(Epsilon()),))")
        one_of("start", self.start, ("logit", "less mean"))

    def rule(self, layer: Layer) -> Rule | None:
        """The rule of the first line that matches; None where none does, and the operator takes its own."""
        return next((line.rule for line in self.lines if line.matches(layer)), None)


def _plus(*before: Line) -> tuple[Line, ...]:
    return (*before, Line(ZPlus(), CONVOLUTIONS), Line(Epsilon()))


def _alpha_beta(*before: Line) -> tuple[Line, ...]:
    return (*before, Line(AlphaBeta(alpha=2.0, beta=1.0), CONVOLUTIONS), Line(Epsilon()))


def _epsilon(stabilizer: float = 1e-6) -> tuple[Line, ...]:
    return (Line(Epsilon(stabilizer)),)


def _gamma(gamma: float = 0.25) -> tuple[Line, ...]:
    return (Line(Gamma(gamma=gamma)),)


def _gamma_box(low: float = 0.0, high: float = 1.0) -> tuple[Line, ...]:
    return (
        Line(ZBox(low=low, high=high), CONVOLUTIONS, first=True),
        Line(Gamma(gamma=0.25), CONVOLUTIONS),
        Line(Epsilon()),
    )


EXACT = Epsilon(1e-9)
"""On hidden maps 1e-6 would be a unit."""
SUMS = Line(NormPlus(), frozenset({OpKind.ADD}), axes=3)
"""Sums of maps; a step of a recurrent network adds dense layers, which share as ε does."""
PLUS = Line(ZPlus(stabilizer=TINY, bias=0.0), CONVOLUTIONS)
FLAT = Line(Flat(), CONVOLUTIONS, first=True, window=0.02)


def _edge() -> tuple[Line, ...]:
    # Measured in docs/edge-composite.md: shares without bias lie between 0 and 1, so that nothing blows up or gets lost
    # on the way and no stabilizer is needed; the flat rule costs least but smears over windows as large as the digit.
    return (Line(EXACT, from_output=range(1)), FLAT, SUMS, PLUS, Line(EXACT))


MOST_LAYERS = 1000


def _edge_flat(layers: float = 3) -> tuple[Line, ...]:
    # `edge` that knows where, but not which pixel of a few: the flat rule in the first convolutions costs least of all.
    if not 1 <= layers <= MOST_LAYERS or layers % 1:
        raise ConfigError(f"edge_flat takes a number of layers, 1 to {MOST_LAYERS}, not {layers:g}")
    flat = Line(Flat(), CONVOLUTIONS, from_input=range(int(layers)), window=0.1)
    return (Line(EXACT, from_output=range(1)), flat, SUMS, PLUS, Line(EXACT))


def _gamma_epsilon(gamma: float = 0.25, stabilizer: float = 0.25) -> tuple[Line, ...]:
    # γ where the maps are large and details are, ε above: as faithful as γ throughout on KWS, and faster.
    low = Line(Gamma(gamma=gamma), CONVOLUTIONS, from_input=range(3))
    return (
        *(Line(EXACT, from_output=range(1)), FLAT, SUMS, low),
        *(Line(Epsilon(stabilizer), CONVOLUTIONS), Line(EXACT)),
    )


NAMED: dict[str, tuple[int, Callable[..., tuple[Line, ...]]]] = {
    "edge": (0, _edge),
    "edge_flat": (1, _edge_flat),
    "epsilon": (1, _epsilon),
    "gamma": (1, _gamma),
    "gamma_epsilon": (2, _gamma_epsilon),
    "epsilon_plus": (0, _plus),
    "epsilon_plus_flat": (0, lambda: _plus(Line(Flat(), first=True))),
    "epsilon_alpha2_beta1": (0, _alpha_beta),
    "epsilon_alpha2_beta1_flat": (0, lambda: _alpha_beta(Line(Flat(), first=True))),
    "epsilon_gamma_box": (2, _gamma_box),
    "wsquare_epsilon_plus": (0, lambda: _plus(Line(WSquare(), first=True))),
}
"""Names, how many numbers each takes at most, and its lines; where zennit has the name, it means the same."""


LESS_MEAN = ("edge", "edge_flat", "gamma_epsilon")
"""Those that start from the logit less the mean of its competitors."""


def composite(name: str) -> Composite:
    """The composite of a name such as ``epsilon_plus_flat`` or ``gamma(0.25)``; ConfigError if there is none."""
    if name == "auto":
        raise ConfigError(
            "composite auto is chosen on samples: edgexai.best_composite(graph, samples), or attach --data"
        )
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", name)
    if match is None or match[1] not in NAMED:
        raise ConfigError(f"there is no composite {name!r}; choose one of {', '.join(NAMED)}")
    most, lines = NAMED[match[1]]
    try:
        numbers = [float(n) for n in match[2].split(",")] if match[2] else []
    except ValueError:
        raise ConfigError(f"composite {name!r} takes numbers in its parentheses, as in gamma(0.25)") from None
    if len(numbers) > most:
        raise ConfigError(f"composite {match[1]!r} takes at most {most} numbers, not {len(numbers)}")
    return Composite(name.strip(), lines(*numbers), "less mean" if match[1] in LESS_MEAN else "logit")
