"""Layers with weights: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from converters.c99 import fixed
from converters.c99.lowering import FLOAT, Lowering
from converters.c99.operators import moves
from converters.c99.schedule import Buffer, Constant
from edgexai.graph import DType, Op, OpKind

PIECE = 512
"""EXAI_PIECE of `exai.h`."""


def _layer(low: Lowering, op: Op, kind: OpKind) -> tuple[dict[str, Any], int]:
    """The parameters of `exai_layer`, and the bytes of its scratch memory."""
    x, w, y = op.inputs[0], op.inputs[1], op.outputs[0]
    weights = low.constant(w)
    q = low.tensor(w).quantization
    if low.tensor(w).dtype != DType.INT8 or q is None or np.any(q.zero_point):
        hints = {DType.FLOAT32: FLOAT, DType.UINT8: "uint8 is the older form, quantize the model to int8 again"}
        hint = [hints[low.tensor(w).dtype]] if low.tensor(w).dtype in hints else []
        raise low.refuse("weights must be int8 with zero point 0", *hint)
    (in_scale, in_zero), (out_scale, out_zero) = low.scale(x), low.scale(y)
    low_value, high_value = low.range(y, int(op.options.fusedActivationFunction))
    shape_x, shape_y = low.tensor(x).shape, low.tensor(y).shape
    depthwise = kind == OpKind.DEPTHWISE_CONV_2D
    if kind == OpKind.FULLY_CONNECTED:
        out, inside = weights.shape
        rows = prod(shape_x) // inside
        geometry = dict.fromkeys(
            ("in_columns", "out_columns", "kernel_rows", "kernel_columns", "stride_rows", "stride_columns",
             "dilation_rows", "dilation_columns"), 1,
        )  # fmt: skip
        geometry |= {"in_rows": rows, "out_rows": rows, "in_channels": inside, "out_channels": out, "top": 0, "left": 0}
        sums = weights.astype(np.int64).sum(1)
    else:
        if len(shape_x) != 4 or shape_x[0] != 1:
            raise low.refuse("batches must be of one")
        geometry = window(low, op, shape_x, shape_y, weights.shape[1:3])
        geometry |= {"in_channels": shape_x[3], "out_channels": shape_y[3]}
        if depthwise:
            sums = weights.astype(np.int64).reshape(-1, shape_y[3]).sum(0)
            if shape_y[3] % shape_x[3]:
                raise low.refuse("channels that are no multiple of the input's")
        else:
            geometry["in_channels"] = weights.shape[3]
            sums = weights.astype(np.int64).reshape(shape_y[3], -1).sum(1)
    scales = [in_scale * float(s) for s in q.scale]
    if (
        low.rewritten.source.ops[low.rewritten.origin[op]].kind == OpKind.BATCH_MATMUL
    ):  # whose kernel has them in float32
        scales = [float(np.float32(s)) for s in scales]
    pairs = [fixed.multiplier(s / out_scale) for s in scales]
    bias = np.zeros(geometry["out_channels"], np.int64)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        if low.tensor(op.inputs[2]).dtype != DType.INT32:
            raise low.refuse("biases must be int32")
        bias = low.constant(op.inputs[2]).reshape(-1).astype(np.int64)
    folded = (bias - in_zero * sums + (1 << 31)) % (1 << 32) - (1 << 31)
    parameters = {
        "weights": Constant(weights.reshape(-1)),
        "bias": Constant(folded.astype(np.int32)),
        "multiplier": Constant(np.array([m for m, _ in pairs], np.int32)),
        "shift": Constant(np.array([s for _, s in pairs], np.int8)),
        **geometry,
        "in_zero": in_zero,
        "out_zero": out_zero,
        "low": low_value,
        "high": high_value,
        "step": int(len(pairs) > 1),
    }
    if any(not 0 <= v < 1 << 16 for v in geometry.values()):
        raise low.refuse("a size beyond 65,535")
    taps = geometry["kernel_rows"] * geometry["kernel_columns"]
    if depthwise:
        out = geometry["out_channels"]
        fours = out // 4 * 4 if out == geometry["in_channels"] else 0
        return parameters, 8 * (taps + 1) + 4 * out + 2 * taps * fours + geometry["in_channels"]
    depth = -(-taps * geometry["in_channels"] // 4) * 4
    if _is_long(op, geometry):
        return parameters, 2 * PIECE + 4 * geometry["out_channels"]
    return parameters, 5 * depth


def _is_long(op: Op, geometry: Mapping[str, int]) -> bool:
    """Whether a dense layer's one row is so long that it goes piece by piece."""
    return op.kind == OpKind.FULLY_CONNECTED and geometry["out_rows"] == 1 and geometry["in_channels"] > 2 * PIECE


