"""Operators that move values and keep them: shapes, joins, splits, borders, blocks."""

from collections.abc import Mapping

import numpy as np

from edgexai.graph.operators.at import MANY, At, Row, rows, spread
from edgexai.graph.opkind import OpKind as K


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
        at.ensure(len(shape) <= 8 and spread(at, at.shape(), shape) == shape, f"spreads {at.shape()} over {shape}")
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


def _along(at: At) -> None:
    at.same_type(0)
    for axis in at.constant(1) if at.given(1) and at.input(1).is_constant else ():  # type: ignore[union-attr]
        at.axis(int(axis), len(at.shape()))
    at.makes(at.shape())


ROWS: Mapping[K, Row] = {
    K.RESHAPE: Row((1, 2), _reshape, full=False),
    **rows(_transpose, 2, K.TRANSPOSE, full=False),
    K.CONCATENATION: Row((1, MANY), _concatenation, full=False),
    K.PACK: Row((1, MANY), _pack, full=False),
    K.UNPACK: Row((1, 1), _unpack, outputs=None),
    K.SPLIT: Row((2, 2), _split, outputs=None),
    K.SPLIT_V: Row((3, 3), _split, outputs=None, full=False),
    **rows(_pad, 2, K.PAD, K.MIRROR_PAD, full=False),
    **rows(_pad, 3, K.PADV2, full=False),
    **rows(_squeeze, 1, K.SQUEEZE, full=False),
    **rows(_expand, 2, K.EXPAND_DIMS, full=False),
    **rows(_tile, 2, K.TILE, full=False),
    **rows(_broadcast_to, 2, K.BROADCAST_TO, full=False),
    **rows(_blocks, 1, K.DEPTH_TO_SPACE, K.SPACE_TO_DEPTH),
    **rows(_batches, 3, K.SPACE_TO_BATCH_ND, K.BATCH_TO_SPACE_ND),
    **rows(_along, 2, K.CUMSUM, K.REVERSE_V2),
}
