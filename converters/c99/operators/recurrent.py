"""UNIDIRECTIONAL_SEQUENCE_LSTM of int8 with int16 cells, as TensorFlow Lite's converter writes it."""

from math import frexp

import numpy as np
from numpy.typing import NDArray

from converters.c99 import fixed
from converters.c99.lowering import Lowering
from converters.c99.schedule import Constant, Literal
from edgexai.graph import DType, Op

GATES = range(4)
HIDDEN, CELL = 18, 19
PLAIN = (*range(9, 12), 16, 17, *range(20, 24))
"""Inputs that a plain LSTM leaves out: peepholes, projection, layer normalization."""
TANH = 4
ARGUMENT, GATE = 2.0**-12, 2.0**-15
"""Steps of what a gate's function takes and gives."""


def lstm(low: Lowering, op: Op) -> None:
    """A sequence that starts from the zero state."""
    x, y = op.inputs[0], op.outputs[0]
    if any(i < len(op.inputs) and op.inputs[i] >= 0 for i in PLAIN) or op.inputs[1] < 0:
        raise low.refuse("peepholes, coupled gates, projection and layer normalization")
    if int(op.options.fusedActivationFunction) != TANH or float(op.options.projClip):
        raise low.refuse("other cells than tanh")
    shape, out = low.tensor(x).shape, low.tensor(y).shape
    time = 0 if op.options.timeMajor else 1
    if len(shape) != 3 or shape[1 - time] != 1:
        raise low.refuse("batches must be of one")
    (in_scale, in_zero), (scale, zero) = low.scale(x), low.scale(op.inputs[HIDDEN])
    if low.scale(y) != (scale, zero):
        raise low.refuse("output and hidden state must have one scale")
    cell = low.tensor(op.inputs[CELL])
    if cell.dtype != DType.INT16 or cell.quantization is None or frexp(float(cell.quantization.scale[0]))[0] != 0.5:
        raise low.refuse("the cell state must be int16 in steps of a power of two")
    step = float(cell.quantization.scale[0])
    if not 2**-15 <= step <= 2**-2:
        raise low.refuse("a cell state in steps beyond 2^-15 … 2^-2")
    weights = [_weights(low, t) for t in op.inputs[1:5]]
    recurrent = [_weights(low, t) for t in op.inputs[5:9]]
    given = [low.constant(t).reshape(-1).astype(np.int64) for t in op.inputs[12:16]]
    bias = [_folded(b - in_zero * w.astype(np.int64).sum(1)) for b, (w, _) in zip(given, weights, strict=True)]
    before = [_folded(-zero * u.astype(np.int64).sum(1)) for u, _ in recurrent]
    inside = [fixed.multiplier(in_scale * s / ARGUMENT) for _, s in weights]
    behind = [fixed.multiplier(scale * s / ARGUMENT) for _, s in recurrent]
    forget, enter, leave = (fixed.multiplier(real) for real in (GATE, GATE * GATE / step, GATE * GATE / scale))
    parameters = {
        "weights": [Constant(w.reshape(-1)) for w, _ in weights],
        "recurrent": [Constant(u.reshape(-1)) for u, _ in recurrent],
        "bias": [Constant(b) for b in bias],
        "recurrent_bias": [Constant(b) for b in before],
        "table": Constant(fixed.sigmoid_table()),
        "multiplier": [m for m, _ in inside],
        "recurrent_multiplier": [m for m, _ in behind],
        "forget_multiplier": forget[0],
        "input_multiplier": enter[0],
        "output_multiplier": leave[0],
        "steps": shape[time],
        "features": shape[2],
        "units": out[2],
        "zero": zero,
        "clip": int(min(float(op.options.cellClip) / step, 32767.0)),
        "shift": [s for _, s in inside],
        "recurrent_shift": [s for _, s in behind],
        "forget_shift": forget[1],
        "input_shift": enter[1],
        "output_shift": leave[1],
        "cell_power": frexp(step)[1] - 1,
    }
    if max(*shape, *out) >= 1 << 16:
        raise low.refuse("a size beyond 65,535")
    scratch = 2 * (-(-shape[2] // 4) * 4 + -(-out[2] // 4) * 4 + out[2])
    low.call("exai_lstm", "exai_lstm_layer", parameters, [low.value(x)], low.new(y), [Literal("NULL")], scratch)


def _weights(low: Lowering, t: int) -> tuple[NDArray[np.int8], float]:
    tensor = low.tensor(t)
    if tensor.dtype != DType.INT8 or low.scale(t)[1]:
        raise low.refuse("weights must be int8 with one scale and zero point 0")
    return low.constant(t), low.scale(t)[0]


def _folded(bias: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.asarray((bias + (1 << 31)) % (1 << 32) - (1 << 31), np.int32)
