"""widen: int8 Graph -> Graph with some operators in int16×8: int16 maps, the same int8 weights, int64 biases.

What an operator reads and writes gets 128 times as many steps over twice the range; QUANTIZE stands where int8 and
int16 meet. Inputs and outputs of the model stay int8. The reference for the types is TFLite's own int16×8 scheme.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from edgexai.compress.prune.shrink import compact
from edgexai.errors import UnsupportedOperator
from edgexai.graph import DType, Graph, Op, OpKind, Quantization, Tensor, verify

LINEAR = (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.FULLY_CONNECTED)
MOVERS = (OpKind.RESHAPE, OpKind.MAX_POOL_2D, OpKind.AVERAGE_POOL_2D, OpKind.PAD, OpKind.SQUEEZE)
"""Operators without weights that go along with what they read."""
WIDE = (*LINEAR, *MOVERS, OpKind.ADD, OpKind.MEAN, OpKind.MUL, OpKind.SOFTMAX)
"""Operators with an int16 kernel on every runtime from tflite-runtime 2.14 on."""
ROOM = 2
"""Times the range of int8, which leaves out the rarest values."""
SOFTMAX = Quantization(np.array([1 / 32768], np.float32), np.array([0], np.int64))


def widen(graph: Graph, ops: Collection[int]) -> Graph:
    """The int8 graph with these operators in int16×8, and what only moves their results along with them.

    Raises UnsupportedOperator for operators that have no int16 form or are not int8.
    """
    for i in sorted(ops):
        op = graph.ops[i]
        if op.kind not in WIDE or any(graph.tensors[t].dtype != DType.INT8 for t in (op.inputs[0], op.outputs[0])):
            raise UnsupportedOperator(f"no int16 form of {graph.describe(i)}; leave it in int8")
    tensors = list(graph.tensors)
    wide: dict[int, int] = {}  # int8 tensor -> its int16 twin, and back where only that was computed
    narrow: set[int] = set(graph.inputs) | {t for t, tensor in enumerate(tensors) if tensor.is_constant}
    out: list[Op] = []

    def twin(t: int) -> int:
        """The int16 twin of a map, computed from it where it was computed in int8."""
        if t not in wide:
            tensors.append(_wide(tensors[t]))
            wide[t] = len(tensors) - 1
            out.append(Op(OpKind.QUANTIZE, (t,), (wide[t],), version=2))
        return wide[t]

    def back(t: int) -> None:
        if t in wide and t not in narrow:
            out.append(Op(OpKind.QUANTIZE, (wide[t],), (t,), version=2))
            narrow.add(t)

    for i, op in enumerate(graph.ops):
        follows = op.kind in MOVERS and op.inputs[0] in wide and op.inputs[0] not in narrow
        if i in ops or follows:
            out.append(_operator(graph, op, {t: twin(t) for t in _maps(graph, op)}, tensors))
            y = op.outputs[0]
            tensors.append(_wide(tensors[y], op.kind))
            wide[y] = len(tensors) - 1
            out[-1] = replace(out[-1], outputs=(wide[y],))
        else:
            for t in op.inputs:
                back(t)
            out.append(op)
            narrow.update(op.outputs)
    for t in graph.outputs:
        back(t)
    small = compact(replace(graph, tensors=tuple(tensors), ops=tuple(out)))
    verify(small)
    return small


def _maps(graph: Graph, op: Op) -> list[int]:
    """What an operator reads that must be int16 with it: maps, and constants of operators without a kernel."""
    read = op.inputs[:1] if op.kind in (*LINEAR, *MOVERS, OpKind.MEAN) else op.inputs
    return [t for t in read if t >= 0 and graph.tensors[t].dtype == DType.INT8]


def _wide(tensor: Tensor, kind: OpKind | None = None) -> Tensor:
    """The int16 twin of an int8 map: `ROOM` times its range, symmetric about zero."""
    quantization = tensor.quantization
    if quantization is None:
        raise UnsupportedOperator(f"tensor {tensor.name!r} has no scale; quantize the model again")
    scale, zero = float(quantization.scale[0]), int(quantization.zero_point[0])
    most = ROOM * max(127 - zero, 128 + zero) * scale / 32767
    q = SOFTMAX if kind == OpKind.SOFTMAX else replace(SOFTMAX, scale=np.array([most], np.float32))
    return replace(tensor, name=f"{tensor.name}/int16", dtype=DType.INT16, quantization=q, data=None)


def _operator(graph: Graph, op: Op, twins: Mapping[int, int], tensors: list[Tensor]) -> Op:
    """The operator on int16 maps; its bias in the finer steps."""
    inputs = [twins.get(t, t) for t in op.inputs]
    if op.kind in LINEAR and len(inputs) > 2 and inputs[2] >= 0:
        bias, kernel = (graph.tensors[t] for t in (op.inputs[2], op.inputs[1]))
        x = tensors[inputs[0]].quantization
        if x is None or kernel.quantization is None:
            raise UnsupportedOperator(f"tensor {kernel.name!r} has no scale; quantize the model again")
        scale = (x.scale[0] * kernel.quantization.scale).astype(np.float32)
        q = np.rint(bias.real.astype(np.float64) / scale.astype(np.float64)).astype(np.int64)
        quantization = Quantization(scale, np.zeros(scale.size, np.int64), 0)
        tensors.append(replace(bias, dtype=DType.INT64, data=q.view(np.uint8), quantization=quantization))
        inputs[2] = len(tensors) - 1
    return replace(op, inputs=tuple(inputs))
