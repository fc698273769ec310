"""Operators that bring many values to fewer or more: pools, sums and means over axes, resizing."""

from collections.abc import Mapping

from edgexai.graph.operators.at import QUANTIZED, At, Row, rows, window
from edgexai.graph.opkind import OpKind as K


def _pool(at: At) -> None:
    n, height, width, depth = at.rank(0, (4,))
    sh, sw, kh, kw = at.positive("strideH", "strideW", "filterHeight", "filterWidth")
    at.same_type(0)
    at.makes((n, window(at, height, kh, sh), window(at, width, kw, sw), depth))


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


def _resize(at: At) -> None:
    at.same_type(0)
    n, _, _, depth = at.rank(0, (4,))
    size = at.constant(1)
    at.ensure(at.shape(1) == (2,), f"has a size of {at.shape(1)}")
    if size is not None:
        at.ensure(bool((size > 0).all()), f"makes {size.tolist()}")
        at.makes((n, *size.tolist(), depth))


ROWS: Mapping[K, Row] = {
    **rows(_pool, 1, K.AVERAGE_POOL_2D, K.MAX_POOL_2D, K.L2_POOL_2D),
    **rows(_reduce, 2, K.MEAN, K.SUM, K.REDUCE_PROD, K.REDUCE_MAX, K.REDUCE_MIN, K.REDUCE_ANY, K.REDUCE_ALL),
    **rows(_resize, 2, K.RESIZE_BILINEAR, K.RESIZE_NEAREST_NEIGHBOR),
}
