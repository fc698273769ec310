"""What must be true of an operator before a runtime may run it: a row a kind, for files that nobody vouches for.

A TFLite runtime believes much of what a file says: a stride of 0 divides by zero, an index behind the end of a constant
is read there. Each row says how many tensors an operator has, which may be missing, and what its shapes, options and
constants must be; the output's shape is computed anew and must be the one that is told. A kind without a row is left to
`edgexai.runtime.sandbox`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.graph.ir import DType, Graph, Op, Tensor
from edgexai.graph.opkind import OpKind as K

Shape = tuple[int, ...]
QUANTIZED = (DType.INT8, DType.UINT8, DType.INT16)
BROADCAST_RANK = 6
"""Axes that kernels can broadcast over; they abort the process beyond."""


@dataclass(frozen=True)
class At:
    """One operator in its graph, and what to ask of it."""

    graph: Graph
    op: Op
    index: int

    def ensure(self, holds: bool, why: str) -> None:
        if not holds:
            raise ModelError(f"{self.graph.describe(self.index)} {why}; the file is broken")

    def given(self, i: int) -> bool:
        return i < len(self.op.inputs) and self.op.inputs[i] >= 0

    def input(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.op.inputs[i]]

    def output(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.op.outputs[i]]

    def shape(self, i: int = 0) -> Shape:
        return self.input(i).shape

    def rank(self, i: int, ranks: tuple[int, ...]) -> Shape:
        shape = self.shape(i)
        wanted = " or ".join(map(str, ranks))
        self.ensure(len(shape) in ranks, f"needs {wanted} axes in input {i}, which has the shape {shape}")
        return shape

    def constant(self, i: int) -> NDArray[np.int64] | None:
        """Whole numbers of a constant input, flat; None if it is computed."""
        tensor = self.input(i)
        if tensor.data is None:
            return None
        self.ensure(tensor.dtype in (DType.INT32, DType.INT64), f"takes whole numbers in input {i}")
        return tensor.array.astype(np.int64).reshape(-1)

    def option(self, name: str, default: Any = None) -> Any:
        """An option; without ``default`` the options must be there."""
        value = getattr(self.op.options, name, default)
        self.ensure(value is not None, f"lacks its option {name}")
        return value

    def positive(self, *names: str) -> list[int]:
        values = [int(self.option(name)) for name in names]
        for name, value in zip(names, values, strict=True):
            self.ensure(0 < value < 2**16, f"has the {name} {value}")
        return values

    def axis(self, axis: int, rank: int) -> int:
        self.ensure(-rank <= axis < rank, f"names axis {axis} of {rank}")
        return axis % rank if rank else 0

    def same_type(self, *inputs: int) -> None:
        told = self.output().dtype
        for i in inputs:
            kind = self.input(i).dtype
            self.ensure(kind == told, f"makes {told.name} of {kind.name}")

    def makes(self, shape: Shape, i: int = 0) -> None:
        """The output's shape."""
        tensor = self.output(i)
        self.ensure(tensor.shape == shape, f"makes the shape {shape} and is said to make {tensor.shape}")

    def scaled(self, *tensors: Tensor) -> None:
        """Integers in arithmetic need a scale."""
        for tensor in tensors:
            scale = None if tensor.quantization is None else tensor.quantization.scale
            if tensor.dtype in QUANTIZED:
                right = scale is not None and bool(np.all(scale > 0))
                self.ensure(right, f"reckons with {tensor.name!r}, integers without a scale")

    def full(self) -> None:
        """No tensor without a value: kernels divide by sizes."""
        for t in (*self.op.inputs, *self.op.outputs):
            if t >= 0:
                shape = self.graph.tensors[t].shape
                self.ensure(0 not in shape, f"takes {self.graph.tensors[t].name!r} of the empty shape {shape}")


def is_open(tensor: Tensor) -> bool:
    """Whether a shape is known at run time only."""
    signature = getattr(tensor.rest, "shapeSignature", None)
    if signature is not None and any(int(n) < 0 for n in signature):
        return True
    return tensor.shape == () and not tensor.is_constant and not getattr(tensor.rest, "hasRank", False)


