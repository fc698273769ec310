"""The parameters of each kernel of the way back, from an operator and its rule."""

from collections.abc import Mapping
from math import frexp, log2, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99.back.reading import RELU, Reading
from converters.c99.schedule import Literal, Step, Struct
from edgexai.graph import Op, OpKind
from edgexai.relevance.layers.linear import RESOLVED
from edgexai.relevance.reading.questions import fused_activation
from edgexai.relevance.rules import Epsilon, Flat, ZPlus

PRECISION = 14
"""Bits of a mantissa."""
ROOM = 30
"""Bits that sums may take."""
LONG = 17
"""Bits of what relevance is divided by; the largest that an input could make is one or two longer than most are."""
NARROW = 3
"""From so many input channels on, each pixel of the input is met by the factors of all windows that hold it at once."""
MANY = 8
"""From so many output pixels on, widening the weights that they share takes less than it saves."""
WIDE = 16384
"""Bytes of widened weights of windows; a pointwise layer may take twice as many."""
FRACTION = 8
"""Bits of a step that a sum keeps where relevance is divided by it."""
NULL = Literal("NULL")


def layer(
    reading: Reading, op: Op, forward: Step, keep: Struct, own: slice = slice(None)
) -> tuple[dict[str, Any], bool]:
    """The fields of `exai_way`, and whether its kernel reads the layer's input; ``own`` are a group's channels."""
    x, (top, left) = reading.padded(op)
    parameters = dict(forward.parameters)
    shape = reading.low.tensor(x).shape
    if x != op.inputs[0]:
        parameters |= {"top": parameters["top"] + top, "left": parameters["left"] + left}
        parameters |= {"in_rows": shape[1], "in_columns": shape[2]}
    depthwise = op.kind == OpKind.DEPTHWISE_CONV_2D
    if not depthwise and not isinstance(reading.rules[op], Flat) and _is_whole(parameters):
        parameters |= _as_row(parameters)
    weights = reading.low.constant(op.inputs[1])[own].astype(np.int64)
    rows = weights.reshape(-1, parameters["out_channels"]).T if depthwise else weights.reshape(len(weights), -1)
    rule = reading.rules[op]
    sharing = "EXAI_ALL"
    if isinstance(rule, ZPlus):
        sharing = "EXAI_POSITIVE" if reading.low.scale(x)[1] == -128 else "EXAI_SIGNED"
    if sharing == "EXAI_POSITIVE":
        rows = np.maximum(rows, 0)
    stabilizer, steps = _stabilizer(reading, op, rule)
    offset = _offset(reading, op, rule, parameters, own)
    if depthwise:
        size = np.abs(rows).sum(1).reshape(parameters["in_channels"], -1).sum(1)
    else:
        size = np.abs(rows).reshape(len(rows), -1, parameters["in_channels"]).sum((0, 1))
    divides = offset is not None
    bits = min(PRECISION, int(ROOM - log2(max(1, int(size.max())))))
    if bits < 6:
        raise reading.refusal(op, "sums of so many weights do not fit into 32 bits")
    fields: dict[str, Any] = {
        "layer": Struct("exai_layer", parameters),
        "divides": int(divides),
        "stabilizer": stabilizer,
        "steps": steps,
        "keep": keep,
        **_widened(parameters, depthwise, divides, sharing == "EXAI_SIGNED"),
        "parts": int(divides and not depthwise and fused_activation(op) != RELU),
        "weights": Literal(sharing),
        "bits": bits,
        "fold": _fold(weights, parameters, depthwise) if not divides else 0,
        "down": 0 if offset is None else _too_long(rows, offset, reading.low.scale(x)[1]),
        "most": int(parameters["shift"].data.max()),
    }
    return fields, divides or sharing == "EXAI_SIGNED"


def _offset(reading: Reading, op: Op, rule: Any, parameters: Mapping[str, Any], own: slice) -> NDArray[np.int64] | None:
    """What is added to sums before relevance is divided by them; None where factors are multiplied."""
    if isinstance(rule, ZPlus) and not rule.bias:
        real = parameters["multiplier"].data * 2.0 ** (parameters["shift"].data - 31.0)
        found: NDArray[np.int64] = (
            (_steps(reading, op, rule) / np.maximum(real, 2.0**-31)).clip(max=1 << 28).astype(int)
        )
        return found
    given = len(op.inputs) > 2 and op.inputs[2] >= 0
    zeros = np.zeros(parameters["out_channels"], np.int64)
    bias = reading.low.constant(op.inputs[2]).reshape(-1)[own].astype(np.int64) if given else zeros
    if isinstance(rule, ZPlus):
        return np.maximum(bias, 0)
    return bias if isinstance(rule, Epsilon) and reading.form(op) != "factor" else None


