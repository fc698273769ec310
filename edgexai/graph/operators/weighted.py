"""Layers with weights: convolutions, dense layers, matrix products."""

from collections.abc import Mapping

import numpy as np

from edgexai.graph.ir import DType
from edgexai.graph.operators.at import QUANTIZED, At, Row, spread, window
from edgexai.graph.opkind import OpKind as K


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
    at.makes((n, window(at, height, kh, sh, dh), window(at, width, kw, sw, dw), out))


def _depthwise(at: At) -> None:
    n, height, width, depth = at.rank(0, (4,))
    one, kh, kw, out = at.rank(1, (4,))
    sh, sw, dh, dw = at.positive("strideH", "strideW", "dilationHFactor", "dilationWFactor")
    at.ensure(one == 1 and out % depth == 0, f"has a filter of {at.shape(1)} for {depth} channels")
    told = int(at.option("depthMultiplier"))
    at.ensure(told in (0, out // depth), f"has the multiplier {told}")
    _weighed(at)
    _bias(at, 2, out)
    at.makes((n, window(at, height, kh, sh, dh), window(at, width, kw, sw, dw), out))


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
    sizes = window(at, int(made[1]), kh, sh), window(at, int(made[2]), kw, sw)
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
    at.makes((n, *(window(at, *each) for each in zip(sizes, kernel, strides, dilations, strict=True)), out))


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
    at.makes((*spread(at, x[:-2], y[:-2]), rows, columns))


def _svdf(at: At) -> None:
    at.positive("rank")
    n, size = at.rank(0, (2,))
    filters, again = at.rank(1, (2,))
    at.rank(2, (2,))
    rank = int(at.option("rank"))
    at.ensure(size == again and filters % rank == 0, f"weighs {at.shape(0)} with {at.shape(1)}")
    at.makes((n, filters // rank))


ROWS: Mapping[K, Row] = {
    K.CONV_2D: Row((2, 3), _conv, optional=(2,)),
    K.DEPTHWISE_CONV_2D: Row((3, 3), _depthwise),  # XNNPACK reads a bias there is not
    K.TRANSPOSE_CONV: Row((3, 4), _transpose_conv, optional=(3,)),
    K.CONV_3D: Row((2, 3), _conv_3d, optional=(2,)),
    K.FULLY_CONNECTED: Row((2, 3), _dense, optional=(2,)),
    K.BATCH_MATMUL: Row((2, 2), _matmul),
    K.SVDF: Row((5, 5), _svdf, optional=(3,)),
}
