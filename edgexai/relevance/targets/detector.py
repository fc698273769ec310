"""target="box": a detector's best box, its n-th, or one that an input names; the score of its class, or one edge.

    "box"   "box(2)"   "box(input)"   "box.top"   "box(2).left" …

Detectors are told apart by how they end: a table with a row for each candidate box,

- of SSD and EfficientDet, in front of TFLite_Detection_PostProcess: offsets (ty, tx, th, tw) from anchors, and classes;
- of BlazeFace and its like: an output of offsets (x, y, w, h, …) and one of scores;
- of YOLO: (x, y, w, h, objectness, classes …) in rows, or (x, y, w, h, classes …) in columns;
- of MoveNet: (y, x, score) of each joint, which counts as a box without a size.

A class is explained by its logit. An edge is explained against that of the anchor, or against zero: by how much each
number of the row moves it. In SSD that is, of the top, ty · h_a / s_y and -(h - h_a) / 2, which add up to the distance.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from edgexai.errors import ConfigError
from edgexai.graph import Builder, DType, Graph, Op, OpKind
from edgexai.relevance.backward import Flow
from edgexai.relevance.reading.questions import consistent
from edgexai.relevance.targets import onehot

EDGES = ("top", "left", "bottom", "right")
GRAMMAR = re.compile(rf"box(?:\((\d+|input)\))?(?:\.({'|'.join(EDGES)}))?")
POSTPROCESS = "TFLite_Detection_PostProcess"


@dataclass(frozen=True)
class Found:
    """Where relevance starts, with which flow, the class of the box, and the number that is explained."""

    tensor: int
    flow: Flow
    target: int
    score: int


@dataclass(frozen=True)
class Rows:
    """A table (rows, width) of a model's output ``tensor``: which of its columns say what; ``turned`` if transposed."""

    tensor: int
    rows: int
    width: int
    turned: bool = False


def asked(target: str | int) -> bool:
    return isinstance(target, str) and target.startswith("box")


def ends_in_boxes(graph: Graph) -> bool:
    """Whether what the model predicts are boxes after suppression, of which the largest number says nothing."""
    return any(op.custom == POSTPROCESS and any(t in graph.outputs for t in op.outputs) for op in graph.ops)


def box(graph: Graph, build: Builder, target: str, logits_of: Callable[[Graph, int], int]) -> Found:
    """Append what finds the box; ConfigError if the model is no detector that is known, or the target is misspelt."""
    match = GRAMMAR.fullmatch(target)
    if match is None:
        raise ConfigError(f"target {target!r} is no box; write box, box(2), box(input), box.top, box(2).left …")
    which = match[1] or "0"
    edge = match[2]
    index = build.input("box", (1,), DType.INT32) if which == "input" else int(which)
    for op in graph.ops:
        if op.custom == POSTPROCESS and any(t in graph.outputs for t in op.outputs):
            with consistent(graph, op):
                return _postprocessed(
                    graph, build, op, index, is_input=which == "input", edge=edge, logits_of=logits_of
                )
    return _raw(graph, build, index, which == "input", edge, logits_of)


# --- SSD, EfficientDet


