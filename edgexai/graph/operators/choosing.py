"""Operators that take some values by where they lie: slices, gathering, scattering, places of extremes."""

from collections.abc import Mapping

import numpy as np

from edgexai.graph.ir import DType
from edgexai.graph.operators.at import At, Row, rows
from edgexai.graph.opkind import OpKind as K


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


def _arg(at: At) -> None:
    shape, axes = at.shape(), at.constant(1)
    at.ensure(at.output().dtype in (DType.INT32, DType.INT64), f"makes {at.output().dtype.name}")
    at.ensure(int(np.prod(at.shape(1))) == 1, "goes along several axes")
    if axes is not None:
        axis = at.axis(int(axes[0]), len(shape))
        at.makes((*shape[:axis], *shape[axis + 1 :]))


ROWS: Mapping[K, Row] = {
    **rows(_slice, 3, K.SLICE, full=False),
    **rows(_strided_slice, 4, K.STRIDED_SLICE, full=False),
    **rows(_gather, 2, K.GATHER, full=False),
    **rows(_gather_nd, 2, K.GATHER_ND, full=False),
    **rows(_scatter_nd, 3, K.SCATTER_ND, full=False),
    **rows(_arg, 2, K.ARG_MAX, K.ARG_MIN),
}
