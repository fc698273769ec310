"""quantize: float Graph -> full-integer int8 Graph by the rules of TFLite's int8 specification, without TensorFlow.

Weights symmetric (a scale a channel for convolutions), maps asymmetric by the range that samples show, biases
int32 with the product of both scales.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import of_type
from edgexai.compress.measure.execute import as_samples, forward, quantized
from edgexai.compress.prune.shrink import compact
from edgexai.errors import DataError, UnsupportedOperator
from edgexai.graph import DType, Graph, Model, Op, OpKind, Quantization, Tensor, graph_of, verify

CHUNK = 64
INTEGERS = (DType.INT8, DType.UINT8, DType.INT16)
SHARE = 0.9999
"""Of a map's values that its range must hold, of every `CHUNK` samples: what lies beyond is so rare that a finer step
for all others is worth more."""
KERNEL_AXIS = {OpKind.CONV_2D: 0, OpKind.DEPTHWISE_CONV_2D: 3, OpKind.FULLY_CONNECTED: None}
"""Axis of the scales of a kernel; None: one for all."""

SAME_SCALE = frozenset(
    {
        OpKind.AVERAGE_POOL_2D,
        OpKind.CONCATENATION,
        OpKind.EXPAND_DIMS,
        OpKind.MAX_POOL_2D,
        OpKind.PAD,
        OpKind.PADV2,
        OpKind.RESHAPE,
        OpKind.RESIZE_BILINEAR,
        OpKind.RESIZE_NEAREST_NEIGHBOR,
        OpKind.SLICE,
        OpKind.SQUEEZE,
        OpKind.STRIDED_SLICE,
        OpKind.TRANSPOSE,
    }
)
"""Operators whose integer kernels move values without rescaling them."""

FIXED = {
    OpKind.LOGISTIC: (1 / 256, -128),
    OpKind.SOFTMAX: (1 / 256, -128),
    OpKind.TANH: (1 / 128, 0),
    OpKind.LOG_SOFTMAX: (16 / 256, 127),
}
"""Output scale and zero point that the specification prescribes."""

VERSION = {
    OpKind.ADD: 2,
    OpKind.AVERAGE_POOL_2D: 2,
    OpKind.CONCATENATION: 2,
    OpKind.CONV_2D: 3,
    OpKind.DEPTHWISE_CONV_2D: 3,
    OpKind.EXPAND_DIMS: 1,
    OpKind.FULLY_CONNECTED: 4,
    OpKind.HARD_SWISH: 1,
    OpKind.LEAKY_RELU: 2,
    OpKind.LOGISTIC: 2,
    OpKind.LOG_SOFTMAX: 2,
    OpKind.MAX_POOL_2D: 2,
    OpKind.MEAN: 2,
    OpKind.MUL: 2,
    OpKind.PAD: 2,
    OpKind.PADV2: 2,
    OpKind.RELU: 2,
    OpKind.RELU6: 2,
    OpKind.RESHAPE: 1,
    OpKind.RESIZE_BILINEAR: 2,
    OpKind.RESIZE_NEAREST_NEIGHBOR: 2,
    OpKind.SLICE: 2,
    OpKind.SOFTMAX: 2,
    OpKind.SQUEEZE: 1,
    OpKind.STRIDED_SLICE: 2,
    OpKind.SUB: 2,
    OpKind.SUM: 2,
    OpKind.TANH: 2,
    OpKind.TRANSPOSE: 2,
}
"""Lowest version of each operator that knows int8."""


@dataclass(frozen=True)
class Ports:
    """The quantization of a model's inputs and outputs, for a model that must keep them."""

    inputs: tuple[Quantization | None, ...]
    outputs: tuple[Quantization | None, ...]

    @classmethod
    def of(cls, graph: Graph) -> "Ports":
        """Those of a graph; None where it has float32."""
        return cls(_ports(graph, graph.inputs), _ports(graph, graph.outputs))


def quantize(graph: Model, samples: NDArray[Any], ports: Ports | None = None) -> Graph:
    """The float32 graph in int8 throughout, input and output included.

    ``samples`` (N, …) set the ranges; ``ports`` gives inputs and outputs the quantization that they must have.
    Raises UnsupportedOperator for operators without an int8 form, DataError if the samples do not fit.
    """
    graph, samples = graph_of(graph), as_samples(samples)
    if ports is not None:
        of_type("ports", ports, Ports, "Ports.of(graph), or None")
    maps = _maps(graph)
    if any(graph.tensors[t].dtype in INTEGERS for op in graph.ops for t in op.outputs):
        raise UnsupportedOperator("the model computes in integers already; give the float model that it was made of")
    for i, op in enumerate(graph.ops):
        if op.kind not in VERSION and any(t in maps for t in op.outputs):
            raise UnsupportedOperator(f"no int8 form of {graph.describe(i)}; leave the model in float")
    scales = _scales(graph, maps, ranges(graph, samples, sorted(maps - _below(graph))), ports)
    tensors = list(graph.tensors)
    for t in maps:
        tensors[t] = replace(tensors[t], dtype=DType.INT8, quantization=scales[t])
    ops = [_op(graph, op, scales, tensors) for op in graph.ops]
    small = compact(replace(graph, tensors=tuple(tensors), ops=tuple(ops)))
    verify(small)
    return small


