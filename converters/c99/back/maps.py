"""The way back through what has no weights: pools, functions, sums, products, means and moves."""

from math import prod

from converters.c99.back import gathers, ways
from converters.c99.back.flows import FORMS
from converters.c99.back.reading import LARGEST, SUMS
from converters.c99.back.steps import Back
from converters.c99.schedule import Constant, Literal, Struct
from edgexai.graph import Op, OpKind


def pool(back: Back, op: Op) -> None:
    """A pool, or a mean or largest value of all positions."""
    reading = back.reading
    (x,) = reading.sources(op)
    keep, gate = back.keep(x, back.gives(op))
    fields = ways.pool(reading, op, back.forward(op)[0], keep)
    value = [back.values(x)] if op.kind in LARGEST else []
    function = ways.pool_function(fields, bool(value))
    flows, size = (back.flow(op.outputs[0]), gate, back.flow(x)), 12 * reading.low.tensor(op.inputs[0]).shape[-1]
    back.call(op, (function, "exai_pool_way", fields), value, flows, size)


def softmax(back: Back, op: Op) -> None:
    """A SOFTMAX inside a model."""
    (x,), y = back.reading.sources(op), op.outputs[0]
    keep, gate = back.keep(x, "factor")
    fields, flows = ways.softmax(back.reading, op, keep), (back.flow(y), gate, back.over(y, x))
    kernel = ("exai_back_softmax", "exai_softmax_way", fields)
    back.call(op, kernel, [back.values(y)], flows, 4 * fields["channels"])


def same(back: Back, op: Op) -> None:
    """A function of each value: relevance passes, or the same factor of a value in other steps."""
    reading = back.reading
    (x,), y, given = reading.sources(op), op.outputs[0], back.gives(op)
    keep, gate = back.keep(x, given)
    flows, channels = (back.flow(y), gate, back.over(y, x)), reading.layout(y)[1]
    if given == "factor":
        scaled, nothing = ways.scaled(reading, op, keep), [ways.NULL, ways.NULL]
        back.call(op, ("exai_back_sum", "exai_summand", scaled), nothing, flows, 4 * channels)
    else:
        number = Literal(str(channels))
        back.call(op, ("exai_back_same", "exai_keep", keep.fields), [number], flows, 4 * channels)


def resize(back: Back, op: Op) -> None:
    """RESIZE_BILINEAR."""
    (x,), (forward,) = back.reading.sources(op), back.forward(op)
    keep, gate = back.keep(x, "factor")
    fields = {"resizing": Struct("exai_resizing", forward.parameters), "keep": keep}
    flows, size = (back.flow(op.outputs[0]), gate, back.flow(x)), 12 * back.reading.layout(x)[1]
    back.call(op, ("exai_back_resize", "exai_resize_way", fields), [], flows, size)


def extremes(back: Back, op: Op) -> None:
    """MAXIMUM and MINIMUM."""
    for position in reversed(back.reading.positions(op)):
        extreme(back, op, position)


def parts(back: Back, op: Op) -> None:
    """A sum, a product of values or matrices, a mean or a move: each input of each output."""
    reading, y = back.reading, op.outputs[0]
    if back.divides(op):
        keep = ways.plain_keep(*reading.layout(y), FORMS["factor"])
        pair(back, op, keep, (back.flow(y), None, back.flow(y)))
    for y in op.outputs:
        for position in reversed(back.reading.positions(op) if y in back.flows else []):
            part(back, op, y, position)


def pair(back: Back, op: Op, keep: Struct, flows: tuple[str, str | None, str], shares: int = 0) -> None:
    """A sum's way back from its summands."""
    (forward,), layout = back.forward(op), back.reading.layout(op.outputs[0])
    fields = ways.pair(layout, forward, keep, shares)
    values = [operand(back, t) for t in op.inputs]
    back.call(op, ("exai_back_pair", "exai_pair_way", fields), values, flows, 4 * layout[1])


