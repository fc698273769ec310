"""Functions of one value (tables of 256), QUANTIZE, DEQUANTIZE and CAST, SOFTMAX and ARG_MAX, tables of rows."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from converters.c99 import fixed
from converters.c99.lowering import Lowering, quantized
from converters.c99.real_tables import FUNCTIONS, real_table
from converters.c99.schedule import Buffer, Constant, Literal, Step
from edgexai.graph import DType, Op, OpKind
from edgexai.graph.ir import NUMPY

ENDS = {DType.UINT8: "uint8", DType.INT16: "int16"}
"""What a QUANTIZE may make of int8 at the end."""
LIMITS = {OpKind.RELU6: (0.0, 6.0), OpKind.RELU_N1_TO_1: (-1.0, 1.0)}


def table(low: Lowering, op: Op) -> None:
    """A table of the function of every int8."""
    x, y = op.inputs[0], op.outputs[0]
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    both, source = (in_scale, in_zero, out_scale, out_zero), low.rewritten.source
    is_real = source.tensors[source.ops[low.rewritten.origin[op]].inputs[0]].dtype == DType.FLOAT32
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
    elif op.kind == OpKind.ABS:
        table = fixed.abs_table(*both)
    elif op.kind == OpKind.NEG and not is_real:
        if low.scale(x) != low.scale(y) or in_zero:
            raise low.refuse("input and output must have one scale, and no zero point")
        table = np.negative(fixed.INT8.astype(np.int8))  # the least one stays, as in LiteRT
    elif op.kind == OpKind.RSQRT and not is_real:
        table = fixed.rsqrt_table(*both)
    elif op.kind in FUNCTIONS:
        nearly = op.kind == OpKind.GELU and bool(op.options and op.options.approximate)
        table = real_table(op.kind, both, is_real, nearly)
    elif op.kind in LIMITS:
        if low.scale(x) != low.scale(y):
            raise low.refuse("input and output must have one scale")
        bottom, top = (in_zero + quantized(real, in_scale) for real in LIMITS[op.kind])
        table = np.clip(fixed.INT8, max(-128, bottom), min(127, top)).astype(np.int8)
    else:
        table = fixed.relu_table(*both)
    _look_up(low, op, table, low.new(y))


def _look_up(low: Lowering, op: Op, table: NDArray[np.int8], name: str) -> None:
    count, home = Literal(str(prod(low.tensor(op.outputs[0]).shape))), low.value(op.inputs[0])
    _call(low, "exai_lookup", (Constant(table), home, count, name))


def _call(low: Lowering, function: str, arguments: tuple["str | Constant | Literal", ...]) -> None:
    """A kernel without parameters, which writes its last argument."""
    *given, name = arguments
    reads = tuple(a for a in given if isinstance(a, str))
    low.steps.append(Step(function, "", {}, arguments, reads, (str(name),), low.label, low.at))


def quantization(low: Lowering, op: Op) -> None:
    """QUANTIZE and DEQUANTIZE."""
    x, y = op.inputs[0], op.outputs[0]
    source = low.tensor(x).dtype
    if source == DType.INT8 and low.tensor(y).dtype == DType.INT8:
        return table(low, op)
    if source == DType.INT8 and low.tensor(y).dtype in ENDS:
        return _to_port(low, op)
    if source == DType.INT16 and low.tensor(y).dtype == DType.INT32:
        return _rescaled16(low, op)
    if source in (DType.UINT8, DType.INT16):
        return _from_port(low, op)
    integer = y if op.kind == OpKind.QUANTIZE else x
    scale, zero = low.scale(integer)
    other = low.tensor(x if integer == y else y)
    if other.dtype != DType.FLOAT32:
        raise low.refuse(f"{other.dtype.name} at its other side")
    numbers = (Literal(str(prod(other.shape))), Literal(f"{scale.hex()}f"), Literal(str(zero)))
    function = "exai_quantize" if integer == y else "exai_dequantize"
    low.call(function, "", {}, [low.value(x)], low.new(y), numbers)
    return None


def _to_port(low: Lowering, op: Op) -> None:
    """QUANTIZE of int8 to an output of uint8 or int16."""
    x, y = op.inputs[0], op.outputs[0]
    q, kind = low.tensor(y).quantization, np.dtype(ENDS[low.tensor(y).dtype])
    if q is None or q.scale.size != 1 or any(y in one.inputs for one in low.graph.ops):
        raise low.refuse(f"{kind.name} is for outputs alone, with one scale")
    about, count = np.iinfo(kind), prod(low.tensor(y).shape)
    made = fixed.rescaled(*low.scale(x), float(q.scale[0]), int(q.zero_point[0]), about.min, about.max).astype(kind)
    name = _wide(low, y)
    if kind.itemsize == 1:
        _look_up(low, op, made.view(np.int8), name)
    else:
        _call(low, "exai_lookup16", (Constant(made), low.value(x), Literal(str(count)), name))


def _wide(low: Lowering, t: int) -> str:
    """A buffer for a map that ends in no int8."""
    name, kind = f"t{t}", np.dtype(NUMPY[low.tensor(t).dtype])
    low.home[t] = name
    low.buffers[name] = Buffer(name, kind.itemsize * prod(low.tensor(t).shape))
    return name


def _rescaled16(low: Lowering, op: Op) -> None:
    """QUANTIZE at the end of what SOFTMAX gave in int16, to int32."""
    x, y = low.tensor(op.inputs[0]), op.outputs[0]
    q, other = x.quantization, low.tensor(y).quantization
    if q is None or other is None:
        raise low.refuse("int16 is for inputs alone, with one scale")
    m, shift = fixed.multiplier(float(q.scale[0]) / float(other.scale[0]))
    literals = (Literal(str(v)) for v in (prod(x.shape), int(q.zero_point[0]), m, shift, int(other.zero_point[0])))
    _call(low, "exai_rescale16", (low.value(op.inputs[0]), *literals, _wide(low, y)))


def _from_port(low: Lowering, op: Op) -> None:
    """QUANTIZE of an input of uint8 or int16."""
    x, y = low.tensor(op.inputs[0]), op.outputs[0]
    q = x.quantization
    if q is None or q.scale.size != 1 or op.inputs[0] not in low.graph.inputs:
        raise low.refuse(f"{x.dtype.name.lower()} is for inputs alone, with one scale")
    scale, zero = float(q.scale[0]), int(q.zero_point[0])
    if x.dtype == DType.UINT8:
        return _look_up(low, op, fixed.unsigned_table(scale, zero, *low.scale(y)), low.new(y))
    m, shift = fixed.multiplier(scale / low.scale(y)[0])
    numbers = (Literal(str(v)) for v in (prod(x.shape), zero, m, shift, low.scale(y)[1]))
    return _call(low, "exai_requantize16", (low.value(op.inputs[0]), *numbers, low.new(y)))


def cast(low: Lowering, op: Op) -> None:
    """CAST of float32 to int32, the numbers of rows."""
    x, y = op.inputs[0], op.outputs[0]
    kinds = low.tensor(x).dtype, low.tensor(y).dtype
    if kinds != (DType.FLOAT32, DType.INT32):
        raise low.refuse(f"from {kinds[0].name} to {kinds[1].name}")
    _call(low, "exai_whole", (low.value(x), Literal(str(prod(low.tensor(y).shape))), low.new(y)))


def rows(low: Lowering, op: Op) -> None:
    """GATHER and EMBEDDING_LOOKUP: rows of a constant table."""
    (t, ids), y = op.inputs if op.kind == OpKind.GATHER else op.inputs[::-1], op.outputs[0]
    if op.kind == OpKind.GATHER and (int(op.options.axis or 0) or int(op.options.batchDims or 0)):
        raise low.refuse("rows along another axis than the first")
    if low.tensor(ids).dtype != DType.INT32 or low.scale(t) != low.scale(y):
        raise low.refuse("numbers of rows must be int32, and the table's scale the output's")
    table = low.constant(t)
    width, count = prod(table.shape[1:]), prod(low.tensor(ids).shape)
    sizes = Literal(str(len(table))), Literal(str(width))
    arguments = Constant(table.reshape(-1)), *sizes, low.value(ids), Literal(str(count)), low.new(y)
    _call(low, "exai_table_rows", arguments)


def largest(low: Lowering, op: Op) -> None:
    """ARG_MAX and ARG_MIN along the last axis."""
    x, y = op.inputs[0], op.outputs[0]
    shape = low.tensor(x).shape
    low.scale(x)
    if int(low.constant(op.inputs[1]).reshape(-1)[0]) % len(shape) != len(shape) - 1:
        raise low.refuse("another axis than the last")
    sizes = Literal(str(prod(shape[:-1]))), Literal(str(shape[-1]))
    function = "exai_largest" if op.kind == OpKind.ARG_MAX else "exai_smallest"
    _call(low, function, (low.value(x), *sizes, low.new(y)))


def softmax(low: Lowering, op: Op) -> None:
    """SOFTMAX along the last axis."""
    x, y = op.inputs[0], op.outputs[0]
    q, wide = low.tensor(y).quantization, low.tensor(y).dtype == DType.INT16
    if wide and (q is None or abs(65536 * float(q.scale[0]) - 1) > 1e-3 or int(q.zero_point[0]) != -32768):
        raise low.refuse("its output in int16 must have scale 1/65536 and zero point -32768")
    if not wide and low.scale(y) != (1 / 256, -128):
        raise low.refuse("its output must have scale 1/256 and zero point -128")
    table = fixed.softmax_table(low.scale(x)[0], float(op.options.beta))
    shape = low.tensor(x).shape
    parameters = {
        "exponentials": Constant(table),
        "rows": prod(shape[:-1]),
        "columns": shape[-1],
        "differences": len(table),
    }
    function, target = ("exai_softmax_rows16", _wide(low, y)) if wide else ("exai_softmax_rows", low.new(y))
    low.call(function, "exai_softmax", parameters, [low.value(x)], target)
