"""TransposeConv(s, w, stride S) -> DepthToSpace(Conv(Pad(s), w'), S), for layers with few input channels.

A transposed convolution to one or three channels leaves most lanes of a vector unit empty. Output position
i = S·a + φ only meets the taps k with k ≡ φ + padding (mod S): each phase φ is a small convolution of its own, and
all S² of them become the output channels of one (Shi et al. 2016, "Real-time single image … sub-pixel convolution").
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, OpKind
from edgexai.relevance.rules import Array
from edgexai.relevance.window import Axis, Window

LANES = 16


def pays(q: Array, window: Window) -> bool:
    """Whether all phases of all input channels fit the lanes that one of them would take."""
    stride = window.rows.stride
    return window.stride == (stride, stride) and stride > 1 and q.shape[0] * stride**2 <= LANES


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
    keep = [n + min(0, a) for n, a in zip(shape, after, strict=True)]
    s = build.slice(s, (0, 0, 0, 0), (batch, *keep, q.shape[3]))
    s = build.pad(s, [(0, 0), *((-first, max(0, a)) for first, a in zip(low, after, strict=True)), (0, 0)])
    flat = np.ascontiguousarray(kernel.reshape(-1, *size, q.shape[3]))
    phases = build.conv(s, build.weight(flat), build.const(np.zeros(len(flat), np.float32)), padding="VALID")
    shuffled = build.op(
        OpKind.DEPTH_TO_SPACE,
        [phases],
        (batch, blocks[0] * stride, blocks[1] * stride, channels),
        schema.DepthToSpaceOptionsT(blockSize=stride),
    )
    return build.slice(shuffled, (0, 0, 0, 0), (batch, window.rows.size, window.columns.size, channels))


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
