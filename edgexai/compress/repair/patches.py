"""What a linear operator sees: rows of its output, and the inputs under the window of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Graph, Op, OpKind

ROWS = 12_288
"""Rows that a fit looks at; more make it slower and hardly better."""


@dataclass(frozen=True)
class Rows:
    """Positions in an output (N, …, channels): the index along each axis but the last."""

    at: tuple[NDArray[np.int64], ...]

    def of(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of an output at these positions, (rows, channels)."""
        return y[self.at]


def sample_rows(shape: tuple[int, ...], random: np.random.Generator, most: int = ROWS) -> Rows:
    """Random positions of an output of this shape, without repetition; all of them if they are few."""
    count = int(np.prod(shape[:-1]))
    chosen = np.sort(random.choice(count, most, replace=False)) if count > most else np.arange(count)
    return Rows(tuple(np.unravel_index(chosen, shape[:-1])))


def blocks(graph: Graph, op: Op, x: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
    """What each output's weights meet at each row: (outputs, rows, taps) if depthwise, else (1, rows, weights)."""
    found = patches(graph, op, x, rows)
    if op.kind != OpKind.DEPTHWISE_CONV_2D:
        return found.reshape(1, len(found), -1)
    multiplier = graph.tensors[op.inputs[1]].shape[3] // found.shape[2]
    return np.repeat(found, multiplier, axis=2).transpose(2, 0, 1)


def patches(graph: Graph, op: Op, x: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
    """The input values under the window of each row: (rows, taps, channels); a dense layer has one tap."""
    kernel = graph.tensors[op.inputs[1]].shape
    if op.kind == OpKind.FULLY_CONNECTED:
        return x.reshape(len(rows.at[0]), 1, kernel[1]) if len(rows.at) == 1 else x[rows.at][:, None]
    o = op.options
    out = graph.tensors[op.outputs[0]].shape
    padded = x
    taps = []
    for axis, stride, dilation, place in (
        (1, o.strideH, o.dilationHFactor, rows.at[1]),
        (2, o.strideW, o.dilationWFactor, rows.at[2]),
    ):
        span = (kernel[axis] - 1) * dilation + 1
        missing = max((out[axis] - 1) * stride + span - x.shape[axis], 0) if o.padding == 0 else 0
        widths = [(missing // 2, missing - missing // 2) if a == axis else (0, 0) for a in range(4)]
        padded = np.pad(padded, widths)
        taps.append(place[:, None] * stride + np.arange(kernel[axis]) * dilation)
    found = padded[rows.at[0][:, None, None], taps[0][:, :, None], taps[1][:, None, :]]
    return np.asarray(found.reshape(len(found), -1, x.shape[3]))
