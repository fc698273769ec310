"""Which operators firmware covers: `python -m converters.c99.covered` writes the table of `docs/firmware.md`."""

from converters.c99.back.reading import EXTREMES, LARGEST, LAYERS, MEANS, MOVES, POOLS, PRODUCTS, SAME, SUMS
from converters.c99.lower import TABLE
from converters.c99.operators.floats import FLOATS
from converters.c99.rewriting import INTEGER, ONE_FORM
from converters.c99.rewriting import ROWS as REWRITTEN
from edgexai.graph import OpKind

STATES = {OpKind.VAR_HANDLE, OpKind.READ_VARIABLE, OpKind.ASSIGN_VARIABLE, OpKind.CALL_ONCE}
ENDS = {OpKind.ARG_MAX, OpKind.CAST, OpKind.DEQUANTIZE, OpKind.EMBEDDING_LOOKUP, OpKind.GATHER}
"""Explained where they end a model, or begin it."""
WRITTEN = REWRITTEN.keys() - ONE_FORM
BACK = (
    LAYERS
    | (EXTREMES | LARGEST | MEANS | POOLS | SUMS)
    | (MOVES | SAME | WRITTEN)
    | (PRODUCTS | {OpKind.MUL, OpKind.QUANTIZE, OpKind.SOFTMAX, OpKind.RESIZE_BILINEAR})
    | {OpKind.SVDF, OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM}
)


def rows() -> list[str]:
    """The table's lines."""
    lines = ["| operator | int8: predict | explain | float32 |", "|---|:---:|:---:|:---:|"]
    floats = FLOATS.keys() | (WRITTEN - INTEGER)
    for kind in sorted({*TABLE, *WRITTEN, *floats}, key=lambda kind: kind.name):
        back = "yes" if kind in BACK else "end" if kind in ENDS else "stops" if kind in STATES else ""
        predict = "yes" if kind in TABLE or kind in WRITTEN else ""
        lines.append(f"| {kind.name} | {predict} | {back if predict else ''} | {'yes' if kind in floats else ''} |")
    return lines


if __name__ == "__main__":
    print("\n".join(rows()))