def _postprocessed(
    graph: Graph,
    build: Builder,
    op: Op,
    index: int,
    *,
    is_input: bool,
    edge: str | None,
    logits_of: Callable[[Graph, int], int],
) -> Found:
    options = _options(op)
    offsets, scores, anchors = op.inputs
    count = prod(build.shape(offsets)) // 4
    classes = prod(build.shape(scores)) // count
    table = graph.tensors[anchors]
    if not table.is_constant:
        raise ConfigError("the detector's anchors are computed; only constant ones are known")
    if not is_input and index >= int(options.get("max_detections", 10)):
        raise ConfigError(f"the detector finds at most {options['max_detections']} boxes; box({index}) is none of them")
    scale = np.array([options.get(f"{axis}_scale", 1.0) for axis in "yxhw"], np.float32)
    anchor = np.asarray(table.real, np.float32).reshape(count, 4)
    t = build.reshape(build.dequantize(offsets), (count, 4))
    moved = build.mul(build.slice(t, (0, 0), (count, 2)), build.const(anchor[:, 2:] / scale[:2]))
    raw_size = build.mul(build.slice(t, (0, 2), (count, 2)), build.const(1 / scale[2:]))
    size = build.mul(build.op(OpKind.EXP, [raw_size], (count, 2), schema.ExpOptionsT()), build.const(anchor[:, 2:]))
    center, half = build.add(moved, build.const(anchor[:, :2])), build.mul(size, build.const(0.5))
    corners = build.concat([build.sub(center, half), build.add(center, half)], 1)
    here = build.reshape(_entry(build, op.outputs[0], index, is_input, (1, 1, 4)), (1, 4))
    apart = build.sub(corners, here)
    distance = build.reshape(build.sum(build.mul(apart, apart), [1]), (1, count))
    row = build.argmax(build.mul(distance, build.const(-1.0)))
    named = build.reshape(_entry(build, op.outputs[1], index, is_input, (1, 1)), (1,))
    chosen = build.cast(named, DType.INT32)
    rows = build.reshape(onehot.computed(build, row, count), (count, 1))
    if edge is None:
        logits = logits_of(graph, scores)
        background = classes - int(options.get("num_classes", classes))
        shifted = build.op(
            OpKind.ADD, [chosen, build.const([background])], (1,), schema.AddOptionsT(), dtype=DType.INT32
        )
        weights = build.mul(rows, onehot.computed(build, shifted, classes))
        return _from_weights(build, logits, weights, chosen)
    side = EDGES.index(edge)
    axis, sign = side % 2, -0.5 if side < 2 else 0.5
    one = np.eye(2, dtype=np.float32)[axis]
    grown = build.mul(build.sub(size, build.const(anchor[:, 2:])), build.const(sign * one))
    parts = build.concat([build.mul(moved, build.const(one)), grown], 1)
    r = build.mul(parts, rows)
    score = build.reshape(build.sum(r, [0, 1]), (1,))
    return Found(offsets, Flow(build.reshape(r, build.shape(offsets)), is_factor=False), chosen, score)


def _options(op: Op) -> dict[str, Any]:
    """What the post-processing was told, as a map of flexbuffers."""
    told = getattr(op.rest, "customOptions", None)
    try:
        options = flexbuffers.Loads(bytearray(told)) if told is not None else {}
    except (struct.error, RecursionError, UnicodeDecodeError, NotImplementedError) as error:
        raise ValueError("the options of the post-processing are broken") from error
    if not isinstance(options, dict):
        raise ValueError("the options of the post-processing are no map")
    return options


def _entry(build: Builder, t: int, index: int, is_input: bool, shape: tuple[int, ...]) -> int:
    """One detection of an output (1, detections, …) of the post-processing, whose shape the file does not say."""
    if is_input:
        return build.op(OpKind.GATHER, [t, index], shape, schema.GatherOptionsT(axis=1))
    begin = [0, index, 0][: len(shape)]
    inputs = [t, build.const(begin), build.const(list(shape))]
    return build.op(OpKind.SLICE, inputs, shape, schema.SliceOptionsT())


# --- BlazeFace, YOLO, MoveNet


def _raw(
    graph: Graph, build: Builder, index: int, is_input: bool, edge: str | None, logits_of: Callable[[Graph, int], int]
) -> Found:
    scores, boxes, first, (x, y, w, h), objectness = _layout(graph, logits_of)
    table = _table(build, scores)
    classes = build.slice(table, (0, first), (scores.rows, scores.width - first))
    if objectness is not None:
        sure = build.mul(classes, build.slice(table, (0, objectness), (scores.rows, 1)))
    else:
        sure = classes
    axis = build.const([1])
    best = build.op(OpKind.REDUCE_MAX, [sure, axis], (scores.rows,), schema.ReducerOptionsT())
    row = index if is_input else _nth(build, build.reshape(best, (1, scores.rows)), index)
    rows = build.reshape(onehot.computed(build, row, scores.rows), (scores.rows, 1))
    chosen = build.argmax(build.reshape(build.sum(build.mul(sure, rows), [0]), (1, scores.width - first)))
    if edge is None:
        columns = onehot.computed(build, chosen, scores.width - first)
        weights = build.mul(rows, build.pad(columns, [(0, 0), (first, 0)]))
        return _from_weights(build, scores.tensor, _back(build, scores, weights), chosen)
    column = np.zeros((1, boxes.width), np.float32)
    place, size = (y, h) if edge in ("top", "bottom") else (x, w)
    column[0, place] = 1
    if size is not None:
        column[0, size] = -0.5 if edge in ("top", "left") else 0.5
    weights = build.mul(rows, build.const(column))
    return _from_weights(build, boxes.tensor, _back(build, boxes, weights), chosen)


