"""TransposeConv(s, w, stride S) -> DepthToSpace(Conv(s, w'), S), for layers with few input channels.

A transposed convolution to one or three channels leaves most lanes of a vector unit empty. Output position
i = S·a + φ only meets the taps k with k ≡ φ + padding (mod S): each phase φ is a small convolution of its own, and
all S² of them become the output channels of one (Shi et al. 2016, "Real-time single image … sub-pixel convolution").
Where lanes are still empty, the taps of one axis become output channels too, and a second convolution adds them up.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, OpKind
from edgexai.graph.builder import Padding
from edgexai.relevance.layers import zeros
from edgexai.relevance.reading.window import Axis, Window
from edgexai.relevance.rules import Array

LANES = 16


def pays(q: Array, window: Window, integer: bool) -> bool:
    """Whether all phases of all input channels fit the lanes that one of them would take.

    Always for ``integer``: there is no fast TRANSPOSE_CONV of integers.
    """
    stride = window.rows.stride
    return window.stride == (stride, stride) and (integer or q.shape[0] * stride**2 <= LANES)


def transpose_conv(build: Builder, s: int, q: Array, window: Window) -> int:
    """Transposed convolution of s (1, rows', columns', out), kernel (in, h, w, out), to (1, rows, columns, in)."""
    stride, channels = window.rows.stride, q.shape[0]
    taps = [_taps(axis) for axis in (window.rows, window.columns)]
    low, high = ([f(o for phase in axis for _, o in phase) for axis in taps] for f in (min, max))
    size = [b - a + 1 for a, b in zip(low, high, strict=True)]
    kernel = np.zeros((stride, stride, channels, *size, q.shape[3]), q.dtype)
    for down, rows in enumerate(taps[0]):
        for right, columns in enumerate(taps[1]):
            for k, o in rows:
                for m, p in columns:
                    kernel[down, right, :, o - low[0], p - low[1]] = q[:, k, m]
    batch, *shape, _ = build.shape(s)
    blocks = [-(-axis.size // stride) for axis in (window.rows, window.columns)]
    after = [n + t - 1 - have + first for n, t, have, first in zip(blocks, size, shape, low, strict=True)]
    s, padding = zeros.around(build, s, [(-first, a) for first, a in zip(low, after, strict=True)], size)
    phases = narrow_conv(build, s, np.ascontiguousarray(kernel.reshape(-1, *size, q.shape[3])), padding)
    if stride > 1:
        shuffled = (batch, blocks[0] * stride, blocks[1] * stride, channels)
        options = schema.DepthToSpaceOptionsT(blockSize=stride)
        phases = build.op(OpKind.DEPTH_TO_SPACE, [phases], shuffled, options)
    return build.slice(phases, (0, 0, 0, 0), (batch, window.rows.size, window.columns.size, channels))


def narrow_conv(build: Builder, s: int, kernel: Array, padding: Padding) -> int:
    """A convolution of stride 1, kernel (out, h, w, in), in two steps where few output channels leave lanes empty."""
    out, wide = kernel.shape[0], kernel.shape[3]
    axis = 1 if kernel.shape[1] > kernel.shape[2] and out * kernel.shape[1] <= LANES else 2
    taps, others = kernel.shape[axis], kernel.shape[3 - axis]
    direct = taps * others * wide * _lanes(out)
    in_two = others * wide * _lanes(out * taps) + taps * taps * out * _lanes(out)
    if 3 * in_two > 2 * direct:
        return _conv(build, s, kernel, padding)
    first = np.moveaxis(kernel, axis, 0).reshape(taps * out, 1, others, wide)
    second = np.eye(taps * out, dtype=np.int8).reshape(taps, out, 1, taps * out).transpose(1, 2, 0, 3)
    if axis == 2:
        first = first.swapaxes(1, 2)
    else:
        second = second.swapaxes(1, 2)
    return _conv(build, _conv(build, s, first, padding), second, padding)


def _conv(build: Builder, s: int, kernel: Array, padding: Padding) -> int:
    bias = build.const(np.zeros(len(kernel), np.float32))
    return build.conv(s, build.weight(np.ascontiguousarray(kernel)), bias, padding=padding)


def _lanes(channels: int) -> int:
    return -(-channels // LANES) * LANES


def _taps(axis: Axis) -> list[list[tuple[int, int]]]:
    """For each phase, its taps k and where they look: output a + o for input position stride · a + phase."""
    return [
        [
            (k, (phase + axis.before - k) // axis.stride)
            for k in range(axis.kernel)
            if (phase + axis.before - k) % axis.stride == 0
        ]
        for phase in range(axis.stride)
    ]
