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
    r = back.full(flow, op.outputs[0])
    batch = int(op.options.batchDims) % max(1, len(picked))
    if batch:
        if not back.is_dynamic(table) or axis != batch:
            why = "a gather that picks differently in each batch, from a constant or behind another axis, has no rule"
            raise back.unsupported(op, why, "gather without batches")
        width = prod(shape[axis + 1 :])
        places = _places(back, ids, prod(shape[:axis]), shape[axis])
        rows = build.reshape(r.tensor, (prod(picked), width))
        spread = _scatter_nd(back, places, rows, (prod(shape[: axis + 1]), width))
        back.give(table, Flow(build.reshape(spread, shape), r.is_factor))
        return
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
    shape, r = build.shape(x), back.full(arrived, values)
    column = build.reshape(r.tensor, (prod(build.shape(values)), 1))
    ids = _places(back, places, prod(shape[:-1]), shape[-1])
    back.give(x, Flow(build.reshape(_scatter_nd(back, ids, column, (prod(shape), 1)), shape), r.is_factor))


def _places(back: Backward, ids: int, batches: int, size: int) -> int:
    """Indices that count anew in each of several batches of ``size``, (count, 1), as places among all."""
    build = back.build
    count = prod(build.shape(ids))
    if batches == 1:
        return _whole(back, ids, (count, 1))
    first = build.const((np.arange(batches) * size).astype(np.int32).reshape(-1, 1))
    rows = _whole(back, ids, (batches, count // batches))
    places = build.op(OpKind.ADD, [rows, first], (batches, count // batches), schema.AddOptionsT(), dtype=DType.INT32)
    return _whole(back, places, (count, 1))


def _whole(back: Backward, ids: int, shape: tuple[int, ...]) -> int:
    """Indices as int32 in another shape."""
    build = back.build
    target = build.const(list(shape))
    options = schema.ReshapeOptionsT(newShape=np.array(shape, np.int32))
    column = build.op(OpKind.RESHAPE, [ids, target], shape, options, dtype=build.dtype(ids))
    return column if build.dtype(column) == DType.INT32 else build.cast(column, DType.INT32)


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
