"""The parameters of the way back through what remembers: LSTM and SVDF."""

from math import log2
from typing import Any

import numpy as np

from converters.c99.back.reading import Reading
from converters.c99.back.ways import PRECISION, ROOM, short
from converters.c99.schedule import Constant, Literal, Step, Struct
from edgexai.graph import Op


def lstm(reading: Reading, op: Op, forward: Step, keep: Struct) -> tuple[dict[str, Any], int]:
    """The fields of `exai_lstm_way`, and the bytes of its working space."""
    low, p = reading.low, forward.parameters
    step = low.scale(op.inputs[0])[0] / low.scale(op.outputs[0])[0]
    scales = step * low.scale(op.inputs[3])[0], low.scale(op.inputs[7])[0]
    texts = (Literal(f"{float(np.float32(scale)).hex()}f") for scale in scales)
    fields = {"layer": Struct("exai_lstm_layer", p), "keep": keep}
    return fields | dict(zip(("input_scale", "recurrent_scale"), texts, strict=True)), 4 * (
        3 * p["units"] + p["features"]
    )


def svdf(reading: Reading, op: Op, forward: Step, keep: Struct) -> tuple[dict[str, Any], int]:
    """The fields of `exai_svdf_way`, but for the scale of relevance, and the bytes of its working space."""
    low, p = reading.low, forward.parameters
    q = [low.tensor(t).quantization for t in (*op.inputs[:3], op.inputs[4], op.outputs[0])]
    x, features, times, state, y = (1.0 if one is None else float(one.scale[0]) for one in q)
    ratio, shift = short(x * features * times / y)
    weights = low.constant(op.inputs[1]).astype(np.int64)
    bits = min(PRECISION, int(ROOM - log2(max(1, int(np.abs(weights).sum(0).max())))))
    biases = (p["bias"].data * (state * times / y)).astype(np.float32)
    fields = {"layer": Struct("exai_svdf_layer", p), "keep": keep, "bias": Constant(biases)}
    return fields | {"ratio": ratio, "shift": shift, "bits": bits}, 4 * (-(-p["inputs"] // 4) * 4) + 8 * (
        p["filters"] + 1
    )