def _spread(at: At, *shapes: Shape) -> Shape:
    """The shape that these broadcast to."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    for sizes in zip(*padded, strict=True):
        at.ensure(len({n for n in sizes if n != 1}) <= 1, f"joins the shapes {' and '.join(map(str, shapes))}")
    at.ensure(rank <= BROADCAST_RANK or len(set(shapes)) == 1, f"spreads values over {rank} axes")
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def _window(at: At, size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Places of a kernel along an axis, by the operator's padding."""
    padding = int(at.option("padding"))
    at.ensure(padding in (0, 1), f"has the padding {padding}")
    places = -(-size // stride) if padding == 0 else -(-(size - (kernel - 1) * dilation) // stride)
    at.ensure(places > 0, f"moves a kernel of {kernel} over {size} values")
    return places


def _bias(at: At, i: int, channels: int) -> None:
    if at.given(i):
        bias = at.input(i)
        at.ensure(bias.shape[-1:] == (channels,) and np.prod(bias.shape) == channels, f"has a bias of {bias.shape}")
        float_map = at.output().dtype == DType.FLOAT32
        at.ensure((bias.dtype == DType.FLOAT32) == float_map, f"has a bias of {bias.dtype.name}")


def _weighed(at: At, data: int = 0, weights: int = 1) -> None:
    """Types of a map and its weights."""
    x, w, y = at.input(data), at.input(weights), at.output()
    at.ensure(x.dtype == y.dtype or w.dtype in QUANTIZED, f"makes {y.dtype.name} of {x.dtype.name}")
    at.ensure((x.dtype in QUANTIZED) == (y.dtype in QUANTIZED), f"makes {y.dtype.name} of {x.dtype.name}")
    if x.dtype in QUANTIZED:
        at.scaled(x, y)
        known = (*QUANTIZED, DType.INT4, DType.INT2)
        at.ensure(w.dtype in known and w.quantization is not None, f"weighs with {w.dtype.name} without a scale")
    else:
        at.scaled(w)
        at.ensure(w.dtype != DType.INT16, f"weighs {x.dtype.name} with {w.dtype.name}")


def _conv(at: At) -> None:
    n, height, width, depth = at.rank(0, (4,))
    out, kh, kw, group = at.rank(1, (4,))
    sh, sw, dh, dw = at.positive("strideH", "strideW", "dilationHFactor", "dilationWFactor")
    at.ensure(depth % group == 0 and out % (depth // group) == 0, f"has a filter of {at.shape(1)} for {depth} channels")
    _weighed(at)
    _bias(at, 2, out)
    at.makes((n, _window(at, height, kh, sh, dh), _window(at, width, kw, sw, dw), out))


def _depthwise(at: At) -> None:
    n, height, width, depth = at.rank(0, (4,))
    one, kh, kw, out = at.rank(1, (4,))
    sh, sw, dh, dw = at.positive("strideH", "strideW", "dilationHFactor", "dilationWFactor")
    at.ensure(one == 1 and out % depth == 0, f"has a filter of {at.shape(1)} for {depth} channels")
    told = int(at.option("depthMultiplier"))
    at.ensure(told in (0, out // depth), f"has the multiplier {told}")
    _weighed(at)
    _bias(at, 2, out)
    at.makes((n, _window(at, height, kh, sh, dh), _window(at, width, kw, sw, dw), out))


def _transpose_conv(at: At) -> None:
    out, kh, kw, depth = at.rank(1, (4,))
    n, height, width, given = at.rank(2, (4,))
    sh, sw = at.positive("strideH", "strideW")
    at.ensure(given == depth, f"has a filter of {at.shape(1)} for {given} channels")
    _weighed(at, 2)
    _bias(at, 3, out)
    made = at.constant(0)
    if made is None:
        return
    at.ensure(len(made) == 4 and bool((made > 0).all()), f"makes the shape {made.tolist()}")
    at.ensure(int(made[0]) == n and int(made[3]) == out, f"makes {made.tolist()} of {at.shape(2)}")
    sizes = _window(at, int(made[1]), kh, sh), _window(at, int(made[2]), kw, sw)
    at.ensure(sizes == (height, width), f"makes {made.tolist()} of {at.shape(2)}, whose kernel has other places")
    at.makes(tuple(int(v) for v in made))


def _conv_3d(at: At) -> None:
    n, *sizes, depth = at.rank(0, (5,))
    *kernel, group, out = at.rank(1, (5,))
    strides = at.positive("strideD", "strideH", "strideW")
    dilations = at.positive("dilationDFactor", "dilationHFactor", "dilationWFactor")
    at.ensure(depth % group == 0, f"has a filter of {at.shape(1)} for {depth} channels")
    _weighed(at)
    _bias(at, 2, out)
    at.makes((n, *(_window(at, *each) for each in zip(sizes, kernel, strides, dilations, strict=True)), out))


def _pool(at: At) -> None:
    n, height, width, depth = at.rank(0, (4,))
    sh, sw, kh, kw = at.positive("strideH", "strideW", "filterHeight", "filterWidth")
    at.same_type(0)
    at.makes((n, _window(at, height, kh, sh), _window(at, width, kw, sw), depth))


def _dense(at: At) -> None:
    out, size = at.rank(1, (2,))
    shape = at.shape(0)
    total = int(np.prod(shape))
    at.ensure(total % size == 0, f"weighs {shape} with {at.shape(1)}")
    at.ensure(int(at.option("weightsFormat", 0)) == 0, "has shuffled weights")
    _weighed(at)
    _bias(at, 2, out)
    if at.option("keepNumDims", False):
        at.ensure(shape[-1:] == (size,), f"weighs {shape} with {at.shape(1)}")
        at.makes((*shape[:-1], out))
    else:
        made = at.output().shape
        at.ensure(made[-1:] == (out,) and int(np.prod(made)) == total // size * out, f"makes {made} of {shape}")


def _matmul(at: At) -> None:
    x, y = at.shape(0), at.shape(1)
    at.ensure(len(x) >= 2 and len(y) >= 2, f"multiplies {x} and {y}")
    rows, inner = x[-2:][:: -1 if at.option("adjX") else 1]
    again, columns = y[-2:][:: -1 if at.option("adjY") else 1]
    at.ensure(inner == again, f"multiplies {x} and {y}")
    at.ensure(max(len(x), len(y)) <= 5, f"multiplies {x} and {y}")
    at.makes((*_spread(at, x[:-2], y[:-2]), rows, columns))


def _unary(at: At) -> None:
    at.same_type(0)
    at.makes(at.shape())


def _softmax(at: At) -> None:
    x = at.input()
    at.rank(0, (1, 2, 3, 4))
    beta = float(at.option("beta", 1.0))
    at.ensure(bool(np.isfinite(beta)) and beta > 0, f"has the factor {beta}")
    at.ensure((x.dtype in QUANTIZED) == (at.output().dtype in QUANTIZED), "mixes integers and real numbers")
    if x.dtype in QUANTIZED:
        at.scaled(x, at.output())
        assert x.quantization is not None
        at.ensure(beta * float(x.quantization.scale[0]) * 2**26 > 1, "has a scale too small for its kernel")
    at.makes(at.shape())


def _activation(at: At) -> None:
    at.scaled(at.input(), at.output())
    _unary(at)


def _converted(at: At) -> None:
    at.makes(at.shape())


def _dequantize(at: At) -> None:
    x = at.input()
    at.ensure(x.dtype not in (DType.FLOAT32, DType.STRING), f"takes {x.dtype.name}")
    at.ensure(at.output().dtype in (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16), f"makes {at.output().dtype.name}")
    at.scaled(x)
    at.makes(at.shape())


def _quantize(at: At) -> None:
    at.scaled(at.output())
    at.makes(at.shape())


def _binary(at: At) -> None:
    at.same_type(0, 1)
    at.makes(_spread(at, at.shape(0), at.shape(1)))


def _arithmetic(at: At) -> None:
    x, y, z = at.input(0), at.input(1), at.output()
    if at.op.kind != K.MUL or z.dtype != DType.INT32:
        at.same_type(0, 1)
    at.scaled(x, y, z) if z.dtype in QUANTIZED else None
    at.makes(_spread(at, x.shape, y.shape))
    if z.dtype in QUANTIZED and at.op.kind in (K.ADD, K.SUB):
        one, other, made = (float(t.quantization.scale[0]) for t in (x, y, z) if t.quantization is not None)
        most = max(one, other)
        room = 2**15 if z.dtype == DType.INT16 else 2**20
        at.ensure(2 * most < room * made, "has a scale too small for its kernel")


def _compared(at: At) -> None:
    at.ensure(at.input(0).dtype == at.input(1).dtype, "compares two types")
    at.ensure(at.output().dtype == DType.BOOL, f"makes {at.output().dtype.name}")
    at.makes(_spread(at, at.shape(0), at.shape(1)))


def _select(at: At) -> None:
    at.same_type(1, 2)
    at.ensure(at.input(0).dtype == DType.BOOL, f"chooses by {at.input(0).dtype.name}")
    if at.op.kind == K.SELECT_V2:
        at.makes(_spread(at, at.shape(0), at.shape(1), at.shape(2)))
    else:
        at.ensure(at.shape(1) == at.shape(2), f"chooses between {at.shape(1)} and {at.shape(2)}")
        at.makes(at.shape(1))


def _prelu(at: At) -> None:
    at.same_type(0)
    at.scaled(at.input(0), at.input(1), at.output())
    at.ensure(_spread(at, at.shape(0), at.shape(1)) == at.shape(0), f"has slopes of {at.shape(1)} for {at.shape(0)}")
    at.makes(at.shape(0))


def _reshape(at: At) -> None:
    at.same_type(0)
    if at.given(1) and not at.input(1).is_constant:
        return
    x, y = at.shape(), at.output().shape
    at.ensure(np.prod(x) == np.prod(y), f"makes the shape {y} of {x}")
    told = at.constant(1) if at.given(1) else None
    if told is None:
        return
    at.ensure(len(told) == len(y), f"makes the shape {told.tolist()} and is said to make {y}")
    right = all(a == b or (a == -1 and (told == -1).sum() == 1) for a, b in zip(told.tolist(), y, strict=True))
    at.ensure(right, f"makes the shape {told.tolist()} and is said to make {y}")


def _transpose(at: At) -> None:
    at.same_type(0)
    order = at.constant(1)
    if order is not None:
        shape = at.shape()
        at.ensure(
            sorted(v % len(shape) if shape else v for v in order.tolist()) == list(range(len(shape))), "misnames axes"
        )
        at.makes(tuple(shape[v] for v in order.tolist()))


def _concatenation(at: At) -> None:
    shapes = [at.shape(i) for i in range(len(at.op.inputs))]
    at.same_type(*range(len(shapes)))
    axis = at.axis(int(at.option("axis", 0)), len(shapes[0]))
    rests = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    at.ensure(len(rests) == 1, f"joins the shapes {', '.join(map(str, shapes))} along axis {axis}")
    total = sum(s[axis] for s in shapes)
    at.makes((*shapes[0][:axis], total, *shapes[0][axis + 1 :]))


def _pack(at: At) -> None:
    shape, count = at.shape(), len(at.op.inputs)
    at.same_type(*range(count))
    at.ensure(int(at.option("valuesCount")) == count, f"joins {count} tensors and is said to join others")
    at.ensure(all(at.shape(i) == shape for i in range(count)), "joins several shapes")
    axis = at.axis(int(at.option("axis", 0)), len(shape) + 1)
    at.makes((*shape[:axis], count, *shape[axis:]))


def _unpack(at: At) -> None:
    shape, count = at.shape(), len(at.op.outputs)
    at.same_type(0)
    axis = at.axis(int(at.option("axis", 0)), len(shape))
    at.ensure(bool(shape) and shape[axis] == count == int(at.option("num")), f"makes {count} tensors of {shape}")
    for i in range(count):
        at.makes((*shape[:axis], *shape[axis + 1 :]), i)


def _split(at: At) -> None:
    data, where = (1, 0) if at.op.kind == K.SPLIT else (0, 2)
    shape, count = at.shape(data), len(at.op.outputs)
    at.same_type(data)
    at.ensure(int(at.option("numSplits")) == count, f"makes {count} tensors and is said to make others")
    axes = at.constant(where)
    sizes = at.constant(1) if at.op.kind == K.SPLIT_V else None
    if axes is None:
        return
    at.ensure(len(axes) == 1, "splits along several axes")
    axis = at.axis(int(axes[0]), len(shape))
    if at.op.kind == K.SPLIT:
        at.ensure(shape[axis] % count == 0, f"splits {shape} into {count}")
        parts = [shape[axis] // count] * count
    elif sizes is not None:
        rest = shape[axis] - int(sizes[sizes >= 0].sum())
        parts = [rest if v == -1 else int(v) for v in sizes.tolist()]
        right = len(parts) == count and min(parts, default=0) >= 0 and sum(parts) == shape[axis]
        at.ensure(right, f"splits {shape} into {sizes.tolist()}")
    else:
        return
    for i, size in enumerate(parts):
        at.makes((*shape[:axis], size, *shape[axis + 1 :]), i)


def _pad(at: At) -> None:
    at.same_type(0)
    shape, pads = at.shape(), at.constant(1)
    if at.op.kind == K.PADV2:
        at.ensure(int(np.prod(at.shape(2))) == 1, "pads with several values")
        at.same_type(2)
    if pads is None:
        return
    right = at.shape(1) == (len(shape), 2) and bool((pads >= 0).all()) and bool((pads < 2**24).all())
    at.ensure(right, f"pads {shape} by {pads.tolist()[:16]}")
    sides = pads.reshape(-1, 2).tolist()
    if at.op.kind == K.MIRROR_PAD:
        offset = int(at.option("mode", 0) == 0)
        at.ensure(all(max(s) <= n - offset for s, n in zip(sides, shape, strict=True)), f"mirrors more than {shape}")
    at.makes(tuple(n + a + b for n, (a, b) in zip(shape, sides, strict=True)))


def _slice(at: At) -> None:
    at.same_type(0)
    shape, begin, size = at.shape(), at.constant(1), at.constant(2)
    if begin is None or size is None:
        return
    at.ensure(len(begin) == len(size) == len(shape), f"cuts {shape} at {begin.tolist()}")
    made = []
    for n, b, s in zip(shape, begin.tolist(), size.tolist(), strict=True):
        s = n - b if s == -1 else s
        at.ensure(min(b, s) >= 0 and b + s <= n, f"cuts {s} from {b} of {n}")
        made.append(s)
    at.makes(tuple(made))


def _strided_slice(at: At) -> None:
    at.same_type(0)
    shape, parts = at.shape(), [at.constant(i) for i in (1, 2, 3)]
    strides = parts[2]
    if strides is not None:
        at.ensure(bool((strides != 0).all()), "cuts in steps of 0")
    lengths = {int(np.prod(at.shape(i))) for i in (1, 2, 3)}
    grown = bin(int(at.option("newAxisMask", 0)) & 0xFF).count("1") + (int(at.option("ellipsisMask", 0)) != 0)
    at.ensure(len(lengths) == 1 and max(lengths) <= len(shape) + grown, f"cuts {shape} along {max(lengths)} axes")
    if any(p is None for p in parts) or grown:
        return
    begin, end, step = (p.tolist() for p in parts if p is not None)
    masks = [int(at.option(name, 0)) for name in ("beginMask", "endMask", "shrinkAxisMask")]
    made = []
    for i, n in enumerate(shape):
        if i >= len(begin):
            made.append(n)
            continue
        first, last, shrink = (bool(mask >> i & 1) for mask in masks)
        if shrink:
            at.ensure(-n <= begin[i] < n or first, f"cuts {begin[i]} of {n}")
            continue
        made.append(len(range(*slice(None if first else begin[i], None if last else end[i], step[i]).indices(n))))
    at.makes(tuple(made))


def _gather(at: At) -> None:
    at.same_type(0)
    shape, places = at.shape(0), at.shape(1)
    axis = at.axis(int(at.option("axis", 0)), len(shape))
    batch = int(at.option("batchDims", 0))
    batch += len(places) if batch < 0 else 0
    at.ensure(0 <= batch <= min(axis, len(places)) and shape[:batch] == places[:batch], f"has {batch} batch axes")
    index = at.constant(1)
    if index is not None and shape:
        at.ensure(
            bool(((index >= 0) & (index < shape[axis])).all()), f"takes values beyond the {shape[axis]} of axis {axis}"
        )
    at.makes((*shape[:axis], *places[batch:], *shape[axis + 1 :]))


def _gather_nd(at: At) -> None:
    at.same_type(0)
    shape, places = at.shape(0), at.shape(1)
    at.ensure(bool(places) and places[-1] <= len(shape), f"takes values of {shape} by {places}")
    index = at.constant(1)
    if index is not None:
        rows = index.reshape(-1, places[-1]) if places[-1] else index.reshape(0, 0)
        inside = (rows >= 0) & (rows < np.array(shape[: places[-1]], np.int64))
        at.ensure(bool(inside.all()), f"takes values beyond the shape {shape}")
    at.makes((*places[:-1], *shape[places[-1] :]))


def _scatter_nd(at: At) -> None:
    at.same_type(1)
    index, made, places = at.constant(0), at.constant(2), at.shape(0)
    if made is None:
        return
    shape = tuple(int(v) for v in made)
    right = bool(places) and places[-1] <= len(shape) and min(shape, default=1) > 0
    at.ensure(right and at.shape(1) == (*places[:-1], *shape[places[-1] :]), f"puts {at.shape(1)} into {shape}")
    if index is not None:
        inside = (index.reshape(-1, places[-1]) >= 0) & (index.reshape(-1, places[-1]) < made[: places[-1]])
        at.ensure(bool(inside.all()), f"puts values beyond the shape {shape}")
    at.makes(shape)


def _reduce(at: At) -> None:
    if at.op.kind not in (K.MEAN, K.SUM):
        at.same_type(0)
    x, axes = at.input(), at.constant(1)
    at.ensure((x.dtype in QUANTIZED) == (at.output().dtype in QUANTIZED), f"makes {at.output().dtype.name}")
    if at.op.kind in (K.MEAN, K.SUM, K.REDUCE_PROD):
        at.scaled(x, at.output())
    if axes is None:
        return
    gone = {at.axis(v, len(x.shape)) for v in axes.tolist()}
    if at.option("keepDims", False):
        at.makes(tuple(1 if i in gone else n for i, n in enumerate(x.shape)))
    else:
        at.makes(tuple(n for i, n in enumerate(x.shape) if i not in gone))


def _arg(at: At) -> None:
    shape, axes = at.shape(), at.constant(1)
    at.ensure(at.output().dtype in (DType.INT32, DType.INT64), f"makes {at.output().dtype.name}")
    at.ensure(int(np.prod(at.shape(1))) == 1, "goes along several axes")
    if axes is not None:
        axis = at.axis(int(axes[0]), len(shape))
        at.makes((*shape[:axis], *shape[axis + 1 :]))


def _squeeze(at: At) -> None:
    at.same_type(0)
    shape = at.shape()
    named = at.option("squeezeDims", ())
    gone = {at.axis(int(v), len(shape)) for v in named}
    at.ensure(all(shape[i] == 1 for i in gone), f"takes axes other than of one out of {shape}")
    gone = gone or {i for i, n in enumerate(shape) if n == 1}
    at.makes(tuple(n for i, n in enumerate(shape) if i not in gone))


def _expand(at: At) -> None:
    at.same_type(0)
    shape, axes = at.shape(), at.constant(1)
    if axes is not None:
        at.ensure(len(axes) == 1, "adds several axes")
        axis = at.axis(int(axes[0]), len(shape) + 1)
        at.makes((*shape[:axis], 1, *shape[axis:]))


def _tile(at: At) -> None:
    at.same_type(0)
    shape, times = at.shape(), at.constant(1)
    at.ensure(at.shape(1) == (len(shape),), f"repeats {shape} by {at.shape(1)}")
    if times is not None:
        at.ensure(bool((times >= 0).all()), f"repeats {shape} by {times.tolist()}")
        at.makes(tuple(int(n * t) for n, t in zip(shape, times.tolist(), strict=True)))


def _broadcast_to(at: At) -> None:
    at.same_type(0)
    made = at.constant(1)
    if made is not None:
        shape = tuple(int(v) for v in made)
        at.ensure(len(shape) <= 8 and _spread(at, at.shape(), shape) == shape, f"spreads {at.shape()} over {shape}")
        at.makes(shape)


def _blocks(at: At) -> None:
    at.same_type(0)
    n, height, width, depth = at.rank(0, (4,))
    (b,) = at.positive("blockSize")
    if at.op.kind == K.DEPTH_TO_SPACE:
        at.ensure(depth % (b * b) == 0, f"spreads {depth} channels over blocks of {b}")
        at.makes((n, height * b, width * b, depth // (b * b)))
    else:
        at.ensure(height % b == 0 and width % b == 0, f"joins {height}×{width} in blocks of {b}")
        at.makes((n, height // b, width // b, depth * b * b))


def _batches(at: At) -> None:
    at.same_type(0)
    shape, blocks, sides = at.rank(0, (3, 4)), at.constant(1), at.constant(2)
    inner = len(shape) - 2
    at.ensure(at.shape(1) == (inner,) and at.shape(2) == (inner, 2), f"has blocks of {at.shape(1)}")
    if blocks is None or sides is None:
        return
    right = bool((blocks > 0).all()) and bool((blocks < 2**15).all())
    at.ensure(right and bool((sides >= 0).all()), f"has blocks of {blocks.tolist()}")
    count, pairs = int(np.prod(blocks)), sides.reshape(-1, 2).sum(1).tolist()
    if at.op.kind == K.BATCH_TO_SPACE_ND:
        sizes = [n * b - s for n, b, s in zip(shape[1:], blocks.tolist(), pairs, strict=False)]
        at.ensure(shape[0] % count == 0 and min(sizes) > 0, f"takes {shape} apart in blocks of {blocks.tolist()}")
        at.makes((shape[0] // count, *sizes, shape[-1]))
    else:
        sizes = [n + s for n, s in zip(shape[1:], pairs, strict=False)]
        at.ensure(all(n % b == 0 for n, b in zip(sizes, blocks.tolist(), strict=True)), f"takes {shape} apart")
        at.makes((shape[0] * count, *(n // b for n, b in zip(sizes, blocks.tolist(), strict=True)), shape[-1]))


def _resize(at: At) -> None:
    at.same_type(0)
    n, _, _, depth = at.rank(0, (4,))
    size = at.constant(1)
    at.ensure(at.shape(1) == (2,), f"has a size of {at.shape(1)}")
    if size is not None:
        at.ensure(bool((size > 0).all()), f"makes {size.tolist()}")
        at.makes((n, *size.tolist(), depth))


def _along(at: At) -> None:
    at.same_type(0)
    for axis in at.constant(1) if at.given(1) and at.input(1).is_constant else ():  # type: ignore[union-attr]
        at.axis(int(axis), len(at.shape()))
    at.makes(at.shape())


def _many(at: At) -> None:
    at.same_type(*range(len(at.op.inputs)))
    at.ensure(all(at.shape(i) == at.shape() for i in range(len(at.op.inputs))), "adds several shapes")
    at.makes(at.shape())


def _svdf(at: At) -> None:
    at.positive("rank")
    n, size = at.rank(0, (2,))
    filters, again = at.rank(1, (2,))
    at.rank(2, (2,))
    rank = int(at.option("rank"))
    at.ensure(size == again and filters % rank == 0, f"weighs {at.shape(0)} with {at.shape(1)}")
    at.makes((n, filters // rank))


@dataclass(frozen=True)
class Row:
    """``inputs`` least and most, how many outputs, which inputs may be missing, whether sizes of 0 are refused."""

    inputs: tuple[int, int]
    check: Callable[[At], None]
    outputs: int | None = 1
    optional: tuple[int, ...] = ()
    full: bool = True


def _rows(check: Callable[[At], None], inputs: int, *kinds: K, full: bool = True) -> dict[K, Row]:
    return {kind: Row((inputs, inputs), check, full=full) for kind in kinds}


MANY = 2**16
ROWS: Mapping[K, Row] = {
    K.CONV_2D: Row((2, 3), _conv, optional=(2,)),
    K.DEPTHWISE_CONV_2D: Row((3, 3), _depthwise),  # XNNPACK reads a bias there is not
    K.TRANSPOSE_CONV: Row((3, 4), _transpose_conv, optional=(3,)),
    K.CONV_3D: Row((2, 3), _conv_3d, optional=(2,)),
    K.FULLY_CONNECTED: Row((2, 3), _dense, optional=(2,)),
    K.BATCH_MATMUL: Row((2, 2), _matmul),
    K.SVDF: Row((5, 5), _svdf, optional=(3,)),
    **_rows(_pool, 1, K.AVERAGE_POOL_2D, K.MAX_POOL_2D, K.L2_POOL_2D),
    **_rows(_unary, 1, K.ABS, K.NEG, K.EXP, K.LOG, K.SQRT, K.RSQRT, K.SQUARE, K.SIN, K.COS, K.FLOOR, K.CEIL, K.ROUND),
    **_rows(_unary, 1, K.ELU, K.GELU, K.LOGICAL_NOT, K.ZEROS_LIKE, K.SIGN, K.LOCAL_RESPONSE_NORMALIZATION, full=False),
    **_rows(_activation, 1, K.RELU, K.RELU6, K.RELU_N1_TO_1, K.RELU_0_TO_1, K.TANH, K.LOGISTIC, K.HARD_SWISH),
    **_rows(_activation, 1, K.LEAKY_RELU, K.LOG_SOFTMAX, K.L2_NORMALIZATION),
    **_rows(_softmax, 1, K.SOFTMAX),
    **_rows(_dequantize, 1, K.DEQUANTIZE, full=False),
    **_rows(_quantize, 1, K.QUANTIZE, full=False),
    **_rows(_converted, 1, K.CAST, K.FAKE_QUANT, full=False),
    **_rows(_arithmetic, 2, K.ADD, K.SUB, K.MUL, K.DIV, full=False),
    **_rows(_binary, 2, K.MAXIMUM, K.MINIMUM, K.POW, K.SQUARED_DIFFERENCE, K.FLOOR_DIV, K.FLOOR_MOD, full=False),
    **_rows(_binary, 2, K.LOGICAL_AND, K.LOGICAL_OR, K.ATAN2, full=False),
    **_rows(_compared, 2, K.EQUAL, K.NOT_EQUAL, K.LESS, K.LESS_EQUAL, K.GREATER, K.GREATER_EQUAL, full=False),
    **_rows(_select, 3, K.SELECT, K.SELECT_V2, full=False),
    **_rows(_prelu, 2, K.PRELU),
    K.RESHAPE: Row((1, 2), _reshape, full=False),
    **_rows(_transpose, 2, K.TRANSPOSE, full=False),
    K.CONCATENATION: Row((1, MANY), _concatenation, full=False),
    K.PACK: Row((1, MANY), _pack, full=False),
    K.ADD_N: Row((1, MANY), _many),
    K.UNPACK: Row((1, 1), _unpack, outputs=None),
    K.SPLIT: Row((2, 2), _split, outputs=None),
    K.SPLIT_V: Row((3, 3), _split, outputs=None, full=False),
    **_rows(_pad, 2, K.PAD, K.MIRROR_PAD, full=False),
    **_rows(_pad, 3, K.PADV2, full=False),
    **_rows(_slice, 3, K.SLICE, full=False),
    **_rows(_strided_slice, 4, K.STRIDED_SLICE, full=False),
    **_rows(_gather, 2, K.GATHER, full=False),
    **_rows(_gather_nd, 2, K.GATHER_ND, full=False),
    **_rows(_scatter_nd, 3, K.SCATTER_ND, full=False),
    **_rows(_reduce, 2, K.MEAN, K.SUM, K.REDUCE_PROD, K.REDUCE_MAX, K.REDUCE_MIN, K.REDUCE_ANY, K.REDUCE_ALL),
    **_rows(_arg, 2, K.ARG_MAX, K.ARG_MIN),
    **_rows(_squeeze, 1, K.SQUEEZE, full=False),
    **_rows(_expand, 2, K.EXPAND_DIMS, full=False),
    **_rows(_tile, 2, K.TILE, full=False),
    **_rows(_broadcast_to, 2, K.BROADCAST_TO, full=False),
    **_rows(_blocks, 1, K.DEPTH_TO_SPACE, K.SPACE_TO_DEPTH),
    **_rows(_batches, 3, K.SPACE_TO_BATCH_ND, K.BATCH_TO_SPACE_ND),
    **_rows(_resize, 2, K.RESIZE_BILINEAR, K.RESIZE_NEAREST_NEIGHBOR),
    **_rows(_along, 2, K.CUMSUM, K.REVERSE_V2),
}


def verify_operators(graph: Graph, closed: bool = False) -> None:
    """Check every operator of a graph and its subgraphs that has a row; ModelError for the first wrong one.

    Where a shape is known at run time only, the options alone can be checked; ``closed`` refuses such shapes, which no
    explainer has.
    """
    for part in graph.every():
        for index, op in enumerate(part.ops):
            row = ROWS.get(op.kind)
            if row is not None:
                _checked(At(part, op, index), row, closed)
    _calls(graph)


STEPS = (
    *("strideW", "strideH", "strideD", "dilationWFactor", "dilationHFactor", "dilationDFactor"),
    *("filterWidth", "filterHeight", "blockSize", "rank"),
)


def _checked(at: At, row: Row, closed: bool) -> None:
    least, most = row.inputs
    at.ensure(least <= len(at.op.inputs) <= most, f"has {len(at.op.inputs)} inputs")
    right = bool(at.op.outputs) if row.outputs is None else len(at.op.outputs) == row.outputs
    at.ensure(right, f"has {len(at.op.outputs)} outputs")
    missing = [i for i, t in enumerate(at.op.inputs) if t < 0 and i not in row.optional]
    at.ensure(not missing, f"lacks its input {missing[0] if missing else ''}")
    for name in STEPS:
        step = getattr(at.op.options, name, None)
        at.ensure(step is None or 0 < step < 2**16, f"has the {name} {step}")
    tensors = [at.graph.tensors[t] for t in (*at.op.inputs, *at.op.outputs) if t >= 0]
    if any(map(is_open, tensors)):
        at.ensure(not closed, "has a shape that is known at run time only")
        return
    if row.full:
        at.full()
    row.check(at)


def _calls(graph: Graph) -> None:
    """Control flow calls graphs that are there, and none that leads back to itself."""
    parts = list(graph.every())
    called: dict[int, set[int]] = {}
    for number, part in enumerate(parts):
        called[number] = set()
        for index, op in enumerate(part.ops):
            for name in (
                "condSubgraphIndex",
                "bodySubgraphIndex",
                "thenSubgraphIndex",
                "elseSubgraphIndex",
                "initSubgraphIndex",
                "subgraph",
            ):
                target = getattr(op.options, name, None)
                if isinstance(target, int):
                    At(part, op, index).ensure(0 <= target < len(parts), f"calls graph {target} of {len(parts)}")
                    called[number].add(target)
    done: set[int] = set()
    while ready := {n for n, targets in called.items() if n not in done and targets <= done}:
        done |= ready
    if len(done) < len(parts):
        raise ModelError(f"graph {min(set(called) - done)} of the file calls itself; the file is broken")
