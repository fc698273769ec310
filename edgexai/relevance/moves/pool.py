"""AVERAGE_POOL_2D: each input by its share of the mean. MAX_POOL_2D: the winner takes all, equals share.
L2_POOL_2D: each input by its share of the sum of squares.
"""

from copy import copy

import numpy as np

from edgexai.graph import Op
from edgexai.graph.builder import Padding
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions.activation import undo_fused
from edgexai.relevance.layers.depthwise import spread
from edgexai.relevance.moves.extremum import reaches
from edgexai.relevance.reading.questions import fused_activation
from edgexai.relevance.reading.window import Window
from edgexai.relevance.rules import Rule


def average(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R_i = x_i / Σ x · R over each window (zennit's Norm)."""
    build, x = back.build, op.inputs[0]
    window = _window(back, op)
    s = back.over_output(op, back.full(flow, op.outputs[0]), rule.stabilizer)
    back.give(x, Flow(_over_window(back, build.mul(s, _inverse_counts(back, window)), window), is_factor=True))


def square(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """R_i = x_i² / Σ x² · R over each window, y² being Σ x² / n."""
    build, x, y = back.build, op.inputs[0], op.outputs[0]
    window, root = _window(back, op), back.value(y)
    r = back.relevance(y, back.full(undo_fused(back, op, flow), y))
    s = build.div(r, back.stabilized(build.mul(root, root), rule.stabilizer, sign=1))
    s = _over_window(back, build.mul(s, _inverse_counts(back, window)), window)
    back.give(x, Flow(build.mul(back.value(x), s), is_factor=True))


def _inverse_counts(back: Backward, window: Window) -> int:
    """1 / n of the inputs that each output sees."""
    counts = window.counts()
    uneven = bool(np.ptp(counts))
    return back.build.const(1 / counts[:, :, None] if uneven else 1 / float(counts.flat[0]))


def _over_window(back: Backward, s: int, window: Window) -> int:
    """Each output's value to every input of its window, summed where windows overlap."""
    if window.tiles:
        return _upsampled(back, s, window)
    rows, columns = window.rows.size, window.columns.size
    if window.counts().tolist() == [[rows * columns]]:  # the whole map
        return back.build.mul(s, back.build.weight(np.ones((1, rows, columns, 1), np.int8)))
    channels = back.build.shape(s)[-1]
    ones = np.ones((1, window.rows.kernel, window.columns.kernel, channels), np.int8)
    return spread(back.build, s, ones, window, channels)


def maximum(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """The gradient of the maximum times R; inputs that are equally large share it equally."""
    build, x = back.build, op.inputs[0]
    window = _window(back, op)
    flow = undo_fused(back, op, flow)
    flow = back.full(flow, op.outputs[0])
    value, top = back.value(x), _largest(back, op)
    if window.tiles:
        wins = reaches(back, op, _upsampled(back, top, window), value)
        channels = build.shape(x)[-1]
        ones = build.weight(np.ones((1, window.rows.kernel, window.columns.kernel, channels), np.int8))
        zeros = build.const(np.zeros(channels, np.float32))
        winners = build.depthwise(wins, ones, zeros, window.stride, "VALID")
        share = _upsampled(back, build.div(flow.tensor, winners), window)
        back.give(x, Flow(build.mul(wins, share), flow.is_factor))
        return
    _overlapping(back, op, flow, window, value, top)


def _largest(back: Backward, op: Op) -> int:
    """What inputs are compared with: the output as it was before a fused activation cut it off."""
    if fused_activation(op) == 0:
        return back.value(op.outputs[0])
    options = copy(op.options)
    options.fusedActivationFunction = 0
    return back.build.op(op.kind, [back.value(op.inputs[0])], back.build.shape(op.outputs[0]), options)


def _overlapping(back: Backward, op: Op, flow: Flow, window: Window, value: int, top: int) -> None:
    """Tap by tap: which inputs under this tap of the window are the maximum, and what they get."""
    build, x = back.build, op.inputs[0]
    channels = build.shape(x)[-1]
    height, width = window.rows.kernel, window.columns.kernel
    padding: Padding = "SAME" if op.options.padding == 0 else "VALID"
    wins = []
    for k in range(height * width):
        pick = np.zeros((1, height, width, channels), np.float32)
        pick[0, k // width, k % width] = 1
        inside = np.outer(window.rows.inside()[:, k // width], window.columns.inside()[:, k % width])[..., None]
        zeros = build.const(np.zeros(channels, np.float32))
        tap = build.depthwise(value, build.weight(pick), zeros, window.stride, padding)
        win = reaches(back, op, top, tap)
        wins.append((pick, win if inside.all() else build.mul(win, build.const(inside))))
    winners = wins[0][1]
    for _, win in wins[1:]:
        winners = build.add(winners, win)
    share = build.div(flow.tensor, winners)
    total = None
    for pick, win in wins:
        r = spread(build, build.mul(win, share), pick, window, channels)
        total = r if total is None else build.add(total, r)
    assert total is not None
    back.give(x, Flow(total, flow.is_factor))


def _window(back: Backward, op: Op) -> Window:
    return Window.of(op, back.build.shape(op.inputs[0]), (op.options.filterHeight, op.options.filterWidth))


def _upsampled(back: Backward, s: int, window: Window) -> int:
    """Each value repeated over its window; by broadcasting, which every fast kernel knows."""
    build = back.build
    height, width = window.rows.kernel, window.columns.kernel
    batch, rows, columns, channels = build.shape(s)
    if width > 1:
        s = build.reshape(s, (batch * rows, columns, 1, channels))
        s = build.mul(s, build.const(np.ones((1, 1, width, 1), np.float32)))
        columns *= width
    if height > 1:
        s = build.reshape(s, (batch * rows, 1, columns, channels))
        s = build.mul(s, build.const(np.ones((1, height, 1, 1), np.float32)))
        rows *= height
    return build.reshape(s, (batch, rows, columns, channels))
