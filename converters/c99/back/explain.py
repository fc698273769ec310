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
from converters.c99.back.flows import FORMS, Explaining, Flows
from converters.c99.back.reading import (
    ALIASES,
    CHOICES,
    EXTREMES,
    LARGEST,
    LAYERS,
    MEANS,
    MOVES,
    POOLS,
    SAME,
    SUMS,
    Reading,
)
from converters.c99.lowering import Lowering
from converters.c99.operators.moves import block
from converters.c99.schedule import Constant, Literal, Schedule, Step, Struct
from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.attach import rules_of
from edgexai.relevance.composite_file import composite_of
from edgexai.relevance.grid import stop_tensors
from edgexai.relevance.rules import Flat
from edgexai.relevance.targets.ends import End, end_of

ROWS = {OpKind.GATHER, OpKind.EMBEDDING_LOOKUP}
ENTRIES = {OpKind.QUANTIZE, OpKind.CAST} | ALIASES | ROWS
"""What makes int8 of an input."""


def explanation(low: Lowering, plan: Schedule, asked: Explaining) -> tuple[Schedule, tuple[int, ...]]:
    """The schedule of explaining, and the shape of its map."""
    graph, source = low.graph, low.rewritten.source
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedOperator("firmware explains models of one input and one output; write it without explaining")
    if asked.target not in ("predicted", "error"):
        raise ConfigError(f'target {asked.target!r} is not known to firmware; use "predicted" or "error"')
    error = asked.target == "error"
    if error and asked.grid is not None:
        raise ConfigError('target "error" is about the inputs themselves; leave grid out')
    chosen = composite_of(asked.composite)
    end = End(graph.outputs[0]) if error else end_of(source, graph.outputs[0])
    producers = graph.producers()

    def inside(t: int) -> int:
        """The int8 map behind a tensor that is only its copy."""
        while t in producers and (
            graph.ops[producers[t]].kind in (*ALIASES, OpKind.DEQUANTIZE) or low.tensor(t).dtype == DType.UINT8
        ):
            t = graph.ops[producers[t]].inputs[0]
        return t

    logits = inside(end.logits)
    stop = stop_tensors(source, end.logits, asked.grid)[0]
    shape = low.tensor(stop).shape
    map_of = shape if len(shape) < 3 else shape[:-1]
    while low.tensor(stop).dtype != DType.INT8:
        readers = [op for op in graph.ops if stop in op.inputs and low.home.keys() & set(op.outputs)]
        if len(readers) != 1 or readers[0].kind not in ENTRIES:
            name = low.tensor(stop).name
            raise UnsupportedOperator(
                f"firmware explains inputs that become int8 in one operator; {name!r} goes to "
                f"{', '.join(op.kind.name for op in readers) or 'none'}; write it without --explain"
            )
        stop = readers[0].outputs[0]
        if readers[0].kind in ROWS:  # a number's relevance is that of its row
            map_of, shape = shape, (*(1, 1), *low.tensor(stop).shape)
    stop = inside(stop)
    given = rules_of(source, source, chosen, end.logits)
    own = {op.outputs[0]: rule for op, rule in given.items()}
    rules = {op: own[op.outputs[0]] for op in graph.ops if op.outputs and op.outputs[0] in own}
    reading = Reading(low, rules, logits, stop)
    back = Back(reading, plan, asked, shape)
    back.begin(len(end.classes) > 0 and chosen.start == "less mean", error)
    for i in reading.ops:
        back.through(graph.ops[i])
    return back.finish(), map_of