def ranges(graph: Graph, samples: NDArray[Any], tensors: list[int]) -> dict[int, tuple[float, float]]:
    """Smallest and largest value of each tensor on the samples; of inner maps without the rarest (`SHARE`)."""
    ends = {*graph.inputs, *graph.outputs}
    shares = [1.0 if t in ends else SHARE for t in tensors]
    x = quantized(graph, samples)
    low, high = np.full(len(tensors), np.inf), np.full(len(tensors), -np.inf)
    for start in range(0, len(x), CHUNK):
        values = forward(graph, x[start : start + CHUNK], tensors)
        low = np.minimum(low, [np.quantile(v, 1 - p, method="lower") for v, p in zip(values, shares, strict=True)])
        high = np.maximum(high, [np.quantile(v, p, method="higher") for v, p in zip(values, shares, strict=True)])
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        raise DataError("the model computes values that are not finite on these samples; they set no ranges")
    return {t: (float(a), float(b)) for t, a, b in zip(tensors, low, high, strict=True)}


def _ports(graph: Graph, tensors: tuple[int, ...]) -> tuple[Quantization | None, ...]:
    return tuple(
        q if graph.tensors[t].dtype == DType.INT8 else None for t in tensors for q in [graph.tensors[t].quantization]
    )


def _maps(graph: Graph) -> set[int]:
    """Float tensors that are computed or fed."""
    computed = {*graph.inputs, *(t for op in graph.ops for t in op.outputs)}
    return {t for t in computed if graph.tensors[t].dtype == DType.FLOAT32}


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


def _scales(
    graph: Graph, maps: set[int], seen: Mapping[int, tuple[float, float]], ports: Ports | None
) -> dict[int, Quantization]:
    """One quantization for all maps that must share it."""
    tied = {t: t for t in maps}

    def root(t: int) -> int:
        while tied[t] != t:
            t = tied[t]
        return t

    for op in graph.ops:
        if op.kind in SAME_SCALE:
            for t in op.inputs:
                if t in maps:
                    tied[root(t)] = root(op.outputs[0])
    low: dict[int, float] = {}
    high: dict[int, float] = {}
    for t, (a, b) in seen.items():
        low[root(t)], high[root(t)] = min(a, low.get(root(t), 0.0)), max(b, high.get(root(t), 0.0))
    chosen = {r: asymmetric(low[r], high[r]) for r in low}
    for op in graph.ops:
        if op.kind in FIXED:
            chosen[root(op.outputs[0])] = _one(*FIXED[op.kind])
    for t, q in _given(graph, ports):
        chosen[root(t)] = q
    return {t: chosen[root(t)] for t in maps}


def _given(graph: Graph, ports: Ports | None) -> Iterator[tuple[int, Quantization]]:
    if ports is not None:
        for t, q in (*zip(graph.outputs, ports.outputs, strict=True), *zip(graph.inputs, ports.inputs, strict=True)):
            if q is not None:
                yield t, q


def asymmetric(low: float, high: float) -> Quantization:
    """int8 quantization of a range, widened to hold zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    return _one(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def _one(scale: float, zero_point: int) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))


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


def _op(graph: Graph, op: Op, scales: Mapping[int, Quantization], tensors: list[Tensor]) -> Op:
    """The operator in integers; its float constants become new tensors."""
    if op.outputs[0] not in scales:
        return op
    inputs = list(op.inputs)

    def put(position: int, tensor: Tensor) -> None:
        tensors.append(tensor)
        inputs[position] = len(tensors) - 1

    if op.kind in KERNEL_AXIS:
        kernel = symmetric(graph.tensors[op.inputs[1]], KERNEL_AXIS[op.kind])
        put(1, kernel)
        if len(op.inputs) > 2 and op.inputs[2] >= 0 and kernel.quantization is not None:
            put(2, _bias(graph.tensors[op.inputs[2]], scales[op.inputs[0]], kernel.quantization))
    else:
        for position, t in enumerate(op.inputs):
            if t >= 0 and graph.tensors[t].is_constant and graph.tensors[t].dtype == DType.FLOAT32:
                put(position, _constant(graph.tensors[t], op, scales))
    return replace(op, inputs=tuple(inputs), version=VERSION[op.kind])


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
