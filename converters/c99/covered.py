"""Which operators firmware covers: `python -m converters.c99.covered` writes the table of `docs/firmware.md`."""

from converters.c99.back.reading import LAYERS, MEANS, MOVES, POOLS, SAME, SUMS
from converters.c99.lower import TABLE
from converters.c99.operators.floats import FLOATS
from edgexai.graph import OpKind

STATES = {OpKind.VAR_HANDLE, OpKind.READ_VARIABLE, OpKind.ASSIGN_VARIABLE, OpKind.CALL_ONCE}
ENDS = {OpKind.DEQUANTIZE}
"""Explained where they end a model, or begin it."""
BACK = LAYERS | MEANS | MOVES | POOLS | SAME | SUMS | {OpKind.MUL, OpKind.QUANTIZE, OpKind.SOFTMAX, OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM}


def rows() -> list[str]:
    """The table's lines."""
    lines = ["| operator | int8: predict | explain | float32 |", "|---|:---:|:---:|:---:|"]
    for kind in sorted({*TABLE, *FLOATS}, key=lambda kind: kind.name):
        back = "yes" if kind in BACK else "end" if kind in ENDS else "stops" if kind in STATES else ""
        predict = "yes" if kind in TABLE else ""
        lines.append(f"| {kind.name} | {predict} | {back if predict else ''} | {'yes' if kind in FLOATS else ''} |")
    return lines


if __name__ == "__main__":
    print("\n".join(rows()))