def window(low: Lowering, op: Op, x: Sequence[int], y: Sequence[int], kernel: Sequence[int]) -> dict[str, int]:
    """Sizes, strides, dilations and padding of a sliding window, by the names of `exai_layer`."""
    options = op.options
    stride = int(options.strideH), int(options.strideW)
    dilation = int(getattr(options, "dilationHFactor", 1) or 1), int(getattr(options, "dilationWFactor", 1) or 1)
    pads = []
    for a in range(2):
        span = (kernel[a] - 1) * dilation[a] + 1
        pads.append(max(0, (y[a + 1] - 1) * stride[a] + span - x[a + 1]) // 2 if options.padding == 0 else 0)
    sizes = ("in_rows", "in_columns", "out_rows", "out_columns", "kernel_rows", "kernel_columns")
    found = dict(zip(sizes, (x[1], x[2], y[1], y[2], kernel[0], kernel[1]), strict=True))
    found |= {"stride_rows": stride[0], "stride_columns": stride[1]}
    found |= {"dilation_rows": dilation[0], "dilation_columns": dilation[1]}
    return found | {"top": pads[0], "left": pads[1]}


def convolution(low: Lowering, op: Op) -> None:
    """A layer with weights."""
    if op.kind == OpKind.CONV_2D and low.constant(op.inputs[1]).shape[3] != low.tensor(op.inputs[0]).shape[-1]:
        return _grouped(low, op)
    parameters, scratch = _layer(low, op, op.kind)
    function = "exai_depthwise" if op.kind == OpKind.DEPTHWISE_CONV_2D else "exai_conv"
    function = "exai_dense" if _is_long(op, parameters) else function
    low.call(function, "exai_layer", parameters, [low.value(op.inputs[0])], low.new(op.outputs[0]), scratch=scratch)
    return None


def _grouped(low: Lowering, op: Op) -> None:
    """A grouped convolution: each group's channels are taken out, convolved, and put into their place."""
    parameters, scratch = _layer(low, op, op.kind)
    shape, out = low.tensor(op.inputs[0]).shape, low.tensor(op.outputs[0]).shape
    inside = parameters["in_channels"]
    groups = shape[3] // inside
    if shape[3] % inside or out[3] % groups:
        raise low.refuse(f"{shape[3]} channels are no groups of {inside}")
    each = out[3] // groups
    x, y = low.value(op.inputs[0]), low.new(op.outputs[0])
    pixels, out_pixels = shape[1] * shape[2], out[1] * out[2]
    part, made = (f"p{low.at}", f"q{low.at}")
    low.buffers |= {part: Buffer(part, pixels * inside), made: Buffer(made, out_pixels * each)}
    for g in range(groups):
        own = slice(g * each, (g + 1) * each)
        fields = parameters | {"out_channels": each}
        for name in ("weights", "bias", "multiplier", "shift"):
            rows = parameters[name].data.reshape(out[3] if len(parameters[name].data) > 1 else 1, -1)
            fields[name] = Constant((rows[own] if len(rows) > 1 else rows).reshape(-1))
        taken = moves.block(pixels, inside, (shape[3], g * inside), (inside, 0))
        low.call("exai_shift", "exai_move", taken, [x], part)
        low.call("exai_conv", "exai_layer", fields, [part], made, scratch=scratch)
        placed = moves.block(out_pixels, each, (each, 0), (out[3], g * each))
        low.call("exai_shift", "exai_move", placed, [made], y, keeps=g > 0)