def operand(back: Back, t: int) -> str | Literal | Constant:
    """The values of a map, or of a constant."""
    low = back.reading.low
    return Constant(low.constant(t)) if low.tensor(t).is_constant else back.values(back.reading.root(t))


def shared(back: Back, op: Op, position: int, keep: Struct, gate: str | None) -> None:
    """What one of two maps of different shapes gets of a sum that is shared out by sign."""
    reading, y, t = back.reading, op.outputs[0], op.inputs[position]
    x, layout = reading.root(t), reading.layout(y)
    if reading.low.tensor(t).shape == reading.low.tensor(y).shape:
        pair(back, op, keep, (back.flow(y), gate, back.below(x)), position + 1)
        return
    each = back.buffer(f"cp{y}", 2 * layout[0] * (layout[1] + 1))
    pair(back, op, ways.plain_keep(*layout, FORMS["relevance"]), (back.flow(y), None, each), position + 1)
    gathered(back, op, y, position, keep, (each, gate, back.below(x)))


def gathered(back: Back, op: Op, y: int, position: int, keep: Struct, flows: tuple[str, str | None, str]) -> None:
    """What one input gets as it is read along strides of what arrived, scaled or times another factor."""
    reading = back.reading
    found = gathers.gather(reading, op, y, position, back.gives(op, y))
    other = ways.NULL if found.other is None else operand(back, found.other)
    fields = gathers.fields(reading, op, found, reading.layout(y), keep)
    size = 12 * reading.layout(op.inputs[position])[1]
    back.call(op, ("exai_back_gather", "exai_gather", fields), [other], flows, size)


def part(back: Back, op: Op, y: int, position: int) -> None:
    """What one input of a sum, a product, a mean or a move gets of one output."""
    reading, t = back.reading, op.inputs[position]
    x, above, shape = reading.root(t), back.flow(y), reading.low.tensor(y).shape
    keep, gate = back.keep(x, back.gives(op, y))
    if reading.by_sign(op) and any(reading.low.tensor(one).shape != shape for one in op.inputs):
        shared(back, op, position, keep, gate)
    elif op.kind in SUMS and (reading.by_sign(op) or reading.low.tensor(t).shape == shape):
        fields, both = ways.summand(reading, op, position, keep), (t, op.inputs[1 - position])
        values = [back.values(reading.root(v)) if reading.by_sign(op) else ways.NULL for v in both]
        last = position == min(reading.positions(op)) and x in reading.reached
        below = back.over(y, x) if last else back.below(x)
        size = 4 * reading.layout(t)[1]
        back.call(op, ("exai_back_sum", "exai_summand", fields), values, (above, gate, below), size)
    else:
        gathered(back, op, y, position, keep, (above, gate, back.below(x)))
    if x not in reading.reached:
        back.to_state(x)


def extreme(back: Back, op: Op, position: int) -> None:
    """What one of two maps gets where it is the larger, or the smaller."""
    reading, y, t, other = back.reading, op.outputs[0], op.inputs[position], op.inputs[1 - position]
    low, x = reading.low, reading.root(t)
    shape, there = low.tensor(y).shape, low.tensor(other)
    if low.tensor(t).shape != shape or (there.shape != shape and not (there.is_constant and prod(there.shape) == 1)):
        raise reading.refusal(op, "two maps of different shapes")
    keep, gate = back.keep(x, back.gives(op))
    channels = reading.layout(y)[1]
    fields = {"keep": keep, "channels": channels, "own": 1 if op.kind == OpKind.MAXIMUM else -1}
    fields |= {"other": int(there.shape == shape), "shift": 1}
    kernel, flows = ("exai_back_extreme", "exai_summand", fields), (back.flow(y), gate, back.below(x))
    back.call(op, kernel, [back.values(x), operand(back, other)], flows, 4 * channels)
    if x not in reading.reached:
        back.to_state(x)
