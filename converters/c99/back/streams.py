"""A layer of one window of which states are the first part and what is new the last, as in each step of a stream.

What the states get is a sum alone, and of the layer's products with them; no map of it is made.
"""

from math import prod

from converters.c99.back import ways
from converters.c99.back.flows import FORMS
from converters.c99.back.reading import LAYERS, Reading
from converters.c99.back.steps import Back
from converters.c99.schedule import Literal, Step
from edgexai.graph import Op, OpKind
from edgexai.relevance.rules import Flat


def joined(reading: Reading, op: Op) -> Op | None:
    """The CONCATENATION of states and of one map behind them that a layer alone reads, as one row."""
    if op.kind not in LAYERS - {OpKind.DEPTHWISE_CONV_2D} or reading.is_grouped(op):
        return None
    x, (top, left) = reading.padded(op)
    join = reading.producer(reading.root(x))
    if isinstance(reading.rules.get(op), Flat) or top or left or join is None or join.kind != OpKind.CONCATENATION:
        return None
    graph, shape = reading.low.graph, reading.low.tensor(join.outputs[0]).shape
    readers = [i for i in reading.ops if join.outputs[0] in reading.sources(graph.ops[i])]
    *states, new = (reading.root(t) in reading.reached for t in join.inputs)
    if any(states) or not states or not new or len(readers) != 1:
        return None
    in_one_row = prod(shape[: int(join.options.axis) % len(shape)]) == 1
    return join if in_one_row and reading.positions(join)[-1] == len(join.inputs) - 1 else None


def layer(back: Back, op: Op) -> bool:
    """The way back through both, where the layer's window is the whole row; whether it is."""
    reading = back.reading
    join = joined(reading, op)
    if join is None:
        return False
    (forward,), x, new = back.forward(op), join.outputs[0], reading.root(join.inputs[-1])
    fields, _ = ways.layer(reading, op, forward, ways.plain_keep(1, 1, FORMS["factor"]))
    p = fields["layer"].fields
    size = prod(reading.low.tensor(x).shape)
    one_row = ways.function(fields, False) == "exai_back_rows" and p["out_rows"] * p["out_columns"] == 1
    if not one_row or p["in_channels"] != size or (fields["parts"] and p["out_channels"] > 1):
        return False
    keep, gate = back.keep(new, "factor")
    before = size - prod(reading.low.tensor(join.inputs[-1]).shape)
    fields |= {"keep": keep, "before": before, "parts": 0}
    room = back.buffer(f"sb{len(back.steps)}", ways.step_scratch(fields), "scratch")
    above, below = back.flow(op.outputs[0]), back.flow(new)
    arguments = (back.values(x), above, gate or ways.NULL, below, Literal(f"{back.scale.hex()}f"), "state", room)
    reads = tuple(a for a in arguments[:-1] if isinstance(a, str))
    label = f"back: {reading.low.rewritten.describe(op)}"
    back.steps.append(
        Step("exai_back_step", "exai_way", fields, arguments, reads, (above, below, "state", room), label)
    )
    back.passed.add(join)
    return True
