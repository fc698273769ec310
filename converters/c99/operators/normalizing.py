"""What normalizations are made of: L2_NORMALIZATION along channels, SQUARED_DIFFERENCE of two maps."""

from math import prod

from converters.c99 import fixed
from converters.c99.lowering import Lowering
from converters.c99.operators.pairs import loops_of
from converters.c99.schedule import Literal
from edgexai.graph import Op


def unit_length(low: Lowering, op: Op) -> None:
    """L2_NORMALIZATION."""
    x, y = op.inputs[0], op.outputs[0]
    shape = low.tensor(x).shape
    if low.scale(y) != (1 / 128, 0) or int(op.options.fusedActivationFunction or 0):
        raise low.refuse("its output must have scale 1/128 and zero point 0, and no activation")
    numbers = (prod(shape[:-1]), shape[-1], low.scale(x)[1])
    low.call("exai_unit_length", "", {}, [low.value(x)], low.new(y), tuple(Literal(str(n)) for n in numbers))


def squared_difference(low: Lowering, op: Op) -> None:
    """SQUARED_DIFFERENCE."""
    a, b, y = *op.inputs, op.outputs[0]
    scales = [low.scale(t)[0] for t in (a, b, y)]
    twice = 2 * max(scales[:2])
    (m_a, shift_a), (m_b, shift_b) = (fixed.multiplier(s / twice) for s in scales[:2])
    m, shift = fixed.multiplier(twice * twice / (2**14 * scales[2]))
    zeros = {"zero_a": low.scale(a)[1], "zero_b": low.scale(b)[1], "zero": low.scale(y)[1]}
    parameters = loops_of(low, a, b, y) | zeros | {"multiplier_a": m_a, "shift_a": shift_a, "multiplier_b": m_b}
    parameters |= {"shift_b": shift_b, "multiplier": m, "shift": shift}
    low.call("exai_squared_difference", "exai_pair", parameters, [low.value(a), low.value(b)], low.new(y))