def _steps(reading: Reading, op: Op, rule: ZPlus) -> float:
    """What a rule without bias adds to sums, in steps of the output."""
    return max(rule.stabilizer / reading.low.scale(op.outputs[0])[0], RESOLVED)


def _stabilizer(reading: Reading, op: Op, rule: Any) -> tuple[int, int]:
    """The same as m / 2^(16 + steps), m of 30 bits; 0 of a rule with a bias."""
    if not isinstance(rule, ZPlus) or rule.bias:
        return 0, 0
    fraction, exponent = frexp(_steps(reading, op, rule))
    return int(fraction * 2**30), 14 - exponent


def _too_long(rows: NDArray[np.int64], offset: NDArray[np.int64], zero: int) -> int:
    """By how many bits what relevance is divided by may be longer than LONG; quotients have what it lacks of 30."""
    most = np.abs(rows).sum(1) * max(127 - zero, zero + 128) + np.abs(offset)
    return max(0, int(most.max()).bit_length() - LONG)


def plain_keep(pixels: int, channels: int, form: str) -> Struct:
    """A flow that is kept as it is."""
    fields = {"pixels": pixels, "channels": channels, "run": 1, "from": Literal(form), "form": Literal(form)}
    return Struct("exai_keep", fields)


def _is_pointwise(p: Mapping[str, int]) -> bool:
    """Whether each output pixel takes the input's pixel of its number: no window, no step, no border of zeros."""
    sizes = all(p[f"in_{axis}"] == p[f"out_{axis}"] for axis in ("rows", "columns"))
    return sizes and p["kernel_rows"] * p["kernel_columns"] == 1


def _is_whole(p: Mapping[str, int]) -> bool:
    """Whether the one window is the whole map, as of a streaming model's step: its values lie as a dense layer's."""
    sizes = all(p[f"kernel_{axis}"] == p[f"in_{axis}"] for axis in ("rows", "columns"))
    return (
        sizes and p["out_rows"] * p["out_columns"] == 1 < p["in_rows"] * p["in_columns"] and p["top"] == p["left"] == 0
    )


def _as_row(p: Mapping[str, int]) -> dict[str, int]:
    """The shape of a layer of one window as a dense layer of all its values."""
    ones = {f"{what}_{axis}": 1 for what in ("in", "kernel", "stride", "dilation") for axis in ("rows", "columns")}
    return ones | {"in_channels": p["in_rows"] * p["in_columns"] * p["in_channels"]}


