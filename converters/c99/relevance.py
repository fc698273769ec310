"""Schedule of predicting -> schedule of explaining: LRP-epsilon, back through the same steps, in float32.

Every activation is kept. Layers without fused activation or with a RELU, ADD, average pools and reshapes have a way
back; anything else between input and logits is refused by number and name.
"""

from math import prod

from converters.c99.lowering import Lowering
from converters.c99.schedule import Buffer, Literal, Schedule, Step
from edgexai.errors import UnsupportedOperator
from edgexai.graph import OpKind

HEAD = ("exai_softmax_rows", "exai_dequantize")
"""What is looked through at the end of a classifier."""


def explanation(low: Lowering, plan: Schedule) -> tuple[Schedule, int]:
    """The schedule of explaining, and how many values its map has."""
    graph = low.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise UnsupportedOperator("firmware explains models of one input and one output; write it without explaining")
    forward = list(plan.steps)
    back = len(forward)
    while back and forward[back - 1].function in HEAD:
        back -= 1
    x, shape = plan.inputs[0], graph.tensors[graph.inputs[0]].shape
    if not back:
        raise UnsupportedOperator("the model has no layer in front of its head that could be explained")
    kept = forward[back - 1].writes[0]
    scale, zero = _scale(low, kept, plan)
    count = _count(low, kept, plan)
    steps, buffers, started = list(forward), dict(plan.buffers), {kept}
    buffers |= {n: Buffer(n, 0, "output") for n in ("relevance", "target", "score")}

    def flow(name: str) -> str:
        found = f"c{name}"
        if found not in buffers:
            buffers[found] = Buffer(found, 4 * _count(low, name, plan))
        return found

    numbers = (Literal(str(count)), Literal(f"{scale.hex()}f"), Literal(str(zero)))
    out = (flow(kept), "target", "score")
    steps.append(Step("exai_start", "", {}, (kept, *numbers, *out), (kept,), out, "where relevance starts"))
    for step in reversed(forward[:back]):
        y = step.writes[0]
        if y not in started:
            continue
        for source in step.reads:
            if source not in started:
                to, size = flow(source), 4 * _count(low, source, plan)
                steps.append(Step("memset", "", {}, (to, Literal("0"), Literal(str(size))), (), (to,), "no relevance"))
                started.add(source)
            steps.append(_back(low, step, source, flow(y), flow(source)))
    pixels = prod(shape[:-1]) if len(shape) > 2 else prod(shape)
    _, zero = low.scale(graph.inputs[0])
    end = (Literal(str(pixels)), Literal(str(prod(shape) // pixels)), Literal(str(zero)), "relevance")
    steps.append(Step("exai_finish", "", {}, (x, flow(x), *end), (x, flow(x)), ("relevance",), "the map"))
    return Schedule(tuple(steps), buffers, plan.inputs, plan.outputs), pixels


def _tensor(low: Lowering, name: str, plan: Schedule) -> int:
    """A tensor that lies in a buffer; those that share one hold the same values."""
    if name in plan.outputs:
        return low.graph.outputs[plan.outputs.index(name)]
    return next(t for t, home in low.home.items() if home == name)


def _scale(low: Lowering, name: str, plan: Schedule) -> tuple[float, int]:
    return low.scale(_tensor(low, name, plan))


def _count(low: Lowering, name: str, plan: Schedule) -> int:
    return prod(low.tensor(_tensor(low, name, plan)).shape)


def _back(low: Lowering, step: Step, source: str, above: str, below: str) -> Step:
    """The step that takes relevance from the output of one to an input."""
    y, p = step.writes[0], step.parameters
    plain = "low" not in p or (p["low"] in (-128, p.get("out_zero", p.get("zero"))) and p["high"] == 127)
    label, both = f"back: {step.label}", (above, below)
    if step.function in ("exai_conv", "exai_depthwise") and plain:
        kind = Literal(str(int(step.function == "exai_depthwise")))
        return Step("exai_back", step.type, p, (y, *both, kind), (y, *both), (below,), label)
    if step.function == "exai_average_pool":
        return Step("exai_back_pool", step.type, p, both, both, (below,), label)
    if step.function == "exai_add" and plain and len(step.reads) == 2 and p["sign_b"] == 1:
        op = next(o for o in low.graph.ops if o.kind == OpKind.ADD and low.home.get(o.outputs[0]) == y)
        inputs = [t for t in op.inputs if low.home.get(t) == source]
        if len(inputs) == 1 and low.tensor(inputs[0]).shape == low.tensor(op.outputs[0]).shape:
            ratio = low.scale(inputs[0])[0] / low.scale(op.outputs[0])[0]
            floor = p["zero"] if p["low"] == p["zero"] else -129
            size = Literal(str(prod(low.tensor(op.outputs[0]).shape)))
            numbers = (size, Literal(str(floor)), Literal(f"{ratio.hex()}f"))
            return Step("exai_back_add", "", {}, (y, above, *numbers, below), (y, *both), (below,), label)
    raise UnsupportedOperator(f"firmware cannot explain {step.label}; write it without explaining")
