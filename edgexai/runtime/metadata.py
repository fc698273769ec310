"""Reads one metadata entry of a `.tflite` file with nothing but the standard library, as a node has no flatbuffers.

A flatbuffer is tables at offsets: a table starts with the signed distance back to its vtable, which lists for each
field its distance from the table's start (0 if absent). Here: Model.metadata (field 6) → Metadata.name (0) and
.buffer (1) → Model.buffers (field 4) → Buffer.data (0).
"""

import struct

from edgexai.errors import ModelError

BUFFERS, METADATA = 4, 6
NAME, BUFFER = 0, 1
DATA = 0


def metadata(model: bytes, name: str) -> bytes | None:
    """The metadata entry of a model file; None if it has none of that name, ModelError if the file is broken."""
    if len(model) < 8 or model[4:8] != b"TFL3":
        raise ModelError("this is not a TensorFlow Lite file (no TFL3 identifier)")
    try:
        root = u32(model, 0)
        for entry in tables(model, field_at(model, root, METADATA)):
            at = field_at(model, entry, NAME)
            if at is None or _span(model, at, 1)[1] != len(name.encode()) or bytes_at(model, at) != name.encode():
                continue
            index = field_at(model, entry, BUFFER)
            buffers = tables(model, field_at(model, root, BUFFERS))
            data = field_at(model, buffers[0 if index is None else u32(model, index)], DATA)
            return b"" if data is None else bytes_at(model, data)
    except (struct.error, IndexError, ValueError):
        raise ModelError("the model file is broken or cut short; fetch it again") from None
    return None


def u32(model: bytes, at: int) -> int:
    if at < 0:
        raise ValueError("an offset points in front of the file")
    return int(struct.unpack_from("<I", model, at)[0])


def field_at(model: bytes, table: int, field: int) -> int | None:
    """Where a table keeps a field."""
    vtable = table - int(struct.unpack_from("<i", model, table)[0])
    if vtable < 0:
        raise ValueError("a vtable lies in front of the file")
    size = int(struct.unpack_from("<H", model, vtable)[0])
    if 4 + 2 * field >= size:
        return None
    distance = int(struct.unpack_from("<H", model, vtable + 4 + 2 * field)[0])
    return table + distance if distance else None


def _span(model: bytes, at: int, width: int) -> tuple[int, int]:
    """Start and length of the vector that the offset at ``at`` points to."""
    start = at + u32(model, at)
    count = u32(model, start)
    if start + 4 + count * width > len(model):
        raise ValueError("a vector is longer than the file")
    return start + 4, count


def bytes_at(model: bytes, at: int) -> bytes:
    start, count = _span(model, at, 1)
    return model[start : start + count]


def tables(model: bytes, at: int | None) -> list[int]:
    if at is None:
        return []
    start, count = _span(model, at, 4)
    return [start + 4 * i + u32(model, start + 4 * i) for i in range(count)]
