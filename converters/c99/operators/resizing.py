"""RESIZE_BILINEAR, with places in 1/1024 of a value."""

from typing import Any

from converters.c99.lowering import Lowering
from converters.c99.schedule import Struct
from edgexai.graph import Op


def resize(low: Lowering, op: Op) -> None:
    """RESIZE_BILINEAR."""
    x, y = op.inputs[0], op.outputs[0]
    before, after = low.tensor(x).shape, low.tensor(y).shape
    if before[0] != 1 or low.scale(x) != low.scale(y):
        raise low.refuse("batches must be of one, and the output's scale the input's")
    parameters: dict[str, Any] = {
        "row": Struct("exai_look", look(op, before[1], after[1])),
        "column": Struct("exai_look", look(op, before[2], after[2])),
        "in_rows": before[1],
        "in_columns": before[2],
        "out_rows": after[1],
        "out_columns": after[2],
        "channels": after[3],
    }
    if any(not 0 < n < 1 << 16 for n in (*before, *after)):
        raise low.refuse("a size beyond 65,535")
    low.call("exai_resize", "exai_resizing", parameters, [low.value(x)], low.new(y))


def look(op: Op, size: int, out: int) -> dict[str, int]:
    """How far outputs lie apart on an axis, and where the first one lies, as the reference kernel rounds them."""
    if op.options.alignCorners and out > 1:
        size, out = size - 1, out - 1
    step = (1024 * size + out // 2) // out
    return {"step": step, "start": step // 2 - 512 if op.options.halfPixelCenters else 0}