@dataclass
class Back(Flows):
    """The schedule of explaining under construction."""

    steps: list[Step] = field(default_factory=list)
    slopes: dict[Step, str] = field(default_factory=dict)
    """What LSTMs keep on their way there."""
    scale: float = 1.0
    error: dict[str, Any] = field(default_factory=dict)

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
            if prod(low.tensor(self.reading.stop).shape) != count:
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
            factors = flow if form == "factor" else self.buffer("ce", 2 * sum(self.reading.layout(logits)) + 2 * count)
            out = (factors, *out[1:])
            step = Step("exai_start_error", "exai_error", self.error, (x, y, *out), (x, y), out, "the error")
            if form != "factor":  # behind a function of each value, which relevance passes
                self.steps.append(step)
                pixels, channels = self.reading.layout(logits)
                fields = {
                    "pixels": pixels,
                    "channels": channels,
                    "run": 1,
                    "zero": zero,
                    "from": Literal("EXAI_FACTOR"),
                }
                fields |= {"form": Literal("EXAI_RELEVANCE"), "gate": Literal("EXAI_VALUES")}
                room = self.buffer("sbe", 4 * channels, "scratch")
                arguments = (Literal(str(channels)), factors, y, flow, room)
                step = Step(
                    "exai_back_same", "exai_keep", fields, arguments, (factors, y), (flow, room), "its relevance"
                )
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
        elif op.kind in POOLS or ways.of_all_positions(reading, op):
            (x,) = reading.sources(op)
            keep, gate = self.keep(x, "factor")
            fields = ways.pool(reading, op, self._forward(op)[0], keep)
            value = [self.values(x)] if op.kind in LARGEST else []
            function = ways.pool_function(fields, bool(value))
            size = 12 * reading.low.tensor(op.inputs[0]).shape[-1]
            self._call(
                op, (function, "exai_pool_way", fields), value, (self.flow(op.outputs[0]), gate, self.flow(x)), size
            )
        elif op.kind == OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM:
            self._lstm(op)
        elif op.kind == OpKind.SOFTMAX:
            (x,) = reading.sources(op)
            keep, gate = self.keep(x, "factor")
            fields, flows = (
                ways.softmax(reading, op, keep),
                (self.flow(op.outputs[0]), gate, self.over(op.outputs[0], x)),
            )
            kernel = ("exai_back_softmax", "exai_softmax_way", fields)
            self._call(op, kernel, [self.values(op.outputs[0])], flows, 4 * fields["channels"])
        elif op.kind in SAME | {OpKind.QUANTIZE} or passed:
            (x,), y, given = reading.sources(op), op.outputs[0], self.gives(op)
            keep, gate = self.keep(x, given)
            flows, channels = (self.flow(y), gate, self.over(y, x)), reading.layout(y)[1]
            if given == "factor":  # the same factor of a value in other steps
                scaled, nothing = ways.scaled(reading, op, keep), [ways.NULL, ways.NULL]
                self._call(op, ("exai_back_sum", "exai_summand", scaled), nothing, flows, 4 * channels)
            else:
                number = Literal(str(channels))
                self._call(op, ("exai_back_same", "exai_keep", keep.fields), [number], flows, 4 * channels)
        elif op.kind in EXTREMES:
            for position in reversed(reading.positions(op)):
                self._extreme(op, position)
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
            below = self.over(y, x) if last else self._below(x)
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

    def _extreme(self, op: Op, position: int) -> None:
        """What one of two maps gets where it is the larger, or the smaller."""
        reading, y, t, other = self.reading, op.outputs[0], op.inputs[position], op.inputs[1 - position]
        low, x = reading.low, reading.root(t)
        shape, there = low.tensor(y).shape, low.tensor(other)
        if low.tensor(t).shape != shape or (
            there.shape != shape and not (there.is_constant and prod(there.shape) == 1)
        ):
            raise reading.refusal(op, "two maps of different shapes")
        keep, gate = self.keep(x, self.gives(op))
        channels = reading.layout(y)[1]
        fields = {"keep": keep, "channels": channels, "own": 1 if op.kind == OpKind.MAXIMUM else -1}
        fields |= {"other": int(there.shape == shape)}
        beside: str | Constant = (
            Constant(low.constant(other)) if there.is_constant else self.values(reading.root(other))
        )
        kernel, flows = ("exai_back_extreme", "exai_summand", fields), (self.flow(y), gate, self._below(x))
        self._call(op, kernel, [self.values(x), beside], flows, 4 * channels)
        if x not in reading.reached:
            self._to_state(x)

    def _below(self, x: int) -> str:
        """Where what arrives at a map is written; of a state, one number a pixel."""
        if x in self.reading.reached:
            return self.flow(x)
        return self.buffer(f"z{x}", 4 * self.reading.layout(x)[0], "scratch")

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
                self._flat_inside(op, x, forward)
                return
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
        below = self.over(op.outputs[0], x) if over else self.flow(x)
        depthwise = op.kind == OpKind.DEPTHWISE_CONV_2D
        function, size = ways.function(fields, depthwise), ways.scratch(fields, depthwise)
        self._call(op, (function, "exai_way", fields), value, (above, gate, below), size)

    def _flat_inside(self, op: Op, x: int, forward: Step) -> None:
        """The flat rule in front of which something else stands: a number a position, then alike to its channels."""
        p = forward.parameters
        fields, size = ways.flat(self.reading, op, forward, ways.plain_keep(1, 1, FORMS["relevance"]))
        inside = fields["layer"].fields
        pixels, channels = inside["in_rows"] * inside["in_columns"], p["in_channels"]
        keep = ways.plain_keep(pixels, 1, FORMS["relevance"])
        each = self.buffer(f"cf{x}", 4 * pixels)
        self._call(
            op,
            ("exai_back_flat", "exai_way", fields | {"keep": keep}),
            [],
            (self.flow(op.outputs[0]), None, each),
            size,
        )
        keep, gate = self.keep(x, "relevance")
        spread = gathers.spread(pixels, channels, keep)
        self._call(
            op, ("exai_back_gather", "exai_gather", spread), [ways.NULL], (each, gate, self.flow(x)), 12 * channels
        )

    def _lstm(self, op: Op) -> None:
        """All the steps of an LSTM; its way there keeps what they multiply factors by."""
        reading, y = self.reading, op.outputs[0]
        (x,), (forward,) = reading.sources(op), self._forward(op)
        keep, gate = self.keep(x, "factor")
        fields, size = ways.lstm(reading, op, forward, keep)
        p = forward.parameters
        slopes = self.buffer(f"sl{y}", 6 * p["steps"] * p["units"])
        self.slopes[forward] = slopes
        self._call(op, ("exai_back_lstm", "exai_lstm_way", fields), [slopes], (self.flow(y), gate, self.flow(x)), size)

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
            taken = self.buffer(f"cq{y}", 2 * out_pixels * (each + 1))
            made = self.buffer(f"cp{y}", 2 * pixels * (inside + 1))
            part = ways.plain_keep(out_pixels, each, FORMS[self.wants(y)])
            fields = gathers.group(out_pixels, out, here, part, inside=False)
            self._call(
                op, ("exai_back_gather", "exai_gather", fields), [ways.NULL], (self.flow(y), None, taken), 12 * each
            )
            keep = ways.plain_keep(pixels, inside, FORMS["factor"])
            fields, reads = ways.layer(reading, op, forward, keep, slice(here.start, here.stop))
            value: str | Literal = ways.NULL
            if reads:
                value = self.buffer(f"kp{y}", pixels * inside)
                move = block(pixels, inside, (channels, mine.start), (inside, 0))
                source = self.values(x)
                self.steps.append(
                    Step("exai_shift", "exai_move", move, (source, value), (source,), (value,), "a group")
                )
            kernel = (ways.function(fields, False), "exai_way", fields)
            self._call(op, kernel, [value], (taken, None, made), ways.scratch(fields, False))
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
        room = self.buffer(f"sb{len(self.steps)}", scratch, "scratch")
        gates = () if function == "exai_back_flat" else (gate or ways.NULL,)
        arguments = (*values, above, *gates, below, room)
        reads = tuple(a for a in arguments[:-1] if isinstance(a, str))
        label = f"back: {self.reading.low.rewritten.describe(op)}"
        self.steps.append(Step(function, type, fields, arguments, reads, (below, room), label))

    def _forward(self, op: Op) -> list[Step]:
        """The steps that compute an operator, without moves."""
        at = self.reading.low.graph.ops.index(op)
        return [step for step in self.plan.steps if step.op == at and step.function != "exai_shift"]

    def _keeping(self, step: Step) -> Step:
        """An LSTM's step of predicting, which also keeps what explaining needs."""
        if step not in self.slopes:
            return step
        name = self.slopes[step]
        arguments = tuple(name if isinstance(a, Literal) else a for a in step.arguments)
        return replace(step, arguments=arguments, writes=(*step.writes, name))

    def finish(self) -> Schedule:
        """The whole schedule: predicting, with the signs that are kept, and the way back."""
        stop, low = self.reading.stop, self.reading.low
        steps = [self._keeping(step) for step in self.plan.steps]
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
            room = self.buffer("sb", size, "scratch")
            channels = low.tensor(stop).shape[-1]
            run = channels if len(self.shape) > 2 else 1
            fields: dict[str, Any] = {
                "pixels": prod(low.tensor(stop).shape) // channels,
                "channels": channels,
                "run": run,
            }
            fields |= {"from": Literal("EXAI_RELEVANCE"), "form": Literal("EXAI_MAP")}
            arguments = (Literal(str(channels)), self.flow(stop), ways.NULL, *out, room)
            step = Step("exai_back_same", "exai_keep", fields, arguments, (self.flow(stop),), (*out, room), "the map")
            steps.append(step)
        numbers = (Literal(f"{self.scale.hex()}f"), Literal(str(pixels)))
        steps.append(Step("exai_finish", "", {}, (*numbers, *out), out, out, "the map"))
        return replace(self.plan, steps=tuple(steps), buffers=self.buffers)