def _widened(p: Mapping[str, int], depthwise: bool, divides: bool, signed: bool) -> dict[str, int]:
    """How many inputs' columns of weights are widened at a time, and whether rows are, to divide."""
    if depthwise:
        return {"block": 0, "wide": 0}
    taps, inside, out = p["kernel_rows"] * p["kernel_columns"], p["in_channels"], p["out_channels"]
    windows = not _is_pointwise(p)
    column, row = 2 * taps * _eights(out) * (1 + signed), 2 * _eights(taps * inside) * (1 + signed)
    many = p["out_rows"] * p["out_columns"] >= MANY
    block = inside if windows or many else 0
    if windows and inside >= NARROW and inside * column > WIDE:
        block = min(inside, max(8, WIDE // column // 8 * 8))
    if not windows and inside * column > 2 * WIDE:
        block = 0
    return {"block": block, "wide": int(divides and many and out * row <= (WIDE if windows else 2 * WIDE))}


def _fold(weights: NDArray[np.int64], p: Mapping[str, Any], depthwise: bool) -> int:
    """By how many bits products of weights and multipliers are cut, so that sums of factors times them fit 32 bits."""
    out, step = p["out_channels"], p["step"]
    shift = p["shift"].data.astype(int)[np.arange(out) * step]
    gain = (p["multiplier"].data.astype(np.int64)[np.arange(out) * step] >> 16) >> np.minimum(shift.max() - shift, 31)
    if depthwise:
        product = np.abs(weights.reshape(-1, out)) * (gain + 1)
        size = product.sum(0).reshape(p["in_channels"], -1).sum(1)
    else:
        product = np.abs(weights.reshape(out, -1, p["in_channels"])) * (gain + 1)[:, None, None]
        size = product.sum((0, 1))
    sums, one = int(size.max()) >> (ROOM - PRECISION), int(product.max()) >> PRECISION
    return max(sums.bit_length(), one.bit_length())


def _eights(count: int) -> int:
    return -(-count // 8) * 8


def _even(count: int) -> int:
    return count + count % 2


def function(fields: Mapping[str, Any], depthwise: bool) -> str:
    """The kernel of a layer's way back."""
    p: dict[str, int] = fields["layer"].fields
    windows = not _is_pointwise(p)
    if depthwise:
        return "exai_back_depthwise"
    if windows and p["in_channels"] < NARROW:
        return "exai_back_narrow"
    if not fields["block"]:
        return "exai_back_rows"
    return "exai_back_windows" if windows else "exai_back_pointwise"


def pool_function(fields: Mapping[str, Any], largest: bool) -> str:
    """The kernel of a pool's way back: of one window over the whole map, or of many."""
    p: dict[str, int] = fields["pool"].fields
    whole = p["kernel_rows"] >= p["in_rows"] and p["kernel_columns"] >= p["in_columns"]
    single = p["out_rows"] * p["out_columns"] == 1 and p["top"] == p["left"] == 0
    if single and whole:
        return "exai_back_largest" if largest else "exai_back_mean"
    return "exai_back_max" if largest else "exai_back_pool"


def scratch(fields: Mapping[str, Any], depthwise: bool) -> int:
    """Bytes of the working space of `function`."""
    p: dict[str, int] = fields["layer"].fields
    kernel = p["kernel_rows"], p["kernel_columns"]
    taps, inside, out = kernel[0] * kernel[1], p["in_channels"], p["out_channels"]
    divides, sides = fields["divides"], 1 + (fields["weights"].text == "EXAI_SIGNED")
    span = (kernel[0] - 1) * p["dilation_rows"] // p["stride_rows"] + 1
    width, depth = _eights(out), _eights(taps * inside)
    if depthwise:
        row = span * p["out_columns"]
        count = 8 * (taps + 1) + 4 * width * (3 + row) + 4 * taps * width + 2 * width
        return _even(count + 2 * (sum(kernel) + 1) + divides * (12 * width + 2 * taps * width + inside))
    over = width > out or (p["stride_rows"] == p["stride_columns"] == 1 and inside == out)
    rows = 2 * (over * span * p["out_columns"] * (width + 1) + sum(kernel) + 3 * p["stride_columns"])
    direct = _is_pointwise(p)
    first = 4 * out
    if divides:
        first += (
            4 * out + 2 * sides * depth * (1 + out * fields["wide"]) + 2 * _even(out) + (not direct) * taps * inside
        )
    block = fields["block"]
    units = p["out_rows"] * p["out_columns"] * (out + 1) if fields["parts"] else 0
    rest = 8 * -(-units // 4)
    if not block:
        second = 4 * (-(-inside // 4) * 4) + 8 * (out + 1)
    elif direct:
        second = 8 * inside + 2 * width * (1 + sides * inside) + 4 * _even(inside)
    elif inside < NARROW:
        places, count = ((kernel[0] - 1) * p["dilation_rows"] + 1) * p["in_columns"], taps * inside
        first, rest = 0, 0
        second = 14 * count + 10 * width + 4 * places * inside + 2 * width * sides * count + 2 * places
        second += divides * (4 * width + 2 * sides * depth * (1 + out * fields["wide"])) + count
    else:
        pixels = p["in_rows"] * p["in_columns"] if block < inside else 0
        apart, outside = p["dilation_columns"], -(-(kernel[1] - 1) * p["dilation_columns"] // p["stride_columns"])
        strip = apart * -(-(p["out_columns"] + 2 * outside) // apart)
        second = 8 * inside + (4 * inside + 2) * pixels + 2 * width * (span * strip + sides * taps * block)
        second += rows + 4 * strip + 4 * inside
    return rest + _even(max(first, second) + 3)


def step_scratch(fields: Mapping[str, Any]) -> int:
    """Bytes of the working space of `exai_back_step`."""
    p: dict[str, int] = fields["layer"].fields
    inside, out, before = p["in_channels"], p["out_channels"], int(fields["before"])
    sides = 2 if fields["weights"].text == "EXAI_SIGNED" else 1
    widest = _eights(max(before, inside - before))
    return 4 * (-(-(inside - before) // 4) * 4) + 12 * out + 8 * (out + 1) + 2 * sides * widest + 2 * _even(out)


def flat(reading: Reading, op: Op, forward: Step, keep: Struct) -> tuple[dict[str, Any], int]:
    """The fields of `exai_way` for the flat rule, and the bytes of its working space."""
    fields, _ = layer(reading, op, forward, keep)
    p = fields["layer"].fields
    bits = int(ROOM - PRECISION - log2(p["out_channels"]))
    span = (p["kernel_rows"] - 1) * p["dilation_rows"] + 1
    return fields | {"divides": 0, "bits": max(0, bits), "weights": Literal("EXAI_ALL")}, 6 * span * p["in_columns"]


def pool(reading: Reading, op: Op, forward: Step, keep: Struct) -> dict[str, Any]:
    """The fields of `exai_pool_way`; MEAN over rows and columns is a pool of one window."""
    x, y = op.inputs[0], op.outputs[0]
    parameters = forward.parameters
    if op.kind in (OpKind.MEAN, OpKind.REDUCE_MAX):
        shape = reading.low.tensor(x).shape
        rows, columns = (shape[1], prod(shape[2:-1]))
        sizes = {"in_rows": rows, "in_columns": columns, "channels": shape[-1], "out_rows": 1, "out_columns": 1}
        parameters = sizes | {"kernel_rows": rows, "kernel_columns": columns, "stride_rows": 1, "stride_columns": 1}
        parameters |= {"top": 0, "left": 0, "low": -128, "high": 127}
    ratio, shift = short(reading.low.scale(x)[0] / reading.low.scale(y)[0])
    room = _room(parameters) if op.kind == OpKind.MAX_POOL_2D else 0
    return {"pool": Struct("exai_pool", parameters), "keep": keep, "ratio": ratio >> room, "shift": shift - room}


def _room(pool: Mapping[str, int]) -> int:
    """By how many bits factors must be shorter so that what one input gets from all its windows fits into 32 bits.

    The largest input of every window that covers it gets all of each. Its scales are equal, the ratio is 2^14 and a
    mantissa is below 2^15: four windows fit. Of a mean each window gives its share alone, at most 2.25 in all.
    """
    windows = prod(-(-pool[f"kernel_{axis}"] // pool[f"stride_{axis}"]) for axis in ("rows", "columns"))
    return max(0, int(windows - 1).bit_length() - 2)


def of_all_positions(reading: Reading, op: Op) -> bool:
    """Whether a mean, or a largest value, is a pool of one window."""
    if op.kind not in (OpKind.MEAN, OpKind.REDUCE_MAX):
        return False
    shape = reading.low.tensor(op.inputs[0]).shape
    axes = {int(a) % len(shape) for a in np.atleast_1d(reading.low.constant(op.inputs[1]))}
    return len(shape) in (3, 4) and axes == set(range(1, len(shape) - 1))


def summand(reading: Reading, op: Op, position: int, keep: Struct) -> dict[str, Any]:
    """The fields of `exai_summand` for an input of an ADD or SUB of maps of one shape."""
    low, by_sign = reading.low, reading.by_sign(op)
    (scale, zero), (other_scale, other_zero) = (low.scale(op.inputs[k]) for k in (position, 1 - position))
    most = max(scale, other_scale)
    a, b, shift = round(scale / most * 2**15), round(other_scale / most * 2**15), 1
    if not by_sign:
        a, shift = short(scale / low.scale(op.outputs[0])[0])
    if op.kind == OpKind.SUB:
        a, b = (-a, b) if position else (a, -b)
    channels = reading.layout(op.outputs[0])[1]
    fields = {"keep": keep, "channels": channels, "own": a, "other": b, "own_zero": zero, "other_zero": other_zero}
    return fields | {"shift": shift, "by_sign": int(by_sign)}


def pair(y: tuple[int, int], forward: Step, keep: Struct, shares: int = 0) -> dict[str, Any]:
    """The fields of `exai_pair_way` for a sum of ``y`` pixels and channels."""
    parameters = dict(forward.parameters)
    parameters["shift"] += 0 if shares else FRACTION
    return {"keep": keep, "pair": Struct("exai_pair", parameters), "channels": y[1], "shares": shares}


def scaled(reading: Reading, op: Op, keep: Struct) -> dict[str, Any]:
    """The fields of `exai_summand` for values that go into other steps."""
    x, y = op.inputs[0], op.outputs[0]
    ratio, shift = short(reading.low.scale(x)[0] / reading.low.scale(y)[0])
    fields = {"keep": keep, "channels": reading.layout(y)[1], "own": ratio, "other": 0, "own_zero": 0, "other_zero": 0}
    return fields | {"shift": shift, "by_sign": 0}


def softmax(reading: Reading, op: Op, keep: Struct) -> dict[str, Any]:
    """The fields of `exai_softmax_way`."""
    ratio, shift = short(reading.low.scale(op.inputs[0])[0] * float(op.options.beta))
    return {"keep": keep, "channels": reading.layout(op.outputs[0])[1], "ratio": ratio, "shift": shift}


def short(real: float) -> tuple[int, int]:
    """(m, shift) with real ≈ m / 2^shift and m in [2^14, 2^15]."""
    fraction, exponent = frexp(real)
    return round(fraction * 2**15), 15 - exponent
