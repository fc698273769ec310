"""Operators that join maps or take them apart: CONCATENATION, PACK, SPLIT, UNPACK."""

from itertools import pairwise

import numpy as np

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions.activation import undo_fused
from edgexai.relevance.rules import Rule


def concatenation(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Each input gets its piece."""
    build = back.build
    flow = back.full(undo_fused(back, op, flow), op.outputs[0])
    rank = len(build.shape(op.outputs[0]))
    axis = op.options.axis % rank
    edges = np.cumsum([0, *(build.shape(t)[axis] for t in op.inputs)])
    for t, (start, _) in zip(op.inputs, pairwise(edges), strict=True):
        begin = [int(start) if i == axis else 0 for i in range(rank)]
        back.give(t, Flow(build.slice(flow.tensor, begin, build.shape(t)), flow.is_factor))


def pack(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """PACK: each input gets its layer."""
    build = back.build
    flow = back.full(flow, op.outputs[0])
    shape = build.shape(op.outputs[0])
    axis = op.options.axis % len(shape)
    one = [1 if i == axis else n for i, n in enumerate(shape)]
    for k, t in enumerate(op.inputs):
        layer = build.slice(flow.tensor, [k if i == axis else 0 for i in range(len(shape))], one)
        back.give(t, Flow(build.reshape(layer, build.shape(t)), flow.is_factor))


def split(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """SPLIT takes its axis first, SPLIT_V its sizes and then its axis: the pieces are put together again."""
    axis_input, x = (0, 1) if len(op.inputs) == 2 else (2, 0)
    axis = int(back.fixed(op, axis_input, "an axis").reshape(-1)[0])
    _joined(back, op, op.inputs[x], axis, rank_grows=False)


def unpack(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """UNPACK: the layers are put together again."""
    _joined(back, op, op.inputs[0], op.options.axis, rank_grows=True)


def _joined(back: Backward, op: Op, x: int, axis: int, rank_grows: bool) -> None:
    build = back.build
    axis %= len(build.shape(x))
    flows = [back.arrived(y) for y in op.outputs]
    as_factor = all(f is None or f.is_factor for f in flows)
    pieces = []
    for y, flow in zip(op.outputs, flows, strict=True):
        shape = build.shape(y)
        if flow is None:
            piece = build.const(np.zeros(shape, np.float32))
        else:
            piece = back.full(flow, y).tensor if as_factor else back.relevance(y, back.full(flow, y))
        if rank_grows:
            piece = build.reshape(piece, (*shape[:axis], 1, *shape[axis:]))
        pieces.append(piece)
    back.give(x, Flow(build.concat(pieces, axis), as_factor))
