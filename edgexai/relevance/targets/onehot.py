"""(1, count) float32 with a 1 at one index: how a target is chosen from outputs of any number.

Beyond a few thousand outputs (a class a pixel has millions) as the product of a row and a column, each with its 1, so
that it takes bytes in proportion to the root of their number.
"""

from math import ceil, isqrt

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Builder, DType, OpKind

FEW = 1 << 12


def fixed(build: Builder, index: int, count: int) -> int:
    """The 1 at a known index."""
    if count <= FEW:
        return build.const(_row(index, count)[None])
    columns = _columns(count)
    row = build.const(_row(index // columns, ceil(count / columns))[:, None])
    return _product(build, row, build.const(_row(index % columns, columns)[None]), count)


def computed(build: Builder, index: int, count: int) -> int:
    """The 1 at an index (1,) int32 that is computed: relu(1 - (i - index)²), because TFLite Micro lacks ONE_HOT."""
    if count <= FEW:
        return _near(build, index, count)
    columns = _columns(count)
    row = build.op(OpKind.FLOOR_DIV, [index, build.const([columns])], (1,), None, dtype=DType.INT32)
    start = build.op(OpKind.MUL, [row, build.const([columns])], (1,), schema.MulOptionsT(), dtype=DType.INT32)
    column = build.op(OpKind.SUB, [index, start], (1,), schema.SubOptionsT(), dtype=DType.INT32)
    rows = ceil(count / columns)
    return _product(build, build.reshape(_near(build, row, rows), (rows, 1)), _near(build, column, columns), count)


def _columns(count: int) -> int:
    return isqrt(count - 1) + 1


def _row(index: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    row = np.zeros(count, np.float32)
    row[index] = 1
    return row


def _near(build: Builder, index: int, count: int) -> int:
    positions = build.const(np.arange(count, dtype=np.float32)[None])
    distance = build.sub(positions, build.cast(index, DType.FLOAT32))
    return build.sub(build.const(1.0), build.mul(distance, distance), "RELU")


def _product(build: Builder, row: int, column: int, count: int) -> int:
    both = build.mul(row, column)
    size = build.shape(both)[0] * build.shape(both)[1]
    return build.slice(build.reshape(both, (1, size)), (0, 0), (1, count))
