"""Operators that pick by computed indices: tables of embeddings, gathers, the k largest values.

What was picked from a map that depends on the input goes back where it came from (SCATTER_ND, the gather's transpose).
What was picked from a constant table says something about the index: a token takes the relevance of its whole row.
"""

from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import DType, Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.functions.elementwise import counted_from
from edgexai.relevance.rules import Rule


def gather(back: Backward, op: Op, flow: Flow) -> None:
    """GATHER along one axis with indices that the model computes or takes as its input."""
    build, (table, ids) = back.build, op.inputs[:2]
    shape, picked = build.shape(table), build.shape(ids)
    axis = int(op.options.axis) % max(1, len(shape))
    if op.options.batchDims:
        raise back.unsupported(
            op, "a gather that picks differently in each batch has no rule", "gather without batches"
        )
    r = back.full(flow, op.outputs[0])
    rest = prod(shape[axis + 1 :])
    if back.is_dynamic(table):
        moved = build.reshape(r.tensor, (prod(shape[:axis]), prod(picked), rest))
        moved = build.transpose(moved, (1, 0, 2)) if axis else moved
        rows = _scattered(back, ids, build.reshape(moved, (prod(picked), prod(shape[:axis]) * rest)), shape[axis])
        moved = build.reshape(rows, (shape[axis], prod(shape[:axis]), rest))
        moved = build.transpose(moved, (1, 0, 2)) if axis else moved
        back.give(table, Flow(build.reshape(moved, shape), r.is_factor))
        return
    total = build.reshape(back.relevance(op.outputs[0], r), (prod(shape[:axis]), prod(picked), rest))
    _to_ids(back, op, ids, build.sum(total, [0, 2]))


def lookup(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """EMBEDDING_LOOKUP: each index takes the relevance of its row."""
    build, (ids, table) = back.build, op.inputs
    count = prod(build.shape(ids))
    if back.is_dynamic(table):
        rows = build.reshape(back.full(flow, op.outputs[0]).tensor, (count, prod(build.shape(table)[1:])))
        spread = _scattered(back, ids, rows, build.shape(table)[0])
        back.give(table, Flow(build.reshape(spread, build.shape(table)), flow.is_factor))
        return
    r = back.relevance(op.outputs[0], back.full(flow, op.outputs[0]))
    _to_ids(back, op, ids, build.sum(build.reshape(r, (count, prod(build.shape(table)[1:]))), [1]))


def _to_ids(back: Backward, op: Op, ids: int, rows: int) -> None:
    """The relevance of rows of a constant table (count,) to what chose them, each by its own."""
    chose = counted_from(back, ids)
    if chose is None:
        back.stops(op, "it looks up what was counted or chosen, not what came in")
        return
    back.give(chose, Flow(back.build.reshape(rows, back.build.shape(chose)), is_factor=False))


def gather_nd(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """GATHER_ND: back to where it was picked from."""
    build, (table, ids) = back.build, op.inputs
    if not back.is_dynamic(table):
        back.stops(op, "it looks up a constant")
        return
    r = back.full(flow, op.outputs[0])
    back.give(table, Flow(_scatter_nd(back, ids, r.tensor, build.shape(table)), r.is_factor))


def scatter_nd(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """SCATTER_ND: each update takes what arrived where it was put."""
    build, (ids, updates) = back.build, op.inputs[:2]
    r = back.full(flow, op.outputs[0])
    shape = build.shape(updates)
    gathered = build.op(OpKind.GATHER_ND, [r.tensor, ids], shape, schema.GatherNdOptionsT())
    back.give(updates, Flow(gathered, r.is_factor))


def largest(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """TOPK_V2: each of the k largest values back to its place."""
    build, x, (values, places) = back.build, op.inputs[0], op.outputs
    arrived = back.arrived(values)
    if arrived is None:
        back.stops(op, "only the order of its values is used")
        return
    shape = build.shape(x)
    if prod(shape[:-1]) != 1:
        raise back.unsupported(op, "the largest values of several rows have no rule", "use it on one row")
    r = back.full(arrived, values)
    column = build.reshape(r.tensor, (prod(build.shape(values)), 1))
    ids = build.op(
        OpKind.RESHAPE,
        [places, build.const([prod(build.shape(values))])],
        (prod(build.shape(values)),),
        schema.ReshapeOptionsT(newShape=np.array([prod(build.shape(values))], np.int32)),
        dtype=DType.INT32,
    )
    back.give(x, Flow(build.reshape(_scattered(back, ids, column, shape[-1]), shape), r.is_factor))


def _scattered(back: Backward, ids: int, rows: int, size: int) -> int:
    """(count, width) -> (size, width): every row added where its index says."""
    build = back.build
    count, width = build.shape(rows)
    options = schema.ReshapeOptionsT(newShape=np.array([count, 1], np.int32))
    column = build.op(OpKind.RESHAPE, [ids, build.const([count, 1])], (count, 1), options, dtype=build.dtype(ids))
    return _scatter_nd(back, column, rows, (size, width))


def _scatter_nd(back: Backward, ids: int, updates: int, shape: tuple[int, ...]) -> int:
    build = back.build
    constant = back.constant(ids) if ids < len(back.graph.tensors) else None
    if constant is not None:
        ids = build.const(constant.array.astype(np.int32))
    elif build.dtype(ids) != DType.INT32:
        ids = build.cast(ids, DType.INT32)
    target = build.const([int(n) for n in shape])
    return build.op(OpKind.SCATTER_ND, [ids, updates, target], shape, schema.ScatterNdOptionsT())
