"""quantize: float Graph -> integer int8 Graph by the rules of TFLite's int8 specification, without TensorFlow.

Weights symmetric (a scale a channel for convolutions), maps asymmetric by the range that samples show, biases
int32 with the product of both scales. Operators without an int8 form (`forms.py`), and those whose form the runtime
refuses, stay in float between DEQUANTIZE and QUANTIZE.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.checks import of_type
from edgexai.compress.measure.execute import Samples, fed, forward, try_out
from edgexai.compress.prune.shrink import compact
from edgexai.compress.quantize.forms import LAYERS, SAME_SCALE, has_integers, version
from edgexai.compress.quantize.scales import Ports, Range, Scales, asymmetric
from edgexai.errors import DataError, ModelError, UnsupportedOperator
from edgexai.graph import DType, Graph, Model, Op, OpKind, Quantization, Tensor, plain_of, verify

CHUNK = 64
INTEGERS = (DType.INT8, DType.UINT8, DType.INT16)
SHARE = 0.9999
"""Of a map's values that its range must hold, of every `CHUNK` samples: what lies beyond is so rare that a finer step
for all others is worth more. A model that gives a map back (a decoder, a mask) is asked for every value: there, all."""


def quantize(graph: Model, samples: Samples, ports: Ports | None = None) -> Graph:
    """The float32 graph in int8, input and output included; `in_float` says what of it stays in float.

    ``samples`` (N, …) set the ranges: one array, or of several inputs a list in their order or a dict by their
    names. ``ports`` gives inputs and outputs the quantization that they must have. The
    result was loaded and run by the runtime once. Raises DataError if the samples do not fit, ModelError if the runtime
    refuses the result, UnsupportedOperator if the model computes in integers already.
    """
    graph = plain_of(graph)
    if ports is not None:
        of_type("ports", ports, Ports, "Ports.of(graph), or None")
    maps = _maps(graph)
    if any(graph.tensors[t].dtype in INTEGERS for op in graph.ops for t in op.outputs):
        raise UnsupportedOperator("the model computes in integers already; give the float model that it was made of")
    busy = [i for i, op in enumerate(graph.ops) if maps.intersection((*op.inputs, *op.outputs))]
    floats = {i for i in busy if not has_integers(graph, graph.ops[i])}
    seen = ranges(graph, samples, sorted(_integers(graph, maps, set(busy) - floats) - _below(graph)))
    while True:
        integer = set(busy) - floats
        small = _Writer(graph, integer, floats, _integers(graph, maps, integer), seen, ports).graph
        try:
            try_out(small)
            return small
        except ModelError:
            refused = {i for i in integer if not _runs(graph, i, maps, seen)}
            if not refused:
                raise
            floats |= refused


def in_float(graph: Graph) -> list[str]:
    """The operators of an integer graph that compute in float32, as messages name them."""
    return [
        graph.describe(i)
        for i, op in enumerate(graph.ops)
        if op.kind not in (OpKind.QUANTIZE, OpKind.DEQUANTIZE)
        and any(graph.tensors[t].dtype == DType.FLOAT32 and not graph.tensors[t].is_constant for t in op.outputs)
    ]


def ranges(graph: Graph, samples: Samples, tensors: list[int]) -> dict[int, Range]:
    """Smallest and largest value of each tensor on the samples; of inner maps without the rarest (`SHARE`)."""
    ends = {*graph.inputs, *graph.outputs}
    share = SHARE if all(len(graph.tensors[t].shape) <= 2 for t in graph.outputs) else 1.0
    shares = [1.0 if t in ends else share for t in tensors]
    xs = fed(graph, samples)
    low, high = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    for start in range(0, len(xs[0]), CHUNK):
        values = forward(graph, _rows(xs, start), tensors)
        low = np.minimum(low, [np.quantile(v, 1 - p, method="lower") for v, p in zip(values, shares, strict=True)])
        high = np.maximum(high, [np.quantile(v, p, method="higher") for v, p in zip(values, shares, strict=True)])
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise DataError("the model computes values that are not finite on these samples; they set no ranges")
    return {t: (float(a), float(b)) for t, a, b in zip(tensors, low, high, strict=True)}


def _rows(xs: Sequence[NDArray[Any]], start: int) -> Samples:
    """One chunk of the samples of every input."""
    rows = [x[start : start + CHUNK] for x in xs]
    return rows[0] if len(rows) == 1 else rows


def _maps(graph: Graph) -> set[int]:
    """Float tensors that are computed or fed."""
    computed = {*graph.inputs, *(t for op in graph.ops for t in op.outputs)}
    return {t for t in computed if graph.tensors[t].dtype == DType.FLOAT32}


def _integers(graph: Graph, maps: Set[int], integer: Set[int]) -> set[int]:
    """The maps that int8 operators read and write, and the model's ends; but for what custom operators give, such as
    boxes and scores: nobody says that they lie in one range."""
    of_custom = {t for op in graph.ops if op.kind == OpKind.CUSTOM for t in op.outputs}
    found = {*graph.inputs, *(t for t in graph.outputs if t not in of_custom)}
    for i in integer:
        found.update((*graph.ops[i].inputs, *graph.ops[i].outputs))
    return found & maps


def _below(graph: Graph) -> set[int]:
    """Maps padded by what no maximum takes (-inf, the lowest float), for max pools alone: the pad sets no range.

    The lowest integer stands for it, which is no more than any value beside it.
    """
    readers, found = graph.consumers(), set()
    for op in graph.ops:
        if op.kind == OpKind.PADV2 and graph.tensors[op.inputs[2]].is_constant and op.outputs[0] not in graph.outputs:
            is_low = float(graph.tensors[op.inputs[2]].real.max()) <= 0
            if is_low and {graph.ops[i].kind for i in readers.get(op.outputs[0], [])} == {OpKind.MAX_POOL_2D}:
                found.add(op.outputs[0])
    return found


def _runs(graph: Graph, index: int, maps: Set[int], seen: Mapping[int, Range]) -> bool:
    """Whether the runtime takes the int8 form of an operator alone."""
    op = graph.ops[index]
    inputs = tuple(t for t in dict.fromkeys(op.inputs) if t >= 0 and not graph.tensors[t].is_constant)
    alone = replace(graph, ops=(op,), inputs=inputs, outputs=op.outputs, signatures=(), metadata={})
    own = _integers(alone, maps, {0})
    known = {t: seen.get(t, (-1.0, 1.0)) for t in own}
    try:
        try_out(_Writer(alone, {0}, set(), own, known, None).graph)
    except ModelError:
        return False
    return True


class _Writer:
    """Writes the operators of a float graph anew, in int8 where they are ``integer``: ``graph`` is the result."""

    def __init__(
        self,
        graph: Graph,
        integer: Set[int],
        floats: Set[int],
        maps: Set[int],
        seen: Mapping[int, Range],
        ports: Ports | None,
    ) -> None:
        self._scales = Scales(graph, sorted(integer), maps, seen, ports)
        self._source = graph
        self._tensors = list(graph.tensors)
        self._ops: list[Op] = []
        self._twins: dict[int, int] = {}
        for t, quantization in self._scales.of.items():
            self._tensors[t] = replace(self._tensors[t], dtype=DType.INT8, quantization=quantization)
        for i, op in enumerate(graph.ops):
            if i in integer:
                self._ops.append(self._integer(i, op))
            elif i in floats:
                self._float(op)
            else:
                self._ops.append(op)
        self.graph = compact(replace(graph, tensors=tuple(self._tensors), ops=tuple(self._ops)))
        verify(self.graph)

    def _put(self, tensor: Tensor) -> int:
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _twin(self, t: int) -> int:
        """The float map that an int8 one stands for."""
        if t not in self._twins:
            like = self._tensors[t]
            name = f"{like.name}/float"
            self._twins[t] = self._put(replace(like, name=name, dtype=DType.FLOAT32, quantization=None))
        return self._twins[t]

    def _float(self, op: Op) -> None:
        """DEQUANTIZE before what it reads, QUANTIZE behind what int8 operators read of it."""
        inputs, outputs = list(op.inputs), list(op.outputs)
        for n, t in enumerate(op.inputs):
            if t in self._scales.of:
                is_new = t not in self._twins
                inputs[n] = self._twin(t)
                if is_new:
                    self._ops.append(Op(OpKind.DEQUANTIZE, (t,), (inputs[n],), schema.DequantizeOptionsT(), 2))
        for n, t in enumerate(op.outputs):
            if t in self._scales.of:
                outputs[n] = self._twin(t)
        self._ops.append(replace(op, inputs=tuple(inputs), outputs=tuple(outputs)))
        for t, twin in zip(op.outputs, outputs, strict=True):
            if twin != t:
                self._ops.append(Op(OpKind.QUANTIZE, (twin,), (t,), schema.QuantizeOptionsT(), 1))

    def _integer(self, index: int, op: Op) -> Op:
        """The operator in integers; its float constants become new tensors."""
        graph, scales = self._source, self._scales.of
        inputs = list(op.inputs)
        for n, t in enumerate(op.inputs):
            if (index, n) in self._scales.rescaled:
                like = replace(self._tensors[t], name=f"{self._tensors[t].name}/rescaled")
                inputs[n] = self._put(replace(like, quantization=scales[op.outputs[0]]))
                self._ops.append(Op(OpKind.QUANTIZE, (t,), (inputs[n],), schema.QuantizeOptionsT(), 2))
        if op.kind in LAYERS:
            layer = LAYERS[op.kind]
            kernel = symmetric(graph.tensors[op.inputs[layer.kernel]], layer.axis)
            inputs[layer.kernel] = self._put(kernel)
            if len(op.inputs) > layer.bias and op.inputs[layer.bias] >= 0 and kernel.quantization is not None:
                bias = _bias(graph.tensors[op.inputs[layer.bias]], scales[op.inputs[layer.x]], kernel.quantization)
                inputs[layer.bias] = self._put(bias)
        else:
            for n, t in enumerate(op.inputs):
                if t >= 0 and graph.tensors[t].is_constant and graph.tensors[t].dtype == DType.FLOAT32:
                    inputs[n] = self._put(_constant(graph.tensors[t], op, scales))
        return replace(op, inputs=tuple(inputs), version=version(graph, op))


def symmetric(tensor: Tensor, axis: int | None) -> Tensor:
    """A constant as int8 without zero point, one scale for each index along ``axis``."""
    values = tensor.array.astype(np.float64)
    over = tuple(a for a in range(values.ndim) if a != axis)
    peak = np.abs(values).max(axis=None if axis is None else over, keepdims=True)
    scale = np.where(peak > 0, peak / 127, 1.0).astype(np.float32)
    q = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
    quantization = Quantization(scale.reshape(-1), np.zeros(scale.size, np.int64), axis or 0)
    return _integer(tensor, q, DType.INT8, quantization)


def _integer(tensor: Tensor, q: NDArray[Any], dtype: DType, quantization: Quantization) -> Tensor:
    data = np.ascontiguousarray(q).reshape(-1).view(np.uint8)
    return replace(tensor, dtype=dtype, data=data, quantization=quantization)


def _bias(tensor: Tensor, x: Quantization, kernel: Quantization) -> Tensor:
    scale = (x.scale[0] * kernel.scale).astype(np.float32)
    limits = np.iinfo(np.int32)
    q = np.clip(np.rint(tensor.array.astype(np.float64) / scale), limits.min, limits.max).astype(np.int32)
    return _integer(tensor, q, DType.INT32, Quantization(scale, np.zeros(scale.size, np.int64), 0))


def _constant(tensor: Tensor, op: Op, scales: Mapping[int, Quantization]) -> Tensor:
    """A float constant that an operator other than a linear layer reads."""
    values = tensor.array.astype(np.float64)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    quantization = scales[op.outputs[0]] if op.kind in SAME_SCALE else asymmetric(low, high)
    q = np.rint(values / quantization.scale[0]) + quantization.zero_point[0]
    return _integer(tensor, np.clip(q, -128, 127).astype(np.int8), DType.INT8, quantization)
