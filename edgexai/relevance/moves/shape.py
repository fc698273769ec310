"""Operators that only move values: relevance, or its factor, moves back the same way."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Op, OpKind
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
    order = back.fixed(op, 1, "a permutation")
    flow = back.full(flow, op.outputs[0])
    back.give(op.inputs[0], Flow(back.build.transpose(flow.tensor, np.argsort(order).tolist()), flow.is_factor))


def pad(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """PAD, PADV2: the border is cut off, what it got is relevance of a constant."""
    amounts = back.fixed(op, 1, "padding")
    flow = back.full(flow, op.outputs[0])
    shape = back.build.shape(op.inputs[0])
    back.give(op.inputs[0], Flow(back.build.slice(flow.tensor, amounts[:, 0].tolist(), shape), flow.is_factor))


def space_to_depth(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE: each is the other's way back."""
    build, x = back.build, op.inputs[0]
    flow = back.full(flow, op.outputs[0])
    block = op.options.blockSize
    if op.kind == OpKind.SPACE_TO_DEPTH:
        kind, options = OpKind.DEPTH_TO_SPACE, schema.DepthToSpaceOptionsT(blockSize=block)
    else:
        kind, options = OpKind.SPACE_TO_DEPTH, schema.SpaceToDepthOptionsT(blockSize=block)
    back.give(x, Flow(build.op(kind, [flow.tensor], build.shape(x), options), flow.is_factor))


def space_to_batch(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND (dilated convolutions): padding comes back as cropping."""
    build, x = back.build, op.inputs[0]
    flow = back.full(flow, op.outputs[0])
    block = build.const(back.fixed(op, 1, "a block").astype(np.int32))
    margin = build.const(back.fixed(op, 2, "margins").astype(np.int32))
    if op.kind == OpKind.SPACE_TO_BATCH_ND:
        kind, options = OpKind.BATCH_TO_SPACE_ND, schema.BatchToSpaceNDOptionsT()
    else:
        kind, options = OpKind.SPACE_TO_BATCH_ND, schema.SpaceToBatchNDOptionsT()
    back.give(x, Flow(build.op(kind, [flow.tensor, block, margin], build.shape(x), options), flow.is_factor))
