"""The way back through what has weights: layers, whole, flat or in groups, and LSTMs."""

from math import gcd, prod

from converters.c99.back import gathers, recurrent_ways, streams, ways
from converters.c99.back.flows import FORMS
from converters.c99.back.reading import CHOICES
from converters.c99.back.steps import Back
from converters.c99.operators.moves import block
from converters.c99.schedule import Constant, Literal, Step, Struct
from edgexai.graph import Op, OpKind
from edgexai.relevance.rules import Flat


def layer(back: Back, op: Op) -> None:
    """A layer, by the form of its rule."""
    reading, above = back.reading, back.flow(op.outputs[0])
    if reading.is_grouped(op):
        groups(back, op)
        return
    if streams.layer(back, op):
        return
    (x,) = reading.sources(op)
    (forward,) = back.forward(op)
    if isinstance(reading.rules.get(op), Flat):
        flat(back, op, x, forward)
        return
    keep, gate = back.keep(x, "factor")
    fields, reads = ways.layer(reading, op, forward, keep)
    value: list[str | Literal | Constant] = [back.values(x) if reads else ways.NULL]
    p = fields["layer"].fields
    over = p["stride_rows"] == p["stride_columns"] == 1 and p["in_channels"] == p["out_channels"]
    below = back.over(op.outputs[0], x) if over else back.flow(x)
    depthwise = op.kind == OpKind.DEPTHWISE_CONV_2D
    function, size = ways.function(fields, depthwise), ways.scratch(fields, depthwise)
    back.call(op, (function, "exai_way", fields), value, (above, gate, below), size)


def flat(back: Back, op: Op, x: int, forward: Step) -> None:
    """The flat rule: to the map itself, or a number a position, then alike to its channels.

    The map's own positions may be others than the layer's: a RESHAPE makes one row of a map, or regroups its channels.
    """
    reading, y, p = back.reading, op.outputs[0], forward.parameters
    fields, size = ways.flat(reading, op, forward, ways.plain_keep(1, 1, FORMS["relevance"]))
    sizes = *(fields["layer"].fields[f"in_{axis}"] for axis in ("rows", "columns")), p["in_channels"]
    pixels, channels = prod(sizes[:2]), sizes[2]
    direct = back.wants(x) == "map" and reading.layout(x) == (pixels, channels)
    if direct:
        keep, _ = back.keep(x, "relevance")
        each = 1 if len(back.shape) > 2 else channels  # a map's channels are summed in the end
        keep, below = Struct("exai_keep", dict(keep.fields) | {"channels": each, "run": 1}), "relevance"
    else:
        keep, below = ways.plain_keep(pixels, 1, FORMS["relevance"]), back.buffer(f"cf{x}", 4 * pixels)
    back.call(op, ("exai_back_flat", "exai_way", fields | {"keep": keep}), [], (back.flow(y), None, below), size)
    if not direct:
        keep, gate = back.keep(x, "relevance")
        each = gcd(channels, reading.layout(x)[1])
        spread = gathers.spread(reading, op, sizes, each, keep)
        flows = (below, gate, back.flow(x))
        back.call(op, ("exai_back_gather", "exai_gather", spread), [ways.NULL], flows, 12 * each)


def lstm(back: Back, op: Op) -> None:
    """All the steps of an LSTM; its way there keeps what they multiply factors by."""
    reading, y = back.reading, op.outputs[0]
    (x,), (forward,) = reading.sources(op), back.forward(op)
    keep, gate = back.keep(x, "factor")
    fields, size = recurrent_ways.lstm(reading, op, forward, keep)
    p = forward.parameters
    slopes = back.buffer(f"sl{y}", 6 * p["steps"] * p["units"])
    back.slopes[forward] = slopes
    back.call(op, ("exai_back_lstm", "exai_lstm_way", fields), [slopes], (back.flow(y), gate, back.flow(x)), size)


def svdf(back: Back, op: Op) -> None:
    """An SVDF's step; what is about the steps before is the state's."""
    (x,), y, (forward,) = back.reading.sources(op), op.outputs[0], back.forward(op)
    keep, gate = back.keep(x, "factor")
    fields, size = recurrent_ways.svdf(back.reading, op, forward, keep)
    fields |= {"scale": Literal(f"{back.scale.hex()}f")}
    above, below = back.flow(y), back.flow(x)
    room = back.buffer(f"sb{len(back.steps)}", size, "scratch")
    arguments = (back.values(x), back.values(y), above, gate or ways.NULL, below, "state", room)
    reads, writes = tuple(a for a in arguments[:-2] if isinstance(a, str)), (below, "state", room)
    label = f"back: {back.reading.low.rewritten.describe(op)}"
    back.steps.append(Step("exai_back_svdf", "exai_svdf_way", fields, arguments, (*reads, "state"), writes, label))


def groups(back: Back, op: Op) -> None:
    """A grouped convolution: each group's relevance is taken out, goes through its layer, and is put into place."""
    reading, y = back.reading, op.outputs[0]
    if isinstance(reading.rules.get(op), Flat):
        raise reading.refusal(op, "the flat rule for a grouped convolution", CHOICES)
    (x,) = reading.sources(op)
    pixels, channels = reading.layout(op.inputs[0])
    out_pixels, out = reading.layout(y)
    for g, forward in enumerate(back.forward(op)):
        inside, each = forward.parameters["in_channels"], forward.parameters["out_channels"]
        mine, here = range(g * inside, (g + 1) * inside), range(g * each, (g + 1) * each)
        taken = back.buffer(f"cq{y}", 2 * out_pixels * (each + 1))
        made = back.buffer(f"cp{y}", 2 * pixels * (inside + 1))
        part = ways.plain_keep(out_pixels, each, FORMS[back.wants(y)])
        fields = gathers.group(out_pixels, out, here, part, inside=False)
        back.call(op, ("exai_back_gather", "exai_gather", fields), [ways.NULL], (back.flow(y), None, taken), 12 * each)
        keep = ways.plain_keep(pixels, inside, FORMS["factor"])
        fields, reads = ways.layer(reading, op, forward, keep, slice(here.start, here.stop))
        value: str | Literal = ways.NULL
        if reads:
            value = back.buffer(f"kp{y}", pixels * inside)
            move = block(pixels, inside, (channels, mine.start), (inside, 0))
            source = back.values(x)
            back.steps.append(Step("exai_shift", "exai_move", move, (source, value), (source,), (value,), "a group"))
        kernel = (ways.function(fields, False), "exai_way", fields)
        back.call(op, kernel, [value], (taken, None, made), ways.scratch(fields, False))
        keep, gate = back.keep(x, "factor")
        fields = gathers.group(pixels, channels, mine, keep, inside=True)
        back.call(
            op, ("exai_back_gather", "exai_gather", fields), [ways.NULL], (made, gate, back.flow(x)), 12 * channels
        )
