"""Functions of one value (tables of 256), QUANTIZE and DEQUANTIZE, SOFTMAX."""

from math import prod

import numpy as np

from converters.c99 import fixed
from converters.c99.lowering import Lowering, quantized
from converters.c99.schedule import Buffer, Constant, Literal, Step
from edgexai.graph import DType, Op, OpKind


def table(low: Lowering, op: Op) -> None:
    """A table of the function of every int8."""
    x, y = op.inputs[0], op.outputs[0]
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    both = in_scale, in_zero, out_scale, out_zero
    if op.kind == OpKind.LOGISTIC:
        if (out_scale, out_zero) != (1 / 256, -128):
            raise low.refuse("its output must have scale 1/256 and zero point -128")
        table = fixed.logistic_table(in_scale, in_zero)
    elif op.kind == OpKind.TANH:
        if (out_scale, out_zero) != (1 / 128, 0):
            raise low.refuse("its output must have scale 1/128 and zero point 0")
        table = fixed.tanh_table(in_scale, in_zero)
    elif op.kind == OpKind.HARD_SWISH:
        table = fixed.hard_swish_table(*both)
    elif op.kind == OpKind.LEAKY_RELU:
        table = fixed.leaky_table(*both, float(op.options.alpha))
    elif op.kind == OpKind.QUANTIZE:
        table = fixed.rescale_table(*both)
    elif op.kind == OpKind.RELU6:
        if low.scale(x) != low.scale(y):
            raise low.refuse("input and output must have one scale")
        table = np.clip(fixed.INT8, max(-128, in_zero), min(127, in_zero + quantized(6.0, in_scale))).astype(np.int8)
    else:
        table = fixed.relu_table(*both)
    count = Literal(str(prod(low.tensor(y).shape)))
    home = low.value(x)
    name = low.new(y)
    reads = (home,) if isinstance(home, str) else ()
    label = low.graph.describe(low.at)
    low.steps.append(Step("exai_lookup", "", {}, (Constant(table), home, count, name), reads, (name,), label, low.at))


def quantization(low: Lowering, op: Op) -> None:
    """QUANTIZE and DEQUANTIZE."""
    x, y = op.inputs[0], op.outputs[0]
    source = low.tensor(x).dtype
    if source == DType.INT8 and low.tensor(y).dtype == DType.INT8:
        return table(low, op)
    if source == DType.INT8 and low.tensor(y).dtype == DType.UINT8:
        return _unsigned(low, op)
    integer = y if op.kind == OpKind.QUANTIZE else x
    scale, zero = low.scale(integer)
    other = low.tensor(x if integer == y else y)
    if other.dtype != DType.FLOAT32:
        raise low.refuse(f"{other.dtype.name} at its other side")
    numbers = (Literal(str(prod(other.shape))), Literal(f"{scale.hex()}f"), Literal(str(zero)))
    function = "exai_quantize" if integer == y else "exai_dequantize"
    low.call(function, "", {}, [low.value(x)], low.new(y), numbers)
    return None


def _unsigned(low: Lowering, op: Op) -> None:
    """QUANTIZE of int8 to an output of uint8."""
    x, y = op.inputs[0], op.outputs[0]
    q = low.tensor(y).quantization
    if q is None or q.scale.size != 1 or any(y in one.inputs for one in low.graph.ops):
        raise low.refuse("uint8 is for outputs alone, with one scale")
    made = fixed.rescaled(*low.scale(x), float(q.scale[0]), int(q.zero_point[0]), 0, 255).astype(np.uint8).view(np.int8)
    count, home = prod(low.tensor(y).shape), low.value(x)
    name = low.home[y] = f"t{y}"
    low.buffers[name] = Buffer(name, count)
    reads = (home,) if isinstance(home, str) else ()
    arguments = (Constant(made), home, Literal(str(count)), name)
    low.steps.append(Step("exai_lookup", "", {}, arguments, reads, (name,), low.graph.describe(low.at), low.at))


def softmax(low: Lowering, op: Op) -> None:
    """SOFTMAX along the last axis."""
    x, y = op.inputs[0], op.outputs[0]
    if low.scale(y) != (1 / 256, -128):
        raise low.refuse("its output must have scale 1/256 and zero point -128")
    table = fixed.softmax_table(low.scale(x)[0], float(op.options.beta))
    shape = low.tensor(x).shape
    parameters = {
        "exponentials": Constant(table),
        "rows": prod(shape[:-1]),
        "columns": shape[-1],
        "differences": len(table),
    }
    low.call("exai_softmax_rows", "exai_softmax", parameters, [low.value(x)], low.new(y))
