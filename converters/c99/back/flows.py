"""Where relevance is on its way back: the form that each map takes, the buffer that it lies in, what gates it."""

from dataclasses import dataclass, field
from math import prod

from converters.c99.back.reading import CHOICES, EXTREMES, LARGEST, LAYERS, MOVES, PRODUCTS, SUMS, Reading
from converters.c99.schedule import Buffer, Literal, Schedule, Struct
from edgexai.graph import Op, OpKind
from edgexai.relevance.composite import Composite
from edgexai.relevance.rules import Flat, ZPlus

FORMS = {"factor": "EXAI_FACTOR", "relevance": "EXAI_RELEVANCE", "map": "EXAI_MAP"}


@dataclass(frozen=True)
class Explaining:
    """What is explained: ``target`` ``predicted`` or ``error`` (of an autoencoder); ``grid`` stops at an inner map."""

    composite: str | Composite = "edge"
    target: str = "predicted"
    grid: tuple[int, int] | None = None


@dataclass
class Flows:
    """The maps that relevance passes, and their buffers."""

    reading: Reading
    plan: Schedule
    asked: Explaining
    shape: tuple[int, ...]
    buffers: dict[str, Buffer] = field(default_factory=dict)
    bits: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    """Copies of states as they were before they were assigned."""
    flows: dict[int, str] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.buffers = dict(self.plan.buffers)
        self.buffers |= {n: Buffer(n, 0, "output") for n in ("relevance", "target", "score", "state")}
        low = self.reading.low
        self.where = dict(low.home)
        for old, new in zip(low.steps, self.plan.steps, strict=False):
            renamed = dict(zip(old.writes, new.writes, strict=True))
            self.where = {t: renamed.get(name, name) for t, name in self.where.items()}
        self.readers: dict[int, int] = {}
        for i in self.reading.ops:
            for t in self.reading.sources(low.graph.ops[i]):
                self.readers[t] = self.readers.get(t, 0) + 1
        self.valued = {t for i in self.reading.ops for t in self._valued(low.graph.ops[i])}

    def wants(self, t: int) -> str:
        """The form in which a map takes its relevance: that in which the operator that made it hands it on."""
        if t not in self.reading.reached:
            return "map"
        if t == self.reading.stop:
            if self.asked.target == "error":
                return "factor"
            return "map" if self.readers.get(t, 0) == 1 and t != self.reading.logits else "relevance"
        op = self.reading.producer(t)
        assert op is not None
        form = self.reading.form(op)
        if form not in ("any", "sum"):
            return form
        return "relevance" if "relevance" in self._given(t) else "factor"

    def _given(self, t: int) -> set[str]:
        """The forms in which relevance arrives at a map that is handed on as it is; z+ of signed values is none."""
        reading, found = self.reading, set()
        for op in (reading.low.graph.ops[i] for i in reading.ops):
            if t in reading.sources(op):
                signed = isinstance(reading.rules.get(op), ZPlus) and not reading.asks.nonnegative(t)
                found |= {"relevance"} if signed else {self.gives(op, y) for y in self._arriving(op)}
        return found

    def _arriving(self, op: Op) -> list[int]:
        """The outputs that relevance arrives at."""
        return [y for y in op.outputs if y in self.readers] or list(op.outputs[:1])

    def gives(self, op: Op, y: int | None = None) -> str:
        """The form in which an operator's way back hands relevance on, of one of several outputs if there are some."""
        reading = self.reading
        form = reading.form(op)
        if op.kind in LAYERS:
            return "relevance" if isinstance(reading.rules.get(op), Flat) else "factor"
        if form == "any" or (op.kind in MOVES | {OpKind.MUL} and op not in reading.folded):
            return self.wants(op.outputs[0] if y is None else y)
        return (
            "relevance" if form == "relevance" and op.kind != OpKind.SOFTMAX and not reading.divides(op) else "factor"
        )

    def divides(self, op: Op) -> bool:
        """Whether relevance itself arrives at a sum: it is divided by that of the summands, which is not rounded."""
        if op.kind not in SUMS:
            return False
        return self.reading.divides(op) or (self.reading.form(op) == "sum" and self.wants(op.outputs[0]) == "relevance")

    def _valued(self, op: Op) -> list[int]:
        """The maps whose values an operator's way back reads."""
        reading, sources = self.reading, self.reading.sources(op)
        mine: list[int] = []
        if op.kind in LAYERS:
            signed = reading.form(op) != "factor" and not isinstance(reading.rules.get(op), Flat)
            mine = sources if signed else []
        elif (op.kind in SUMS and reading.by_sign(op)) or op.kind in LARGEST | EXTREMES:
            mine = sources
        elif (op.kind == OpKind.MUL and self.gives(op) == "factor") or op.kind in PRODUCTS or self.divides(op):
            mine = [reading.root(t) for t in op.inputs if not reading.low.tensor(t).is_constant]
        elif op.kind == OpKind.SOFTMAX:
            mine = list(op.outputs)
        elif op.kind == OpKind.SVDF:
            mine = [*sources, *op.outputs]
        given = {self.gives(op, y) == "factor" for y in self._arriving(op)}
        return mine + [t for t in sources if (self.wants(t) != "factor") in given]

    def flow(self, t: int) -> str:
        """The buffer of what arrives at a map."""
        if t not in self.flows:
            pixels, channels = self.reading.layout(t)
            size = 2 * pixels * (channels + 1)
            self.flows[t] = "relevance" if self.wants(t) == "map" else self.buffer(f"c{t}", size)
        return self.flows[t]

    def over(self, y: int, x: int) -> str:
        """The buffer of what arrives at x: that of y, which has been read then, if it takes as much room."""
        if x not in self.flows and self.wants(x) != "map" and self.reading.layout(x) == self.reading.layout(y):
            self.flows[x] = self.flow(y)
        return self.flow(x)

    def buffer(self, name: str, size: int, kind: str = "map") -> str:
        self.buffers.setdefault(name, Buffer(name, size, kind))
        return name

    def values(self, t: int) -> str:
        """The buffer of a map's values; of a state, those that it had before it was assigned."""
        name = self.where[t]
        if self.buffers[name].kind != "state":
            return name
        self.kept[name] = self.buffer(f"k{name}", self.buffers[name].size)
        return self.kept[name]

    def keep(self, t: int, given: str) -> tuple[Struct, str | None]:
        """How relevance is kept at a map, and the buffer that gates it."""
        form, reading = self.wants(t), self.reading
        pixels, channels = reading.layout(t)
        op = reading.producer(t)
        if op is not None and reading.by_sign(op) and reading.cut(t) and reading.is_flat(t):
            raise reading.refusal(op, "it cuts off what the flat rule behind it gives to", CHOICES)
        gate, kind = None, "EXAI_OPEN"
        if (form == "factor") != (given == "factor"):
            gate, kind = self.values(t), "EXAI_VALUES"
        elif form == "factor" and reading.cut(t):
            gate, kind = self.values(t), "EXAI_VALUES"
            if t not in self.valued and t not in reading.low.graph.inputs:
                gate, kind = self._signs(t), "EXAI_BITS"
        fields = {
            "pixels": pixels,
            "channels": channels,
            "run": channels if len(self.shape) > 2 or t not in reading.reached else 1,
            "zero": reading.low.scale(t)[1],
            "from": Literal(FORMS[given]),
            "form": Literal(FORMS[form]),
            "gate": Literal(kind),
            "adds": int(self.arrived.get(t, 0) > 0),
        }
        self.arrived[t] = self.arrived.get(t, 0) + 1
        return Struct("exai_keep", fields), gate

    def _signs(self, t: int) -> str:
        count = prod(self.reading.low.tensor(t).shape)
        name = self.buffer(f"g{t}", -(-count // 8))
        self.bits[name] = (self.values(t), count, self.reading.low.scale(t)[1])
        return name
