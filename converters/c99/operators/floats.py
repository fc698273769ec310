"""The same operators in float32: what `--float` lowers. Integers are there only as numbers of classes."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from converters.c99.lowering import FUSED, Lowering
from converters.c99.operators import moves
from converters.c99.operators.layers import window
from converters.c99.operators.pairs import loops_of
from converters.c99.operators.pools import axes_of
from converters.c99.schedule import Constant, Literal
from edgexai.graph import DType, Op, OpKind

MOST = 3.4028234663852886e38
PAIRS = {
    OpKind.ADD: "EXAI_ADD",
    OpKind.SUB: "EXAI_SUB",
    OpKind.MUL: "EXAI_MUL",
    OpKind.DIV: "EXAI_DIV",
    OpKind.MINIMUM: "EXAI_MINIMUM",
    OpKind.MAXIMUM: "EXAI_MAXIMUM",
}
LIMITS = {OpKind.RELU: 1, OpKind.RELU6: 3, OpKind.RELU_N1_TO_1: 2}
FUNCTIONS = {
    OpKind.LEAKY_RELU: "EXAI_LEAKY",
    OpKind.LOGISTIC: "EXAI_LOGISTIC",
    OpKind.TANH: "EXAI_TANH",
    OpKind.HARD_SWISH: "EXAI_HARD_SWISH",
    OpKind.EXP: "EXAI_EXP",
    OpKind.ABS: "EXAI_ABS",
    OpKind.NEG: "EXAI_NEG",
}


def number(value: float) -> Literal:
    """A float as C writes it."""
    return Literal(f"{float(np.float32(value)).hex()}f")


def _limits(low: Lowering, fused: int) -> dict[str, Any]:
    if fused not in FUSED:
        raise low.refuse(f"fused activation {fused}")
    bottom, top = FUSED[fused]
    return {"low": number(-MOST if bottom is None else bottom), "high": number(MOST if top is None else top)}


def _fused(low: Lowering, op: Op) -> dict[str, Any]:
    return _limits(low, int(getattr(op.options, "fusedActivationFunction", 0) or 0))


def _only_float(low: Lowering, *tensors: int) -> None:
    for t in tensors:
        if low.tensor(t).dtype != DType.FLOAT32:
            why = f"{low.tensor(t).name!r} is {low.tensor(t).dtype.name}, not float32"
            raise low.refuse(why, "an int8 model is written without --float")


def layer(low: Lowering, op: Op) -> None:
    """CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED and BATCH_MATMUL with constant weights."""
    turned = op.kind == OpKind.TRANSPOSE_CONV
    x, w, y = op.inputs[2] if turned else op.inputs[0], op.inputs[1], op.outputs[0]
    _only_float(low, x, y)
    weights = low.real(w)
    at = 3 if turned else 2
    bias = low.real(op.inputs[at]).reshape(-1) if len(op.inputs) > at and op.inputs[at] >= 0 else None
    shape, out = low.tensor(x).shape, low.tensor(y).shape
    function = "exai_float_conv"
    if op.kind in (OpKind.FULLY_CONNECTED, OpKind.BATCH_MATMUL):
        if op.kind == OpKind.BATCH_MATMUL:
            if op.options.adjX or prod(weights.shape[:-2]) != 1:
                raise low.refuse("a product with more than one constant matrix")
            weights = weights.reshape(weights.shape[-2:])
            weights = weights if op.options.adjY else np.ascontiguousarray(weights.T)
        rows = prod(shape) // weights.shape[1]
        sizes = {"in_rows": rows, "in_columns": 1, "out_rows": rows, "out_columns": 1, "kernel_rows": 1}
        sizes |= dict.fromkeys(("kernel_columns", "stride_rows", "stride_columns", "dilation_rows"), 1)
        sizes |= {"dilation_columns": 1, "top": 0, "left": 0}
        sizes |= {"in_channels": weights.shape[1], "out_channels": weights.shape[0]}
    else:
        if len(shape) != 4 or shape[0] != 1:
            raise low.refuse("batches must be of one")
        sizes = window(low, op, out if turned else shape, shape if turned else out, weights.shape[1:3])
        if turned:
            sizes |= {"in_rows": shape[1], "in_columns": shape[2], "out_rows": out[1], "out_columns": out[2]}
            function = "exai_float_transposed"
        sizes |= {"in_channels": shape[3], "out_channels": out[3]}
        if op.kind == OpKind.DEPTHWISE_CONV_2D:
            function = "exai_float_depthwise"
        elif weights.shape[3] != shape[3]:
            raise low.refuse("groups")
    fields = {"weights": Constant(weights.reshape(-1)), "bias": Literal("NULL") if bias is None else Constant(bias)}
    low.call(function, "exai_float_layer", fields | sizes | _fused(low, op), [low.value(x)], low.new(y))


def pool(low: Lowering, op: Op) -> None:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    x, y = op.inputs[0], op.outputs[0]
    _only_float(low, x, y)
    shape, out = low.tensor(x).shape, low.tensor(y).shape
    if shape[0] != 1:
        raise low.refuse("batches must be of one")
    sizes = window(low, op, shape, out, (int(op.options.filterHeight), int(op.options.filterWidth)))
    fields = {k: v for k, v in sizes.items() if "dilation" not in k} | {"channels": shape[3]} | _fused(low, op)
    fields |= {"largest": int(op.kind == OpKind.MAX_POOL_2D)}
    low.call("exai_float_pools", "exai_float_pool", fields, [low.value(x)], low.new(y))


def pair(low: Lowering, op: Op) -> None:
    """ADD, SUB, MUL, DIV, MINIMUM, MAXIMUM."""
    a, b, y = *op.inputs, op.outputs[0]
    _only_float(low, y)
    fields = loops_of(low, a, b, y) | {"operation": Literal(PAIRS[op.kind])} | _fused(low, op)
    low.call("exai_float_pairs", "exai_float_pair", fields, [_value(low, a), _value(low, b)], low.new(y))


def _value(low: Lowering, t: int) -> "str | Constant":
    return low.home[t] if t in low.home else Constant(low.real(t).reshape(-1))


def function(low: Lowering, op: Op) -> None:
    """A function of each value."""
    x, y = op.inputs[0], op.outputs[0]
    _only_float(low, x, y)
    fields: dict[str, Any] = {"count": prod(low.tensor(y).shape)}
    if op.kind in LIMITS:
        fields |= {"function": Literal("EXAI_LIMIT")} | _limits(low, LIMITS[op.kind])
    else:
        slope = float(op.options.alpha) if op.kind == OpKind.LEAKY_RELU else 0.0
        fields |= {"function": Literal(FUNCTIONS[op.kind]), "low": number(slope), "high": number(0)}
    low.call("exai_float_functions", "exai_float_function", fields, [low.value(x)], low.new(y))


def reduction(low: Lowering, op: Op) -> None:
    """SUM, MEAN, REDUCE_MAX."""
    x, y = op.inputs[0], op.outputs[0]
    _only_float(low, x, y)
    kept, over = axes_of(low, op)
    fields = {
        "count": [n for n, _ in kept],
        "stride": [s for _, s in kept],
        "over": [n for n, _ in over],
        "over_stride": [s for _, s in over],
        "scale": number(1 / prod(n for n, _ in over) if op.kind == OpKind.MEAN else 1),
        "largest": int(op.kind == OpKind.REDUCE_MAX),
    }
    low.call("exai_float_reduce", "exai_float_reduction", fields, [low.value(x)], low.new(y))


def rows(low: Lowering, op: Op) -> None:
    """SOFTMAX and ARG_MAX along the last axis."""
    x, y = op.inputs[0], op.outputs[0]
    shape = low.tensor(x).shape
    _only_float(low, x)
    if op.kind == OpKind.ARG_MAX and int(low.constant(op.inputs[1]).reshape(-1)[0]) % len(shape) != len(shape) - 1:
        raise low.refuse("another axis than the last")
    beta = float(op.options.beta) if op.kind == OpKind.SOFTMAX else 0.0
    fields = {"rows": prod(shape[:-1]), "columns": shape[-1], "beta": number(beta)}
    name = "exai_float_softmax" if op.kind == OpKind.SOFTMAX else "exai_float_largest"
    low.call(name, "exai_float_rows", fields, [low.value(x)], low.new(y))


def cast(low: Lowering, op: Op) -> None:
    """CAST between float32 and int32; DEQUANTIZE of a constant."""
    x, y = op.inputs[0], op.outputs[0]
    if op.kind == OpKind.DEQUANTIZE:
        if not low.tensor(x).is_constant:
            raise low.refuse(f"{low.tensor(x).name!r} is computed as {low.tensor(x).dtype.name}")
        return low.known(y, low.tensor(x).real.astype(np.float32))
    kinds = low.tensor(x).dtype, low.tensor(y).dtype
    names = {
        (DType.FLOAT32, DType.INT32): "exai_float_to_whole",
        (DType.INT32, DType.FLOAT32): "exai_float_of_whole",
    }
    if kinds not in names:
        raise low.refuse(f"from {kinds[0].name} to {kinds[1].name}")
    count = Literal(str(prod(low.tensor(y).shape)))
    return low.call(names[kinds], "", {}, [low.value(x)], low.new(y), [count])


FLOATS: Mapping[OpKind, Callable[[Lowering, Op], None]] = {
    **dict.fromkeys(
        (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED, OpKind.TRANSPOSE_CONV, OpKind.BATCH_MATMUL),
        layer,
    ),
    **dict.fromkeys((OpKind.AVERAGE_POOL_2D, OpKind.MAX_POOL_2D), pool),
    **dict.fromkeys(PAIRS, pair),
    **dict.fromkeys((*LIMITS, *FUNCTIONS), function),
    **dict.fromkeys((OpKind.SUM, OpKind.MEAN, OpKind.REDUCE_MAX), reduction),
    **dict.fromkeys((OpKind.SOFTMAX, OpKind.ARG_MAX), rows),
    **dict.fromkeys((OpKind.CAST, OpKind.DEQUANTIZE), cast),
    **moves.MOVED,
}
"""What each operator becomes in float32."""
