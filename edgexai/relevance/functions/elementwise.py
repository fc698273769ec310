"""Activations that a converter wrote out: SELU as EXP, SUB, MUL and SELECT, softplus as EXP, ADD and LOG, mish as both.

y = f(x) element by element is an activation however many operators compute it, so relevance passes it unchanged.
"""

from math import prod

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow

LONGEST = 32
VIEWS = {OpKind.EXPAND_DIMS, OpKind.RESHAPE, OpKind.SQUEEZE}
COUNTING = {
    OpKind.EQUAL,
    OpKind.FLOOR,
    OpKind.FLOOR_DIV,
    OpKind.FLOOR_MOD,
    OpKind.LOGICAL_AND,
    OpKind.LOGICAL_NOT,
    OpKind.LOGICAL_OR,
    OpKind.NOT_EQUAL,
    OpKind.ROUND,
}
"""What else whole numbers are computed with."""
UNITS = {OpKind.ADD, OpKind.CAST, OpKind.DEQUANTIZE, OpKind.DIV, OpKind.MUL, OpKind.QUANTIZE, OpKind.SUB, *VIEWS}
"""What another unit is written with."""
ELEMENTWISE = {
    OpKind.ABS,
    OpKind.ADD,
    OpKind.CAST,
    OpKind.DEQUANTIZE,
    OpKind.DIV,
    OpKind.ELU,
    OpKind.EXP,
    OpKind.GREATER,
    OpKind.GREATER_EQUAL,
    OpKind.LESS,
    OpKind.LESS_EQUAL,
    OpKind.LOG,
    OpKind.LOGISTIC,
    OpKind.MAXIMUM,
    OpKind.MINIMUM,
    OpKind.MUL,
    OpKind.NEG,
    OpKind.POW,
    OpKind.QUANTIZE,
    OpKind.RELU,
    OpKind.RELU6,
    OpKind.SELECT,
    OpKind.SELECT_V2,
    OpKind.SQRT,
    OpKind.SQUARE,
    OpKind.SUB,
    OpKind.TANH,
}


def passed(back: Backward, op: Op, flow: Flow) -> bool:
    """Whether an operator's output is a function of one map of its shape, which then gets all the relevance."""
    x = argument(back, op)
    if x is None:
        return False
    y = op.outputs[0]
    back.give(x, Flow(back.relevance(y, back.full(flow, y)), is_factor=False))
    return True


def log(back: Backward, op: Op, flow: Flow) -> bool:
    """The same for LOG(EXP(x) + constant), the softplus."""
    inner = back.producer(op.inputs[0])
    while inner is not None and inner.kind in (OpKind.ADD, OpKind.DEQUANTIZE, OpKind.QUANTIZE):
        computed = [t for t in inner.inputs if back.constant(t) is None]
        inner = back.producer(computed[0]) if len(computed) == 1 else None
    if inner is None or inner.kind != OpKind.EXP:
        return False
    y = op.outputs[0]
    back.give(inner.inputs[0], Flow(back.relevance(y, back.full(flow, y)), is_factor=False))
    return True


def counted_from(back: Backward, t: int) -> int | None:
    """The tensor that whole numbers are a function of, one of one: a token's own number behind CAST, or Keras's
    SELECT(x < 0, x + size, x), by which negative indices count from the end."""
    count, frontier = prod(back.build.shape(t)), {t}
    for _ in range(LONGEST):
        latest = max(frontier, key=back.order)
        if prod(back.build.shape(latest)) != count:
            return None
        if len(frontier) == 1 and back.is_dynamic(latest):
            return latest
        producer = back.producer(latest)
        if producer is None or producer.kind not in ELEMENTWISE | VIEWS | COUNTING:
            return None
        frontier = frontier - {latest} | _computed(back, producer)
        if not frontier:
            return None
    return None


def argument(back: Backward, op: Op) -> int | None:
    """The latest tensor through which alone the output depends on the input, element by element."""
    shape = back.build.shape(op.outputs[0])
    frontier = _computed(back, op)
    for _ in range(LONGEST):
        latest = max(frontier, key=back.order)
        if back.build.shape(latest) != shape:
            return None
        if len(frontier) == 1:
            return latest if back.is_dynamic(latest) else None
        producer = back.producer(latest)
        if producer is None or producer.kind not in ELEMENTWISE:
            return None
        frontier = frontier - {latest} | _computed(back, producer)
    return None


def rescales_input(back: Backward, op: Op) -> bool:
    """Whether a sum with a constant is the model's input in another unit, as Keras' Rescaling and Normalization are.

    It gets all the relevance then. A share x / (x + c) has no bound where the sum is near zero, as a grey pixel's, and
    the map would depend on whether the input is rescaled in the model or in front of it.
    """
    reached = _computed(back, op)
    for _ in range(LONGEST):
        if len(reached) != 1:
            return False
        (t,) = reached
        producer = back.producer(t)
        if producer is None:
            return t in back.graph.inputs
        if producer.kind not in UNITS:
            return False
        reached = _computed(back, producer)
    return False


def _computed(back: Backward, op: Op) -> set[int]:
    return {t for t in op.inputs if t >= 0 and back.constant(t) is None}
