"""Schedule of predicting -> schedule of explaining: the same steps, then back from the logits in integers.

Relevance is counted per quantized step, so that scales cancel: under LRP-epsilon a layer's factors are multiplied by
its weights and its requantization multiplier alone, and nothing of an activation is needed but whether a RELU cut it
off, which is kept as one bit. Under z+ relevance is divided by sums of positive products, for which inputs are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from converters.c99.back import gathers, ways
from converters.c99.back.reading import ALIASES, CHOICES, LAYERS, MEANS, MOVES, POOLS, SAME, SUMS, Reading
from converters.c99.lowering import Lowering
from converters.c99.operators.moves import block
from converters.c99.schedule import Buffer, Constant, Literal, Schedule, Step, Struct
from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.attach import rules_of
from edgexai.relevance.composite import Composite
from edgexai.relevance.composite_file import composite_of
from edgexai.relevance.grid import stop_tensors
from edgexai.relevance.rules import Flat, ZPlus
from edgexai.relevance.targets.ends import End, end_of

FORMS = {"factor": "EXAI_FACTOR", "relevance": "EXAI_RELEVANCE", "map": "EXAI_MAP"}


@dataclass(frozen=True)
class Explaining:
    """What is explained: ``target`` ``predicted`` or ``error`` (of an autoencoder); ``grid`` stops at an inner map."""

    composite: str | Composite = "edge"
    target: str = "predicted"
    grid: tuple[int, int] | None = None


def explanation(low: Lowering, plan: Schedule, asked: Explaining) -> tuple[Schedule, tuple[int, ...]]:
    """The schedule of explaining, and the shape of its map."""
    graph = low.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedOperator("firmware explains models of one input and one output; write it without explaining")
    if asked.target not in ("predicted", "error"):
        raise ConfigError(f'target {asked.target!r} is not known to firmware; use "predicted" or "error"')
    error = asked.target == "error"
    if error and asked.grid is not None:
        raise ConfigError('target "error" is about the inputs themselves; leave grid out')
    chosen = composite_of(asked.composite)
    end = End(graph.outputs[0]) if error else end_of(graph, graph.outputs[0])
    producers = graph.producers()

    def inside(t: int) -> int:
        """The int8 map behind a tensor that is only its copy."""
        while t in producers and graph.ops[producers[t]].kind in (*ALIASES, OpKind.DEQUANTIZE):
            t = graph.ops[producers[t]].inputs[0]
        return t

    logits = inside(end.logits)
    stop = stop_tensors(graph, end.logits, asked.grid)[0]
    shape = low.tensor(stop).shape
    if low.tensor(stop).dtype == DType.FLOAT32:
        readers = [op for op in graph.ops if stop in op.inputs]
        if len(readers) != 1 or readers[0].kind != OpKind.QUANTIZE:
            raise UnsupportedOperator("firmware explains float inputs that one QUANTIZE reads")
        stop = readers[0].outputs[0]
    elif stop in producers:
        stop = inside(stop)
    reading = Reading(low, rules_of(graph, graph, chosen, end.logits), logits, stop)
    back = Back(reading, plan, asked, shape)
    back.begin(len(end.classes) > 0 and chosen.start == "less mean", error)
    for i in reading.ops:
        back.through(graph.ops[i])
    return back.finish(), shape if len(shape) < 3 else shape[:-1]


@dataclass
class Back:
    """The schedule of explaining under construction."""

    reading: Reading
    plan: Schedule
    asked: Explaining
    shape: tuple[int, ...]
    steps: list[Step] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    bits: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    """Copies of states as they were before they were assigned."""
    flows: dict[int, str] = field(default_factory=dict)
    arrived: dict[int, int] = field(default_factory=dict)
    scale: float = 1.0
    error: dict[str, Any] = field(default_factory=dict)

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

    # --- where relevance is

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
        if form != "any":
            return form
        return "relevance" if "relevance" in self._given(t) else "factor"

    def _given(self, t: int) -> set[str]:
        """The forms in which relevance arrives at a map that is handed on as it is; z+ of signed values is none."""
        reading, found = self.reading, set()
        for op in (reading.low.graph.ops[i] for i in reading.ops):
            if t in reading.sources(op):
                signed = isinstance(reading.rules.get(op), ZPlus) and not reading.asks.nonnegative(t)
                found.add("relevance" if signed else self.gives(op))
        return found

    def gives(self, op: Op) -> str:
        """The form in which an operator's way back hands relevance on."""
        reading = self.reading
        form = reading.form(op)
        if op.kind in LAYERS:
            return "relevance" if isinstance(reading.rules.get(op), Flat) else "factor"
        if form == "any" or (op.kind in MOVES | {OpKind.MUL} and op not in reading.folded):
            return self.wants(op.outputs[0])
        return "relevance" if form == "relevance" else "factor"

    def _valued(self, op: Op) -> list[int]:
        """The maps whose values an operator's way back reads."""
        reading, sources = self.reading, self.reading.sources(op)
        mine: list[int] = []
        if op.kind in LAYERS:
            signed = reading.form(op) != "factor" and not isinstance(reading.rules.get(op), Flat)
            mine = sources if signed else []
        elif (op.kind in SUMS and reading.by_sign(op)) or op.kind == OpKind.MAX_POOL_2D:
            mine = sources
        elif op.kind == OpKind.MUL and self.gives(op) == "factor":
            mine = [reading.root(t) for t in op.inputs if not reading.low.tensor(t).is_constant]
        return mine + [t for t in sources if (self.wants(t) != "factor") == (self.gives(op) == "factor")]

    def flow(self, t: int) -> str:
        """The buffer of what arrives at a map."""
        if t not in self.flows:
            pixels, channels = self.reading.layout(t)
            size = 2 * pixels * (channels + 1)
            self.flows[t] = "relevance" if self.wants(t) == "map" else self._buffer(f"c{t}", size)
        return self.flows[t]

    def _over(self, y: int, x: int) -> str:
        """The buffer of what arrives at x: that of y, which has been read then, if it takes as much room."""
        if x not in self.flows and self.wants(x) != "map" and self.reading.layout(x) == self.reading.layout(y):
            self.flows[x] = self.flow(y)
        return self.flow(x)

    def _buffer(self, name: str, size: int, kind: str = "map") -> str:
        self.buffers.setdefault(name, Buffer(name, size, kind))
        return name

    def values(self, t: int) -> str:
        """The buffer of a map's values; of a state, those that it had before it was assigned."""
        name = self.where[t]
        if self.buffers[name].kind != "state":
            return name
        self.kept[name] = self._buffer(f"k{name}", self.buffers[name].size)
        return self.kept[name]

    def keep(self, t: int, given: str) -> tuple[Struct, str | None]:
        """How relevance is kept at a map, and the buffer that gates it."""
        form, reading = self.wants(t), self.reading
        pixels, channels = reading.layout(t)
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
        name = self._buffer(f"g{t}", -(-count // 8))
        self.bits[name] = (self.values(t), count, self.reading.low.scale(t)[1])
        return name

    # --- steps

    def begin(self, less_mean: bool, error: bool) -> None:
        """Where relevance starts."""
        low, logits = self.reading.low, self.reading.logits
        scale, zero = low.scale(logits)
        count, form = prod(low.tensor(logits).shape), self.wants(logits)
        flow, y = self.flow(logits), self.values(logits)
        out = (flow, "target", "score")
        self.arrived[logits] = 1
        if error:
            x = self.values(self.reading.stop)
            in_scale, in_zero = low.scale(self.reading.stop)
            if prod(low.tensor(self.reading.stop).shape) != count or form != "factor":
                raise ConfigError('target "error" needs a model that returns as many values as it takes')
            channels = self.reading.layout(self.reading.stop)[1]
            self.error = {
                "count": count,
                "ratio": round(in_scale / scale * 2**16),
                "scale": Literal(f"{(scale * scale / 2**16).hex()}f"),
                "in_channels": channels,
                "out_channels": self.reading.layout(logits)[1],
                "run": channels if len(self.shape) > 2 else 1,
                "in_zero": in_zero,
                "out_zero": zero,
            }
            step = Step("exai_start_error", "exai_error", self.error, (x, y, *out), (x, y), out, "the error")
        else:
            if self.reading.layout(logits)[0] != 1:
                raise UnsupportedOperator("firmware explains one vector of logits; write it without explaining")
            self.scale = scale / count if less_mean else scale
            fields = {"count": count, "scale": Literal(f"{self.scale.hex()}f"), "zero": zero}
            fields |= {"form": Literal(FORMS[form]), "less_mean": int(less_mean)}
            step = Step("exai_start", "exai_target", fields, (y, *out), (y,), out, "where relevance starts")
        self.steps.append(step)

    def through(self, op: Op) -> None:
        """One operator's way back."""
        reading = self.reading
        if not all(reading.is_int8(t) for t in reading.sources(op)):
            raise reading.refusal(op, "its input is no int8")
        passed = reading.passed(op) is not None or (op in reading.folded and reading.form(op) == "relevance")
        if op.kind in LAYERS:
            (self._groups if reading.is_grouped(op) else self._layer)(op)
        elif op.kind in POOLS or (op.kind in MEANS and ways.of_all_positions(reading, op)):
            (x,) = reading.sources(op)
            keep, gate = self.keep(x, "factor")
            fields = ways.pool(reading, op, self._forward(op)[0], keep)
            value = [self.values(x)] if op.kind == OpKind.MAX_POOL_2D else []
            function = "exai_back_max" if value else "exai_back_pool"
            size = 8 * reading.low.tensor(x).shape[-1]
            self._call(
                op, (function, "exai_pool_way", fields), value, (self.flow(op.outputs[0]), gate, self.flow(x)), size
            )
        elif op.kind in SAME or passed:
            (x,) = reading.sources(op)
            keep, gate = self.keep(x, "relevance")
            size, above = 4 * reading.layout(x)[1], self.flow(op.outputs[0])
            below = self._over(op.outputs[0], x)
            self._call(op, ("exai_back_same", "exai_keep", keep.fields), [], (above, gate, below), size)
        elif op.kind in SUMS | MEANS | MOVES | {OpKind.MUL}:
            for y in op.outputs:
                for position in reversed(reading.positions(op) if y in self.flows else []):
                    self._part(op, y, position)
        else:
            raise reading.refusal(op, "it has no way back")

    def _part(self, op: Op, y: int, position: int) -> None:
        """What one input of a sum, a product, a mean or a move gets of one output."""
        reading, given, t = self.reading, self.gives(op), op.inputs[position]
        x, above = reading.root(t), self.flow(y)
        keep, gate = self.keep(x, given)
        if op.kind in SUMS and (reading.by_sign(op) or reading.low.tensor(t).shape == reading.low.tensor(y).shape):
            fields, pair = ways.summand(reading, op, position, keep), (t, op.inputs[1 - position])
            values = [self.values(reading.root(v)) if reading.by_sign(op) else ways.NULL for v in pair]
            last = position == min(reading.positions(op)) and x in reading.reached
            below = self._over(y, x) if last else self._below(x)
            size = 4 * reading.layout(t)[1]
            self._call(op, ("exai_back_sum", "exai_summand", fields), values, (above, gate, below), size)
        else:
            found = gathers.gather(reading, op, y, position, given)
            other: str | Literal | Constant = ways.NULL
            if found.other is not None:
                low = reading.low
                constant = low.tensor(found.other).is_constant
                other = Constant(low.constant(found.other)) if constant else self.values(reading.root(found.other))
            fields, size = gathers.fields(reading, op, found, reading.layout(y), keep), 12 * reading.layout(t)[1]
            self._call(op, ("exai_back_gather", "exai_gather", fields), [other], (above, gate, self._below(x)), size)
        if x not in reading.reached:
            self._to_state(x)

    def _below(self, x: int) -> str:
        """Where what arrives at a map is written; of a state, one number a pixel."""
        if x in self.reading.reached:
            return self.flow(x)
        return self._buffer(f"z{x}", 4 * self.reading.layout(x)[0], "scratch")

    def _to_state(self, x: int) -> None:
        """Add what arrived at a state to its share."""
        name, out = self._below(x), ("state",)
        numbers = (Literal(str(self.reading.layout(x)[0])), Literal(f"{self.scale.hex()}f"))
        self.steps.append(Step("exai_total", "", {}, (name, *numbers, *out), (name, *out), out, "what a state got"))

    def _layer(self, op: Op) -> None:
        reading, above = self.reading, self.flow(op.outputs[0])
        (x,) = reading.sources(op)
        (forward,) = self._forward(op)
        if isinstance(reading.rules.get(op), Flat):
            if self.wants(x) != "map":
                raise reading.refusal(op, "the flat rule is for the layer at which relevance ends")
            keep, _ = self.keep(x, "relevance")
            each = 1 if len(self.shape) > 2 else reading.layout(x)[1]  # a map's channels are summed in the end
            one = Struct("exai_keep", dict(keep.fields) | {"channels": each, "run": 1})
            fields, size = ways.flat(reading, op, forward, one)
            self._call(op, ("exai_back_flat", "exai_way", fields), [], (above, None, "relevance"), size)
            return
        keep, gate = self.keep(x, "factor")
        fields, reads = ways.layer(reading, op, forward, keep)
        value: list[str | Literal | Constant] = [self.values(x) if reads else ways.NULL]
        p = fields["layer"].fields
        over = p["stride_rows"] == p["stride_columns"] == 1 and p["in_channels"] == p["out_channels"]
        below = self._over(op.outputs[0], x) if over else self.flow(x)
        depthwise = op.kind == OpKind.DEPTHWISE_CONV_2D
        function, size = "exai_back_depthwise" if depthwise else "exai_back", ways.scratch(fields, depthwise)
        self._call(op, (function, "exai_way", fields), value, (above, gate, below), size)

    def _groups(self, op: Op) -> None:
        """A grouped convolution: each group's relevance is taken out, goes through its layer, and is put into place."""
        reading, y = self.reading, op.outputs[0]
        if isinstance(reading.rules.get(op), Flat):
            raise reading.refusal(op, "the flat rule for a grouped convolution", CHOICES)
        (x,) = reading.sources(op)
        pixels, channels = reading.layout(op.inputs[0])
        out_pixels, out = reading.layout(y)
        for g, forward in enumerate(self._forward(op)):
            inside, each = forward.parameters["in_channels"], forward.parameters["out_channels"]
            mine, here = range(g * inside, (g + 1) * inside), range(g * each, (g + 1) * each)
            taken = self._buffer(f"cq{y}", 2 * out_pixels * (each + 1))
            made = self._buffer(f"cp{y}", 2 * pixels * (inside + 1))
            part = ways.plain_keep(out_pixels, each, FORMS[self.wants(y)])
            fields = gathers.group(out_pixels, out, here, part, inside=False)
            self._call(
                op, ("exai_back_gather", "exai_gather", fields), [ways.NULL], (self.flow(y), None, taken), 12 * each
            )
            keep = ways.plain_keep(pixels, inside, FORMS["factor"])
            fields, reads = ways.layer(reading, op, forward, keep, slice(here.start, here.stop))
            value: str | Literal = ways.NULL
            if reads:
                value = self._buffer(f"kp{y}", pixels * inside)
                move = block(pixels, inside, (channels, mine.start), (inside, 0))
                source = self.values(x)
                self.steps.append(
                    Step("exai_shift", "exai_move", move, (source, value), (source,), (value,), "a group")
                )
            self._call(op, ("exai_back", "exai_way", fields), [value], (taken, None, made), ways.scratch(fields, False))
            keep, gate = self.keep(x, "factor")
            fields = gathers.group(pixels, channels, mine, keep, inside=True)
            self._call(
                op, ("exai_back_gather", "exai_gather", fields), [ways.NULL], (made, gate, self.flow(x)), 12 * channels
            )

    def _call(
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
        room = self._buffer(f"sb{len(self.steps)}", scratch, "scratch")
        gates = () if function == "exai_back_flat" else (gate or ways.NULL,)
        arguments = (*values, above, *gates, below, room)
        reads = tuple(a for a in arguments[:-1] if isinstance(a, str))
        label = f"back: {self.reading.low.graph.describe(self.reading.low.graph.ops.index(op))}"
        self.steps.append(Step(function, type, fields, arguments, reads, (below, room), label))

    def _forward(self, op: Op) -> list[Step]:
        """The steps that compute an operator, without moves."""
        at = self.reading.low.graph.ops.index(op)
        return [step for step in self.plan.steps if step.op == at and step.function != "exai_shift"]

    def finish(self) -> Schedule:
        """The whole schedule: predicting, with the signs that are kept, and the way back."""
        stop, low = self.reading.stop, self.reading.low
        steps = list(self.plan.steps)
        for bits, (name, count, zero) in self.bits.items():
            at = max(i for i, step in enumerate(steps) if name in step.writes)
            numbers = (Literal(str(count)), Literal(str(zero)))
            steps.insert(at + 1, Step("exai_signs", "", {}, (name, *numbers, bits), (name,), (bits,), "kept signs"))
        for state, copy in self.kept.items():
            at = min(i for i, step in enumerate(steps) if state in step.writes)
            amount = Literal(str(self.buffers[state].size))
            steps.insert(at, Step("memcpy", "", {}, (copy, state, amount), (state,), (copy,), "a state as it was"))
        if low.states:
            nothing = (Literal("0"), Literal("4"))
            steps.append(Step("memset", "", {}, ("state", *nothing), (), ("state",), "what states got"))
        steps += self.steps
        out, pixels = ("relevance",), prod(self.shape if len(self.shape) < 3 else self.shape[:-1])
        if self.error:
            reads = (self.values(stop), self.values(self.reading.logits), self.flow(stop))
            steps.append(Step("exai_finish_error", "exai_error", self.error, (*reads, *out), reads, out, "the map"))
            return replace(self.plan, steps=tuple(steps), buffers=self.buffers)
        if self.wants(stop) == "relevance":
            size = 4 * self.reading.layout(stop)[1]
            room = self._buffer("sb", size, "scratch")
            channels = low.tensor(stop).shape[-1]
            run = channels if len(self.shape) > 2 else 1
            fields: dict[str, Any] = {
                "pixels": prod(low.tensor(stop).shape) // channels,
                "channels": channels,
                "run": run,
            }
            fields |= {"from": Literal("EXAI_RELEVANCE"), "form": Literal("EXAI_MAP")}
            arguments = (self.flow(stop), ways.NULL, *out, room)
            step = Step("exai_back_same", "exai_keep", fields, arguments, (self.flow(stop),), (*out, room), "the map")
            steps.append(step)
        numbers = (Literal(f"{self.scale.hex()}f"), Literal(str(pixels)))
        steps.append(Step("exai_finish", "", {}, (*numbers, *out), out, out, "the map"))
        return replace(self.plan, steps=tuple(steps), buffers=self.buffers)
