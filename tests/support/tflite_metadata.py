"""TFLite metadata as TensorFlow's tools write it, built with flatbuffers."""

from collections.abc import Sequence

import flatbuffers
import numpy as np


def described(mean: Sequence[float], std: Sequence[float], rate: int | None = None) -> bytes:
    """ModelMetadata with a normalization of the input, a label file and a score calibration of the output."""
    b = flatbuffers.Builder(256)

    def table(*fields: tuple[str, int, int]) -> int:
        b.StartObject(8)
        for kind, slot, value in fields:
            if kind == "offset":
                b.PrependUOffsetTRelativeSlot(slot, value, 0)
            elif kind == "byte":
                b.PrependUint8Slot(slot, value, 0)
            else:
                b.PrependUint32Slot(slot, value, 0)
        return int(b.EndObject())

    def tables(*found: int) -> int:
        b.StartVector(4, len(found), 4)
        for one in reversed(found):
            b.PrependUOffsetTRelative(one)
        return int(b.EndVector())

    m, s = b.CreateNumpyVector(np.array(mean, "<f4")), b.CreateNumpyVector(np.array(std, "<f4"))
    options = table(("offset", 0, m), ("offset", 1, s))
    unit = table(("byte", 0, 1), ("offset", 1, options))
    input_fields = [("offset", 4, tables(unit))]
    if rate is not None:
        content = table(("byte", 0, 4), ("offset", 1, table(("uint", 0, rate), ("uint", 1, 1))))
        input_fields.append(("offset", 3, content))
    given_input = table(*input_fields)
    labels = table(("offset", 0, b.CreateString("labels.txt")), ("byte", 2, 2))
    scores = table(("offset", 0, b.CreateString("scores.txt")), ("byte", 2, 4))
    calibration = table(("byte", 0, 2), ("offset", 1, table(("byte", 0, 0))))
    output = table(("offset", 4, tables(calibration)), ("offset", 6, tables(labels, scores)))
    sub = table(("offset", 2, tables(given_input)), ("offset", 3, tables(output)))
    b.Finish(table(("offset", 3, tables(sub))), file_identifier=b"M001")
    return bytes(b.Output())
