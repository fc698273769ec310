"""Appends operators to a graph: each method adds one operator and returns the index of the tensor it writes.

All maps are float32 in NHWC; versions are the lowest that know the form, so that old runtimes run it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from math import ceil
from typing import Any, Literal

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from edgexai.graph.ir import NUMPY, Bytes, DType, Graph, Op, Quantization, Tensor
from edgexai.graph.opkind import OpKind
from edgexai.graph.verify import verify

Padding = Literal["SAME", "VALID"]
Activation = Literal["NONE", "RELU", "RELU_N1_TO_1", "RELU6"]
PADDING: Mapping[Padding, int] = {"SAME": 0, "VALID": 1}
ACTIVATION: Mapping[Activation, int] = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
DTYPE = {numpy: dtype for dtype, numpy in NUMPY.items()}


COUNTS = {DType.INT8, DType.UINT8, DType.INT16, DType.INT32, DType.INT64}
ALIASES = {OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS}


def window_output(size: int, kernel: int, stride: int, dilation: int, padding: Padding) -> int:
    """Length of what a sliding window leaves of ``size``."""
    span = (kernel - 1) * dilation + 1
    return ceil(size / stride) if padding == "SAME" else ceil((size - span + 1) / stride)


class Builder:
    """A graph under construction, on top of an existing one."""

    def __init__(self, graph: Graph, prefix: str = "relevance") -> None:
        self.graph = graph
        self.tensors: list[Tensor] = list(graph.tensors)
        self.ops: list[Op] = list(graph.ops)
        self.inputs: list[int] = list(graph.inputs)
        self._prefix = prefix
        self._constants: dict[tuple[Any, ...], int] = {}
        self._written: dict[bytes, Bytes] = {}
        self._computed: dict[tuple[Any, ...], int] = {}
        self._root = {
            op.outputs[0]: op.inputs[0] for op in graph.ops if op.kind in ALIASES and op.inputs and op.outputs
        }
        self._views = set(self._root)

    def finish(self, outputs: Sequence[int], metadata: Mapping[str, bytes] | None = None) -> Graph:
        """The graph with these outputs, verified."""
        graph = replace(
            self.graph,
            tensors=tuple(self.tensors),
            ops=tuple(self.ops),
            inputs=tuple(self.inputs),
            outputs=tuple(outputs),
            metadata={**self.graph.metadata, **(metadata or {})},
        )
        verify(graph)
        return graph

    # --- tensors

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.tensors[tensor].shape

    def dtype(self, tensor: int) -> DType:
        return self.tensors[tensor].dtype

    def rename(self, tensor: int, name: str) -> int:
        self.tensors[tensor] = replace(self.tensors[tensor], name=name)
        return tensor

    def input(self, name: str, shape: Sequence[int], dtype: DType = DType.FLOAT32) -> int:
        """A further input of the graph."""
        self.inputs.append(self._add(Tensor(name, tuple(shape), dtype)))
        return self.inputs[-1]

    def const(
        self, value: NDArray[Any] | np.generic | float | Sequence[int], scale: float | None = None, zero: int = 0
    ) -> int:
        """A constant; equal ones are kept once. Python integers become int32, floats float32."""
        array = np.asarray(value)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        elif array.dtype == np.int64 and not isinstance(value, np.ndarray):
            array = array.astype(np.int32)
        shape = array.shape  # ascontiguousarray would make a scalar a vector
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        key = (array.dtype.str, shape, scale, zero, data.tobytes())
        if key not in self._constants:
            quantization = (
                None if scale is None else Quantization(np.array([scale], np.float32), np.array([zero], np.int64))
            )
            name = f"{self._prefix}/const{len(self._constants)}"
            self._constants[key] = self._add(Tensor(name, shape, DTYPE[array.dtype], self._once(data), quantization))
        return self._constants[key]

    def _once(self, data: Bytes) -> Bytes:
        """The array with these bytes that the file holds already, whatever shape it has there; else this one."""
        if not self._written:
            kept = (t.data for t in self.graph.tensors if t.data is not None)
            self._written = {blake2b(known.data).digest(): known for known in kept}
        return self._written.setdefault(blake2b(data.data).digest(), data)

    def weight(self, value: NDArray[Any]) -> int:
        """A constant for float kernels; float16 and integers stay small in the file, behind a DEQUANTIZE of scale 1.

        int16 is for integers of 9 bits, differences of two of 8: they are kept in 8 bits by a zero point.
        """
        if value.dtype == np.float32:
            return self.const(value)
        if value.dtype == np.float16:
            return self.dequantize(self.const(value))
        zero = 0
        if value.dtype == np.int16:
            zero = -128 - min(0, int(value.min(initial=0)))
            value = value + np.int16(zero)
            if value.max(initial=-128) > 127:
                raise ValueError(f"integers of {np.ptp(value)} steps do not fit 8 bits")
            value = value.astype(np.int8)
        return self.dequantize(self.const(value, 1.0, zero))

    def kept(self, tensor: Tensor) -> int:
        """A constant as it stands in another graph; the same one is kept once."""
        key = ("kept", id(tensor))
        if key not in self._constants:
            self._constants[key] = self._add(tensor)
        return self._constants[key]

    def computed(self, like: Tensor) -> int:
        """A tensor of this shape and type for an operator to write."""
        return self._add(replace(like, data=None))

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def op(
        self,
        kind: OpKind,
        inputs: Sequence[int],
        shape: Sequence[int],
        options: Any = None,
        version: int = 1,
        dtype: DType = DType.FLOAT32,
    ) -> int:
        """Any operator with one output; what was computed before is not computed again."""
        inputs = self._whole(inputs)
        key = (kind, *inputs, *shape, version, dtype, repr(vars(options)) if options is not None else "")
        if key not in self._computed:
            name = f"{self._prefix}/{len(self.ops)}/{kind.name.lower()}"
            out = self._computed[key] = self._add(Tensor(name, tuple(shape), dtype))
            self.ops.append(Op(kind, tuple(inputs), (out,), options, version))
        return self._computed[key]

    def several(
        self, kind: OpKind, inputs: Sequence[int], shapes: Sequence[Sequence[int]], options: Any = None
    ) -> tuple[int, ...]:
        """An operator with several float32 outputs."""
        return self.several_typed(kind, inputs, [(shape, DType.FLOAT32) for shape in shapes], options)

    def several_typed(
        self,
        kind: OpKind,
        inputs: Sequence[int],
        outputs: Sequence[tuple[Sequence[int], DType]],
        options: Any = None,
    ) -> tuple[int, ...]:
        """An operator with several outputs, each of its shape and type."""
        name = f"{self._prefix}/{len(self.ops)}/{kind.name.lower()}"
        made = tuple(self._add(Tensor(f"{name}/{k}", tuple(s), dtype)) for k, (s, dtype) in enumerate(outputs))
        self.ops.append(Op(kind, tuple(inputs), made, options))
        return made

    def _whole(self, inputs: Sequence[int]) -> list[int]:
        """Reshaped tensors of the model are read from what they are a view of (see `reshape`)."""
        return [self.reshape(t, self.shape(t), again=True) if t in self._views else t for t in inputs]

    # --- types

    def dequantize(self, x: int) -> int:
        """x as float32; itself if it is float32 already. Integers without a scale are the numbers that they are."""
        tensor = self.tensors[x]
        if tensor.dtype == DType.FLOAT32:
            return x
        if tensor.quantization is None and tensor.dtype in COUNTS:
            return self.cast(x, DType.FLOAT32)
        version = {DType.FLOAT16: 3, DType.INT16: 3, DType.UINT8: 1}.get(tensor.dtype, 2)
        return self.op(OpKind.DEQUANTIZE, [x], tensor.shape, schema.DequantizeOptionsT(), version)

    def cast(self, x: int, dtype: DType) -> int:
        return self.op(OpKind.CAST, [x], self.shape(x), schema.CastOptionsT(), dtype=dtype)

    # --- arithmetic, with broadcasting

    def add(self, a: int, b: int, activation: Activation = "NONE") -> int:
        return self._binary(OpKind.ADD, a, b, schema.AddOptionsT, activation)

    def sub(self, a: int, b: int, activation: Activation = "NONE") -> int:
        return self._binary(OpKind.SUB, a, b, schema.SubOptionsT, activation)

    def mul(self, a: int, b: int, activation: Activation = "NONE") -> int:
        return self._binary(OpKind.MUL, a, b, schema.MulOptionsT, activation)

    def div(self, a: int, b: int) -> int:
        return self._binary(OpKind.DIV, a, b, schema.DivOptionsT, "NONE")

    def _binary(self, kind: OpKind, a: int, b: int, options: Any, activation: Activation) -> int:
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self.op(kind, [a, b], shape, options(fusedActivationFunction=ACTIVATION[activation]))

    def minimum(self, a: int, b: int) -> int:
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self.op(OpKind.MINIMUM, [a, b], shape, schema.MaximumMinimumOptionsT())

    def relu(self, x: int) -> int:
        return self.op(OpKind.RELU, [x], self.shape(x))

    # --- linear layers

    def conv(
        self,
        x: int,
        kernel: int,
        bias: int,
        stride: tuple[int, int] = (1, 1),
        padding: Padding = "SAME",
        dilation: tuple[int, int] = (1, 1),
        activation: Activation = "NONE",
    ) -> int:
        """CONV_2D, kernel (out, h, w, in)."""
        shape, (out, kh, kw, _) = self.shape(x), self.shape(kernel)
        options = schema.Conv2DOptionsT(
            padding=PADDING[padding],
            strideH=stride[0],
            strideW=stride[1],
            dilationHFactor=dilation[0],
            dilationWFactor=dilation[1],
            fusedActivationFunction=ACTIVATION[activation],
        )
        rows = window_output(shape[1], kh, stride[0], dilation[0], padding)
        columns = window_output(shape[2], kw, stride[1], dilation[1], padding)
        return self.op(OpKind.CONV_2D, [x, kernel, bias], (shape[0], rows, columns, out), options)

    def depthwise(
        self,
        x: int,
        kernel: int,
        bias: int,
        stride: tuple[int, int] = (1, 1),
        padding: Padding = "SAME",
        dilation: tuple[int, int] = (1, 1),
        activation: Activation = "NONE",
    ) -> int:
        """DEPTHWISE_CONV_2D, kernel (1, h, w, in · multiplier)."""
        shape, (_, kh, kw, out) = self.shape(x), self.shape(kernel)
        options = schema.DepthwiseConv2DOptionsT(
            padding=PADDING[padding],
            strideH=stride[0],
            strideW=stride[1],
            depthMultiplier=out // shape[3],
            dilationHFactor=dilation[0],
            dilationWFactor=dilation[1],
            fusedActivationFunction=ACTIVATION[activation],
        )
        rows = window_output(shape[1], kh, stride[0], dilation[0], padding)
        columns = window_output(shape[2], kw, stride[1], dilation[1], padding)
        version = 2 if dilation != (1, 1) else 1
        return self.op(OpKind.DEPTHWISE_CONV_2D, [x, kernel, bias], (shape[0], rows, columns, out), options, version)

    def transpose_conv(
        self, x: int, kernel: int, shape: Sequence[int], stride: tuple[int, int], padding: Padding
    ) -> int:
        """TRANSPOSE_CONV to an NHWC shape, kernel (out, h, w, in)."""
        options = schema.TransposeConvOptionsT(padding=PADDING[padding], strideH=stride[0], strideW=stride[1])
        target = self.const([int(n) for n in shape])
        return self.op(OpKind.TRANSPOSE_CONV, [target, kernel, x], shape, options)

    def dense(self, x: int, kernel: int, bias: int = -1, activation: Activation = "NONE") -> int:
        """FULLY_CONNECTED of (rows, in), kernel (out, in)."""
        options = schema.FullyConnectedOptionsT(fusedActivationFunction=ACTIVATION[activation])
        version = 6 if bias < 0 else 1
        shape = (self.shape(x)[0], self.shape(kernel)[0])
        inputs = [x, kernel] if bias < 0 else [x, kernel, bias]
        return self.op(OpKind.FULLY_CONNECTED, inputs, shape, options, version)

    def matmul(self, x: int, right: int) -> int:
        """BATCH_MATMUL of (…, in) and (in, out); 1 stands before these where x has more axes."""
        shape = (*self.shape(x)[:-1], self.shape(right)[-1])
        return self.op(OpKind.BATCH_MATMUL, [x, right], shape, schema.BatchMatMulOptionsT())

    # --- shapes

    def reshape(self, x: int, shape: Sequence[int], again: bool = False) -> int:
        """x in another shape; ``again``: even if x has that shape already.

        LiteRT's plain kernels keep a reshaped tensor in the buffer of the tensor that it is a view of, and may
        overwrite that while a view in the middle of a chain of views is still to be read. So there are no chains.
        """
        if tuple(shape) == self.shape(x) and not again:
            return x
        while x in self._root and self.dtype(self._root[x]) == self.dtype(x):
            x = self._root[x]
        if tuple(shape) == self.shape(x):
            return x
        target = np.array(shape, np.int32)
        options = schema.ReshapeOptionsT(newShape=target)
        view = self.op(OpKind.RESHAPE, [x, self.const(target)], shape, options, dtype=self.dtype(x))
        quantization = self.tensors[x].quantization
        if quantization is not None:
            self.tensors[view] = replace(self.tensors[view], quantization=quantization)
        self._root[view] = x
        return view

    def transpose(self, x: int, order: Sequence[int]) -> int:
        shape = [self.shape(x)[i] for i in order]
        return self.op(OpKind.TRANSPOSE, [x, self.const(list(order))], shape, schema.TransposeOptionsT())

    def pad(self, x: int, amounts: Sequence[tuple[int, int]]) -> int:
        """Zeros before and after each axis."""
        if not any(before or after for before, after in amounts):
            return x
        shape = [n + before + after for n, (before, after) in zip(self.shape(x), amounts, strict=True)]
        table = np.array(amounts, np.int32)
        return self.op(OpKind.PAD, [x, self.const(table)], shape, schema.PadOptionsT())

    def slice(self, x: int, begin: Sequence[int], size: Sequence[int]) -> int:
        if tuple(size) == self.shape(x):
            return x
        inputs = [x, self.const(np.array(begin, np.int32)), self.const(np.array(size, np.int32))]
        return self.op(OpKind.SLICE, inputs, size, schema.SliceOptionsT())

    def concat(self, parts: Sequence[int], axis: int) -> int:
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(p)[axis] for p in parts)
        return self.op(OpKind.CONCATENATION, parts, shape, schema.ConcatenationOptionsT(axis=axis))

    # --- reductions

    def sum(self, x: int, axes: Sequence[int], keep_dims: bool = False) -> int:
        shape = self.shape(x)
        axes = [a % len(shape) for a in axes]
        left = [1 if i in axes else n for i, n in enumerate(shape) if keep_dims or i not in axes]
        table = np.array(axes, np.int32)
        return self.op(OpKind.SUM, [x, self.const(table)], left, schema.ReducerOptionsT(keepDims=keep_dims))

    def argmax(self, x: int) -> int:
        """Index of the largest value along the last axis, int32."""
        shape = self.shape(x)
        return self.op(
            OpKind.ARG_MAX,
            [x, self.const(np.array(len(shape) - 1, np.int32))],
            shape[:-1],
            schema.ArgMaxOptionsT(outputType=int(DType.INT32)),
            dtype=DType.INT32,
        )