Columns = tuple[int, int, int | None, int | None]


def _layout(graph: Graph, logits_of: Callable[[Graph, int], int]) -> tuple[Rows, Rows, int, Columns, int | None]:
    """Scores, boxes, the first class among the scores' columns, the columns of x, y, w, h, and of objectness."""
    shapes = {t: tuple(n for n in graph.tensors[t].shape if n != 1) for t in graph.outputs}
    tables = {t: graph.tensors[t].shape for t in graph.outputs if len(graph.tensors[t].shape) == 3}
    by_rows: dict[int, list[int]] = {}
    for t, shape in tables.items():
        by_rows.setdefault(shape[1], []).append(t)
    for count, pair in by_rows.items():
        if len(pair) == 2 and count > 1:
            narrow, wide = sorted(pair, key=lambda t: (tables[t][2] == 4, tables[t][2]))
            if tables[wide][2] >= 4:
                scores = logits_of(graph, narrow)
                return (
                    Rows(scores, count, tables[narrow][2]),
                    Rows(wide, count, tables[wide][2]),
                    0,
                    (0, 1, 2, 3),
                    None,
                )
    for t, left in shapes.items():
        if len(left) == 2 and left[1] == 3 and left[0] > 3:  # joints
            joints = Rows(t, left[0], 3)
            return joints, joints, 2, (1, 0, None, None), None
        if len(left) == 2 and left[0] > left[1] > 5:
            yolo = Rows(t, left[0], left[1])
            return yolo, yolo, 5, (0, 1, 2, 3), 4
        if len(left) == 2 and 4 < left[0] < left[1]:
            yolo = Rows(t, left[1], left[0], turned=True)
            return yolo, yolo, 4, (0, 1, 2, 3), None
    given = ", ".join(str(graph.tensors[t].shape) for t in graph.outputs)
    raise ConfigError(f'target "box" needs a detector; outputs of shape {given} are no boxes that are known')


def _table(build: Builder, rows: Rows) -> int:
    value = build.dequantize(rows.tensor)
    if rows.turned:
        return build.transpose(build.reshape(value, (rows.width, rows.rows)), (1, 0))
    return build.reshape(value, (rows.rows, rows.width))


def _back(build: Builder, rows: Rows, weights: int) -> int:
    return build.transpose(weights, (1, 0)) if rows.turned else weights


def _nth(build: Builder, values: int, index: int) -> int:
    """Where the (index + 1)-th largest of values (1, count) is."""
    count = build.shape(values)[1]
    if index >= count:
        raise ConfigError(f"the detector has {count} candidates; box({index}) is none of them")
    if index == 0:
        return build.argmax(values)
    k = index + 1
    _, places = build.several_typed(
        OpKind.TOPK_V2, [values, build.const(np.array(k, np.int32))], [((1, k), DType.FLOAT32), ((1, k), DType.INT32)]
    )
    inputs = [places, build.const([0, index]), build.const([1, 1])]
    last = build.op(OpKind.SLICE, inputs, (1, 1), schema.SliceOptionsT(), 2, dtype=DType.INT32)
    options = schema.ReshapeOptionsT(newShape=np.array([1], np.int32))
    return build.op(OpKind.RESHAPE, [last, build.const([1])], (1,), options, dtype=DType.INT32)


def _from_weights(build: Builder, tensor: int, weights: int, chosen: int) -> Found:
    shape = build.shape(tensor)
    factor = build.reshape(weights, shape)
    value = build.reshape(build.mul(build.dequantize(tensor), factor), (1, prod(shape)))
    return Found(tensor, Flow(factor, is_factor=True), chosen, build.reshape(build.sum(value, [1]), (1,)))
