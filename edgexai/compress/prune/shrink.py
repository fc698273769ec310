"""Channels out: Graph -> Graph that is physically smaller; the bits of what stays are not touched."""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.channels.coupling import Coupling
from edgexai.graph import Graph, Op, OpKind, Quantization, Tensor, verify

Keep = NDArray[np.bool_]
LINEAR = (OpKind.CONV_2D, OpKind.FULLY_CONNECTED)


def shrink(graph: Graph, coupling: Coupling, keep: Keep) -> Graph:
    """The graph without the channels whose label is False in ``keep`` (one entry for each label of the coupling)."""
    tensors = list(graph.tensors)
    for t, line in coupling.lines.items():
        tensors[t] = sliced(tensors[t], {line.axis: keep[line.labels]})
    shared: dict[Any, int] = {}
    ops = [_op(graph, i, coupling, keep, tensors, shared) for i in range(len(graph.ops))]
    small = compact(replace(graph, tensors=tuple(tensors), ops=tuple(ops)))
    verify(small)
    return small


def compact(graph: Graph) -> Graph:
    """The graph without tensors that nothing uses."""
    used = sorted(
        {t for op in graph.ops for t in (*op.inputs, *op.outputs, *_intermediates(op)) if t >= 0}
        | {*graph.inputs, *graph.outputs}
    )
    new = {t: n for n, t in enumerate(used)} | {-1: -1}
    signatures = tuple(_renumbered(s, new) for s in graph.signatures)
    return replace(
        graph,
        tensors=tuple(graph.tensors[t] for t in used),
        ops=tuple(
            replace(
                op,
                inputs=tuple(new[t] for t in op.inputs),
                outputs=tuple(new[t] for t in op.outputs),
                rest=_with_intermediates(op, new),
            )
            for op in graph.ops
        ),
        inputs=tuple(new[t] for t in graph.inputs),
        outputs=tuple(new[t] for t in graph.outputs),
        signatures=signatures,
    )


def _intermediates(op: Op) -> tuple[int, ...]:
    """Tensors that a fused operator names for the scales within it (an int8 LSTM's gates), and nobody reads."""
    listed = getattr(op.rest, "intermediates", None)
    return () if listed is None else tuple(int(t) for t in listed)


def _with_intermediates(op: Op, new: Mapping[int, int]) -> Any:
    if not _intermediates(op):
        return op.rest
    rest = copy(op.rest)
    rest.intermediates = [new[t] for t in _intermediates(op)]
    return rest


def _renumbered(signature: Any, new: Mapping[int, int]) -> Any:
    signature = copy(signature)
    for side in ("inputs", "outputs"):
        maps = [copy(m) for m in getattr(signature, side) or ()]
        for m in maps:
            m.tensorIndex = new.get(m.tensorIndex, m.tensorIndex)
        setattr(signature, side, maps)
    return signature


def sliced(tensor: Tensor, keep: Mapping[int, Keep]) -> Tensor:
    """A tensor with what ``keep`` leaves along each axis; constants and scales along the axis are cut with it."""
    shape = tuple(int(keep[a].sum()) if a in keep else n for a, n in enumerate(tensor.shape))
    if shape == tensor.shape:
        return tensor
    data = tensor.data
    if data is not None:
        array = tensor.array
        for axis, mask in keep.items():
            array = array.compress(mask, axis)
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return replace(
        tensor, shape=shape, data=data, quantization=_scales(tensor.quantization, keep), rest=_unsigned(tensor.rest)
    )


def _scales(quantization: Quantization | None, keep: Mapping[int, Keep]) -> Quantization | None:
    if quantization is None or quantization.scale.size == 1 or quantization.axis not in keep:
        return quantization
    mask = keep[quantization.axis]
    return replace(quantization, scale=quantization.scale[mask], zero_point=quantization.zero_point[mask])


def _unsigned(rest: Any) -> Any:
    """The schema's object without the shape's signature, which no longer fits."""
    if rest is not None and getattr(rest, "shapeSignature", None) is not None:
        rest = copy(rest)
        rest.shapeSignature = None
    return rest


