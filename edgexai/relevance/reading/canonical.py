"""canonical: Graph -> Graph in which a layer is one operator, however many the converter wrote it as.

    Add(Conv3D(x, w), b)              ->  Conv3D(x, w, b)
    Add(Mul(MatMul(x, w), s), b)      ->  FullyConnected(x, s · w, b)
    Add(Reshape(Conv2D(x, w)), b)     ->  Reshape(Conv2D(x, w, b))
    Add(Dequantize(Conv2D(x, w)), b)  ->  Conv2D(x, w, b)

The graph that results is what composites and rules look at; it never runs. Its tensors have the numbers and values of
the model's, so the values of the forward pass are at hand; folded weights and biases are further constants. Zeros that
a PAD writes in front of a layer stay where they are: the layer's window knows them (`Window.of`).
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph import Builder, DType, Graph, Op, OpKind, Quantization, Tensor
from edgexai.relevance.reading.questions import consistent, constant_behind, dynamic, fused_activation

Numbers = NDArray[np.float32]
BIAS = {
    OpKind.CONV_2D: 2,
    OpKind.DEPTHWISE_CONV_2D: 2,
    OpKind.FULLY_CONNECTED: 2,
    OpKind.CONV_3D: 2,
    OpKind.TRANSPOSE_CONV: 3,
}
"""Layers, and which of their inputs the bias is; weights are input 1."""
OUT = {OpKind.DEPTHWISE_CONV_2D: 3, OpKind.CONV_3D: 4}
"""Axis of a kernel's output channels, where it is not 0."""
MOVES = {OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS}
TYPES = {OpKind.QUANTIZE, OpKind.DEQUANTIZE, OpKind.CAST}
AFFINE = {OpKind.ADD, OpKind.SUB, OpKind.MUL, OpKind.DIV}


def canonical(graph: Graph, build: Builder, keep: Iterable[int] = ()) -> Graph:
    """The layers of ``graph`` as rules see them; tensors in ``keep`` and the model's outputs stay as they are."""
    return _Pass(graph, build, {*graph.outputs, *keep}).graph()


@dataclass(frozen=True)
class _Affine:
    """y -> scale · y + offset, each () or (channels,)."""

    scale: Numbers
    offset: Numbers


