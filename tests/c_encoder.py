"""The C encoder behind ctypes: built once with the host's compiler, under its sanitizers' eyes in a process of its own."""

import ctypes as ct
import functools
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import edgexai.heatmap
from edgexai.heatmap import Fields, Heatmap
from edgexai.heatmap.layout import EPOCH, _pack_fields

SOURCES = Path(edgexai.heatmap.__file__).parent / "c"
ERRORS = {-1: "shape", -2: "values", -3: "budget", -4: "space", -5: "header"}
TYPES = {"float32": 0, "int32": 1, "int16": 2}


class Map(ct.Structure):
    _fields_ = [
        ("values", ct.c_void_p),
        ("target", ct.c_int32),
        ("score", ct.c_float),
        ("conservation", ct.c_float),
        ("has_conservation", ct.c_uint8),
    ]


class Field(ct.Structure):
    _fields_ = [("type", ct.c_uint8), ("size", ct.c_uint8), ("content", ct.c_char_p)]


class Frame(ct.Structure):
    _fields_ = [
        ("maps", ct.POINTER(Map)),
        ("count", ct.c_uint8),
        ("axes", ct.c_uint8),
        ("shape", ct.c_uint16 * 3),
        ("type", ct.c_int),
        ("exponent", ct.c_int8),
        ("model_size", ct.c_uint8),
        ("model", ct.c_char_p),
        ("sequence", ct.c_uint64),
        ("seconds", ct.c_uint32),
        ("milliseconds", ct.c_uint16),
        ("field_count", ct.c_uint8),
        ("phase", ct.c_uint8),
        ("fields", ct.POINTER(Field)),
    ]


@functools.cache
def library() -> ct.CDLL:
    """The encoder as a shared library."""
    path = Path(tempfile.mkdtemp(prefix="edgexai-c-")) / "encoder.so"
    command = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", "-o", str(path), str(SOURCES / "edgexai_heatmap.c")]
    subprocess.run(command, check=True)
    return ct.CDLL(str(path))


def small_fields(fields: Fields | None) -> list[tuple[int, bytes]]:
    """Type and content of each small field, in the order of the frame."""
    packed, found = _pack_fields(fields or Fields()), []
    while len(packed) > 1:
        size, start = packed[0] & 15, 1
        if size == 15:
            size, start = packed[1], 2
        found.append((packed[0] >> 4, packed[start : start + size]))
        packed = packed[start + size :]
    return found


def encode(
    relevance: np.ndarray,
    *,
    budget: int | None = None,
    model: bytes = b"",
    sequence: int = 0,
    time: float = EPOCH,
    target: int = 0,
    score: float = 0.0,
    conservation: float | None = None,
    fields: Fields | None = None,
    more: Sequence[Heatmap] = (),
    exponent: int = 0,
    phase: int = 0,
    capacity: int = 1 << 20,
) -> bytes:
    """As `edgexai.encode`; ValueError names the encoder's error."""
    wanted = [Heatmap(relevance, target, score, conservation), *more]
    kept = [np.ascontiguousarray(one.map) for one in wanted]
    maps = (Map * len(wanted))(
        *(
            Map(values.ctypes.data, one.target, one.score, one.conservation or 0.0, one.conservation is not None)
            for one, values in zip(wanted, kept, strict=True)
        )
    )
    items = [Field(kind, len(content), content) for kind, content in small_fields(fields)]
    shape = (ct.c_uint16 * 3)(*relevance.shape[:3])
    thousandths = round((time - EPOCH) * 1000)
    frame = Frame(
        maps, len(wanted), relevance.ndim, shape, TYPES[relevance.dtype.name], exponent, len(model), model,
        sequence, thousandths // 1000, thousandths % 1000, len(items), phase, (Field * max(1, len(items)))(*items),
    )  # fmt: skip
    work, state = (ct.c_int32 * max(1, relevance.size))(), ct.create_string_buffer(4096)
    out = ct.create_string_buffer(capacity)
    size: Any = library().edgexai_heatmap_encode(
        ct.byref(frame), work, state, out, ct.c_size_t(capacity), ct.c_size_t(budget or 0)
    )
    if size < 0:
        raise ValueError(ERRORS[size])
    return out.raw[:size]
