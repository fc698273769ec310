"""Operators that only move values: relevance, or its factor, moves back the same way."""

from itertools import pairwise

import numpy as np

from edgexai.graph import Op
from edgexai.relevance.activation import undo_fused
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.rules import Rule


def reshape(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS."""
    x, y = op.inputs[0], op.outputs[0]
    build = back.build
    there, here = build.shape(y), build.shape(x)
    if build.shape(flow.tensor) != there and there[-1] == here[-1]:
        back.give(x, Flow(build.reshape(flow.tensor, (*here[:-1], 1)), flow.is_factor))
        return
    flow = back.full(flow, y)
    back.give(x, Flow(build.reshape(flow.tensor, here), flow.is_factor))


def transpose(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """TRANSPOSE: the inverse permutation."""
    order = _constant(back, op, 1, "a permutation")
    flow = back.full(flow, op.outputs[0])
    back.give(op.inputs[0], Flow(back.build.transpose(flow.tensor, np.argsort(order).tolist()), flow.is_factor))


def pad(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """PAD, PADV2: the border is cut off, what it got is relevance of a constant."""
    amounts = _constant(back, op, 1, "padding")
    flow = back.full(flow, op.outputs[0])
    shape = back.build.shape(op.inputs[0])
    back.give(op.inputs[0], Flow(back.build.slice(flow.tensor, amounts[:, 0].tolist(), shape), flow.is_factor))


def concatenation(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """CONCATENATION: each input gets its piece."""
    build = back.build
    flow = back.full(undo_fused(back, op, flow), op.outputs[0])
    rank = len(build.shape(op.outputs[0]))
    axis = op.options.axis % rank
    edges = np.cumsum([0, *(build.shape(t)[axis] for t in op.inputs)])
    for t, (start, _) in zip(op.inputs, pairwise(edges), strict=True):
        begin = [int(start) if i == axis else 0 for i in range(rank)]
        back.give(t, Flow(build.slice(flow.tensor, begin, build.shape(t)), flow.is_factor))


def _constant(back: Backward, op: Op, position: int, what: str) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    tensor = back.constant(op.inputs[position])
    if tensor is None:
        raise back.unsupported(op, f"{what} that is computed has no rule", "make it a constant")
    return tensor.array.astype(np.int64)
