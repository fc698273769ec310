"""SVDF, which remembers features of the steps before, in int8 or int16."""

import numpy as np

from converters.c99 import fixed
from converters.c99.lowering import Lowering
from converters.c99.schedule import Buffer, Constant, Step
from edgexai.graph import DType, Op

STATES = {DType.INT8: np.int8, DType.INT16: np.int16}


def svdf(low: Lowering, op: Op) -> None:
    """SVDF of one stream."""
    x, features, times, bias, memory = op.inputs
    y, state = op.outputs[0], low.tensor(memory)
    if low.tensor(x).shape[0] != 1:
        raise low.refuse("batches must be of one")
    if state.dtype not in STATES or low.tensor(times).dtype != state.dtype or not state.is_variable:
        raise low.refuse("its memory must be a variable of int8 or int16, as its weights of times are")
    scales = {t: _scale(low, t) for t in (x, features, times, memory, y)}
    if int(op.options.fusedActivationFunction) > 1 or scales[features][1] or scales[times][1]:
        raise low.refuse("an activation other than RELU, or weights with a zero point")
    first = fixed.multiplier(float(scales[x][0] * scales[features][0] / scales[memory][0]))
    second = fixed.multiplier(float(scales[memory][0] * scales[times][0] / scales[y][0]))
    filters, inputs = low.tensor(features).shape
    steps, rank = low.tensor(times).shape[1], int(op.options.rank)
    biases = low.constant(bias).reshape(-1) if bias >= 0 else np.zeros(filters // rank, np.int32)
    zero = scales[memory][1]
    name = f"v{memory}"
    low.buffers[name] = Buffer(name, filters * steps * np.dtype(STATES[state.dtype]).itemsize, "state")
    low.states[name] = np.full(filters * steps, zero, STATES[state.dtype]).view(np.int8)
    parameters = {
        "features": Constant(low.constant(features).reshape(-1)),
        "times": Constant(low.constant(times).reshape(-1)),
        "bias": Constant(biases.astype(np.int32)),
        "feature_multiplier": first[0],
        "feature_shift": first[1],
        "multiplier": second[0],
        "shift": second[1],
        "inputs": inputs,
        "filters": filters,
        "memory": steps,
        "rank": rank,
        "in_zero": scales[x][1],
        "state_zero": zero,
        "out_zero": scales[y][1],
        "wide": int(state.dtype == DType.INT16),
    }
    source, target, room = low.value(x), low.new(y), low.scratch(2 * (-(-inputs // 4) * 4))
    arguments = (source, name, target, room)
    reads = tuple(a for a in (source, name) if isinstance(a, str))
    low.steps.append(
        Step("exai_svdf", "exai_svdf_layer", parameters, arguments, reads, (target, name, room), low.label, low.at)
    )


def _scale(low: Lowering, t: int) -> tuple[np.float32, int]:
    """Scale, in float32 as the reference kernel multiplies it, and zero point."""
    q = low.tensor(t).quantization
    if q is None or q.scale.size != 1:
        raise low.refuse(f"{low.tensor(t).name!r} must have one scale")
    return np.float32(q.scale[0]), int(q.zero_point[0])
