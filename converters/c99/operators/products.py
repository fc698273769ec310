"""BATCH_MATMUL: products of matrices of which one may be constant."""

from math import prod
from typing import Any

import numpy as np

from converters.c99 import fixed
from converters.c99.lowering import Lowering
from converters.c99.operators.moves import strides_of
from edgexai.graph import Op

DEEPEST = 1 << 14
"""Products that a sum of 32 bits takes."""


def matmul(low: Lowering, op: Op) -> None:
    """BATCH_MATMUL."""
    (a, b), y = op.inputs, op.outputs[0]
    left, right, batch = strides(low, op)
    out = low.tensor(y).shape
    depth = prod(low.tensor(a).shape[-2:]) // out[-2]
    if len(batch) > 3 or depth > DEEPEST or max(out) >= 1 << 16:
        raise low.refuse(f"more than three axes of batches, or sums of more than {DEEPEST:,} products")
    product = np.float32(low.scale(a)[0]) * np.float32(low.scale(b)[0])  # in float32, as the reference kernel
    m, shift = fixed.multiplier(float(product) / low.scale(y)[0])
    alone = [(1, 0, 0)] * (3 - len(batch)) + batch
    parameters: dict[str, Any] = {
        "count": [n for n, _, _ in alone],
        "batch_a": [by for _, by, _ in alone],
        "batch_b": [by for _, _, by in alone],
        "row_a": left[0],
        "depth_a": left[1],
        "depth_b": right[0],
        "column_b": right[1],
        "rows": out[-2],
        "columns": out[-1],
        "depth": depth,
        "multiplier": m,
        "shift": shift,
        "zero_a": low.scale(a)[1],
        "zero_b": low.scale(b)[1],
        "zero": low.scale(y)[1],
    }
    room = 2 * (-(-depth // 4) * 4) + depth
    low.call("exai_matmul", "exai_product", parameters, [low.value(a), low.value(b)], low.new(y), scratch=room)


def strides(low: Lowering, op: Op) -> tuple[tuple[int, int], tuple[int, int], list[tuple[int, int, int]]]:
    """Strides of rows and depth on the left, of depth and columns on the right; (count, strides) of each batch."""
    shapes = [low.tensor(t).shape for t in op.inputs]
    out = low.tensor(op.outputs[0]).shape
    found = []
    for shape in shapes:
        wide = (1,) * (len(out) - len(shape)) + tuple(shape)
        steps = strides_of(wide)
        found.append([0 if n == 1 else by for n, by in zip(wide[:-2], steps, strict=False)] + steps[-2:])
    left, right = ((by[-2], by[-1]) for by in found)
    batch = [(n, found[0][k], found[1][k]) for k, n in enumerate(out[:-2]) if n > 1]
    return left[::-1] if op.options.adjX else left, right[::-1] if op.options.adjY else right, batch