class _Pass:
    def __init__(self, graph: Graph, build: Builder, keep: set[int]) -> None:
        self._graph = graph
        self._build = build
        self._keep = keep
        self._producer = graph.producers()
        self._consumers = graph.consumers()
        self._dynamic = dynamic(graph)
        self._open: dict[int, tuple[Op, ...]] = {}
        """For what only one operator reads: the layer that wrote it, and the moves since."""

    def graph(self) -> Graph:
        ops: list[Op] = []
        gone: set[Op] = set()
        for op in self._graph.ops:
            with consistent(self._build.graph, op):
                ops += self._taken(op, gone)
        return replace(self._graph, tensors=tuple(self._build.tensors), ops=tuple(o for o in ops if o not in gone))

    def _taken(self, op: Op, gone: set[Op]) -> tuple[Op, ...]:
        """What an operator becomes; what it replaces is ``gone``."""
        chain: tuple[Op, ...] = (op,)
        source = next((t for t in op.inputs if t in self._open), None)
        before = () if source is None else self._open[source]
        if source is not None and op.kind in AFFINE:
            folded = self._folded(before, source, op)
            if folded is not None:
                gone.update(before)
                chain = folded
        elif source is not None and self._moves(op, source):
            self._remember((*before, op), op.outputs[0])
            return chain
        if self._layer(chain[0]) is not None:
            self._remember(chain, op.outputs[0])
        return chain

    def _remember(self, chain: tuple[Op, ...], t: int) -> None:
        """The chain that ends in ``t`` can take more in if all of it goes one way."""
        alone = t not in self._keep and len(self._consumers.get(t, ())) == 1
        if alone and fused_activation(chain[0]) == 0:
            self._open[t] = chain

    def _moves(self, op: Op, t: int) -> bool:
        """Whether an operator hands ``t`` on with its channels where they are."""
        if op.kind in TYPES:
            return self._tensor(op.outputs[0]).dtype not in (DType.INT32, DType.INT64, DType.BOOL)
        before, after = self._tensor(t).shape, self._tensor(op.outputs[0]).shape
        return op.kind in MOVES and before[-1:] == after[-1:] and op.inputs[0] == t

    def _tensor(self, t: int) -> Tensor:
        return self._build.tensors[t]

    def _constant(self, t: int) -> Tensor | None:
        return constant_behind(self._graph, self._producer, t)

    def _layer(self, op: Op) -> Op | None:
        """A layer with constant weights as an operator that takes a bias."""
        if op.kind == OpKind.BATCH_MATMUL:
            op = self._as_dense(op) or op
        if op.kind not in BIAS or not any(t in self._dynamic for t in op.inputs):
            return None
        return op if self._of_layer(op.inputs[1]) is not None else None

    def _of_layer(self, t: int) -> Tensor | None:
        """A constant of the model, or one that was folded before."""
        return self._constant(t) if t < len(self._graph.tensors) else self._build.tensors[t]

    def _as_dense(self, op: Op) -> Op | None:
        """BATCH_MATMUL with one constant matrix on the right -> FULLY_CONNECTED."""
        tensor = self._constant(op.inputs[1])
        if tensor is None or op.options.adjX or tensor.dtype not in (DType.FLOAT32, DType.INT8):
            return None
        shape = tensor.shape[-2:]
        if len(tensor.shape) < 2 or int(np.prod(tensor.shape)) != shape[0] * shape[1]:
            return None
        if tensor.quantization is not None and tensor.quantization.scale.size > 1:
            return None
        w = tensor.array.reshape(shape)
        w = np.ascontiguousarray(w if op.options.adjY else w.T)
        kernel = replace(tensor, shape=w.shape, data=w.reshape(-1).view(np.uint8), rest=None)
        options = schema.FullyConnectedOptionsT(fusedActivationFunction=0, keepNumDims=True)
        return Op(OpKind.FULLY_CONNECTED, (op.inputs[0], self._build.kept(kernel)), op.outputs, options)

    def _folded(self, chain: tuple[Op, ...], t: int, op: Op) -> tuple[Op, ...] | None:
        """The chain with what ``op`` does to its output taken into the layer; None where that cannot be."""
        affine, layer, end = self._affine(op, t), self._layer(chain[0]), op.outputs[0]
        if affine is None or layer is None:
            return None
        kernel, bias = self._of_layer(layer.inputs[1]), self._bias(layer)
        assert kernel is not None
        axis = OUT.get(layer.kind, 0)
        scaled = _scaled(kernel, affine.scale, axis)
        if scaled is None:
            return None
        bias = np.asarray(affine.scale * bias + affine.offset, np.float32)
        bias = np.broadcast_to(bias, kernel.shape[axis])
        moves = []
        for move in reversed([o for o in chain[1:] if o.kind in MOVES]):
            before = self._view(end, self._tensor(move.inputs[0]).shape)
            moves.append(replace(move, inputs=(before, *move.inputs[1:]), outputs=(end,)))
            end = before
        inputs = [*layer.inputs, -1][: BIAS[layer.kind] + 1]
        inputs[1] = layer.inputs[1] if scaled is kernel else self._build.kept(scaled)
        inputs[BIAS[layer.kind]] = self._build.const(bias)
        options = copy(layer.options)
        options.fusedActivationFunction = fused_activation(op)
        return replace(layer, inputs=tuple(inputs), outputs=(end,), options=options), *moves[::-1]

    def _bias(self, layer: Op) -> Numbers:
        position = BIAS[layer.kind]
        given = len(layer.inputs) > position and layer.inputs[position] >= 0
        tensor = self._of_layer(layer.inputs[position]) if given else None
        return np.zeros((), np.float32) if tensor is None else tensor.real

    def _view(self, t: int, shape: tuple[int, ...]) -> int:
        """A computed tensor in another shape, for the rules to read values from."""
        view = self._build.computed(replace(self._tensor(t), shape=shape, rest=None))
        target = np.array(shape, np.int32)
        options = schema.ReshapeOptionsT(newShape=target)
        self._build.ops.append(Op(OpKind.RESHAPE, (t, self._build.const(target)), (view,), options))
        return view

    def _affine(self, op: Op, t: int) -> _Affine | None:
        """What an operator does to ``t`` if that is the same everywhere on a channel."""
        first = op.inputs[0] == t
        other = self._constant(op.inputs[1] if first else op.inputs[0])
        shape = self._tensor(t).shape
        if other is None or self._tensor(op.outputs[0]).shape != shape or op.inputs[0] == op.inputs[1]:
            return None
        if any(n != 1 for n in other.shape[:-1]) or other.shape[-1:] not in ((), (1,), shape[-1:]):
            return None
        c = other.real.reshape(other.shape[-1:] if other.shape[-1:] != (1,) else ())
        one, zero = np.ones((), np.float32), np.zeros((), np.float32)
        match op.kind:
            case OpKind.ADD:
                return _Affine(one, c)
            case OpKind.SUB:
                return _Affine(one, -c) if first else _Affine(-one, c)
            case OpKind.MUL:
                return _Affine(c, zero)
            case _:
                return _Affine(np.asarray(1 / c, np.float32), zero) if first and np.all(c != 0) else None


def _scaled(kernel: Tensor, scale: Numbers, axis: int) -> Tensor | None:
    """Weights times a factor for each output channel; integers keep their bytes where the factor is positive."""
    if np.all(scale == 1):
        return kernel
    q = kernel.quantization
    if q is not None and np.all(scale > 0) and (q.scale.size == 1 or q.axis == axis):
        by = np.asarray(q.scale * scale, np.float32).reshape(-1)
        zero = np.broadcast_to(q.zero_point, by.shape)
        return replace(kernel, quantization=Quantization(by, zero, axis), rest=None)
    if kernel.dtype == DType.INT4:
        return None
    along = [1] * len(kernel.shape)
    along[axis] = -1
    real: NDArray[Any] = kernel.real * scale.reshape(along)
    data = np.ascontiguousarray(real, np.float32).reshape(-1).view(np.uint8)
    return replace(kernel, dtype=DType.FLOAT32, data=data, quantization=None, rest=None)