def _op(graph: Graph, i: int, coupling: Coupling, keep: Keep, tensors: list[Tensor], shared: dict[Any, int]) -> Op:
    """The operator with its constants cut; ``shared`` are those that another one has cut the same way already."""
    op = graph.ops[i]
    line = coupling.line_of(op)
    out = None if line is None else keep[line.labels]
    if op.kind in LINEAR:
        cuts: dict[int, dict[int, Keep]] = {1: {}, 2: {}}
        if out is not None:
            cuts[1][0] = cuts[2][0] = out
        if i in coupling.reads:
            cuts[1][len(graph.tensors[op.inputs[1]].shape) - 1] = keep[coupling.reads[i]]
    elif op.kind == OpKind.TRANSPOSE_CONV:
        cuts = {1: {}, 3: {}}
        if out is not None:
            cuts[1][0] = cuts[3][0] = out
        if i in coupling.reads:
            cuts[1][3] = keep[coupling.reads[i]]
            op = _shaped(op, tensors)
    elif op.kind == OpKind.DEPTHWISE_CONV_2D and out is not None:
        cuts = {1: {3: out}, 2: {0: out}}
        op = _multiplied(op, tensors)
    elif op.kind == OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM and out is not None:
        cuts = {n: {0: out, 1: keep[coupling.reads[i]]} for n in range(1, 5)}
        cuts |= {n: {0: out, 1: out} for n in range(5, 9)} | {n: {0: out} for n in range(12, 16)}
    elif op.kind == OpKind.RESHAPE:
        return _reshape(op, tensors)
    elif op.kind == OpKind.SLICE and line is not None:
        return _slice(op, line.axis, tensors)
    elif line is not None and out is not None and op.kind not in SHAPED:
        rank, length = len(graph.tensors[op.outputs[0]].shape), len(line.labels)
        cuts = {}
        for n, t in enumerate(op.inputs):
            shape = graph.tensors[t].shape if t >= 0 else ()
            axis = line.axis - rank + len(shape)  # broadcasting aligns the last axes
            if t >= 0 and graph.tensors[t].is_constant and axis >= 0 and shape[axis] == length:
                cuts[n] = {axis: out}
    else:
        return op
    inputs = list(op.inputs)
    for n, cut in cuts.items():
        if cut and n < len(inputs) and inputs[n] >= 0:
            key = (inputs[n], tuple((axis, mask.tobytes()) for axis, mask in cut.items()))
            if key not in shared:
                tensors.append(sliced(graph.tensors[inputs[n]], cut))
                shared[key] = len(tensors) - 1
            inputs[n] = shared[key]
    return replace(op, inputs=tuple(inputs))


SHAPED = frozenset(
    {OpKind.PAD, OpKind.PADV2, OpKind.MEAN, OpKind.SUM, OpKind.TRANSPOSE, OpKind.CONCATENATION, OpKind.EXPAND_DIMS}
    | {OpKind.SPLIT}
)
"""Operators whose constants are axes and amounts, not values along the channels."""


def _shaped(op: Op, tensors: list[Tensor]) -> Op:
    """A transposed convolution whose first input says what shape is left."""
    shape = np.array(tensors[op.outputs[0]].shape, np.int32)
    if np.array_equal(tensors[op.inputs[0]].array, shape):
        return op
    tensors.append(replace(tensors[op.inputs[0]], data=shape.view(np.uint8)))
    return replace(op, inputs=(len(tensors) - 1, *op.inputs[1:]))


def _reshape(op: Op, tensors: list[Tensor]) -> Op:
    target = np.array(tensors[op.outputs[0]].shape, np.int32)
    options = copy(op.options)
    if options is not None:
        options.newShape = target
    if len(op.inputs) < 2 or not tensors[op.inputs[1]].is_constant:
        return replace(op, options=options)
    old = tensors[op.inputs[1]]
    tensors.append(replace(old, data=target.view(np.uint8)))
    return replace(op, inputs=(op.inputs[0], len(tensors) - 1), options=options)


def _multiplied(op: Op, tensors: list[Tensor]) -> Op:
    """A depthwise convolution whose multiplier is that of the channels that are left."""
    options = copy(op.options)
    options.depthMultiplier = tensors[op.outputs[0]].shape[3] // tensors[op.inputs[0]].shape[3]
    return replace(op, options=options)


def _slice(op: Op, axis: int, tensors: list[Tensor]) -> Op:
    """A slice that takes the whole of an axis takes the whole of what is left."""
    sizes = tensors[op.inputs[2]]
    values = sizes.array.copy()
    values[axis] = -1
    tensors.append(replace(sizes, data=np.ascontiguousarray(values).view(np.uint8)))
    return replace(op, inputs=(*op.inputs[:2], len(tensors) - 1))
