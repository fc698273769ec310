"""What a model wants done to pixels or sounds before it sees them: from its own TFLite metadata, or from options.

TFLite metadata is a flatbuffer in the entry ``TFLITE_METADATA`` (tensorflow/tflite-support,
``metadata_schema.fbs``); the label files that it names lie in a zip archive behind the model.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.archive import MOST_BYTES, unpacked
from edgexai.errors import DataError, ModelError
from edgexai.runtime.metadata import bytes_at, field_at, metadata, tables, u32

ENTRY = "TFLITE_METADATA"
SUBGRAPHS, INPUTS, OUTPUTS = 3, 2, 3
CONTENT, UNITS, FILES = 3, 4, 6
NORMALIZATION, CALIBRATION = 1, 2
AUDIO = 4
AXIS_LABELS, VALUE_LABELS, SCORES = 2, 3, 4


@dataclass(frozen=True)
class Calibration:
    """Score calibration of TFLite metadata: p = scale / (1 + exp(-(slope·t(s) + offset))), a row a class.

    ``transform`` is 0 (t(s) = s), 1 (log s) or 2 (log s - log(1 - s)); rows are (scale, slope, offset).
    """

    rows: tuple[tuple[float, float, float] | None, ...]
    transform: int = 0
    default: float = 0.0

    def of(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        """Calibrated scores (N,) of scores (N,)."""
        found = np.full(len(scores), self.default)
        for i, (score, row) in enumerate(zip(np.asarray(scores, np.float64), self.rows, strict=False)):
            if row is None:
                continue
            with np.errstate(divide="ignore"):
                t = (score, np.log(score), np.log(score) - np.log1p(-score))[self.transform]
            scale, slope, offset = row
            found[i] = scale / (1 + np.exp(-np.clip(slope * t + offset, -700, 700)))
        return found


@dataclass(frozen=True)
class Preprocessing:
    """(raw · scale - mean) / std, a number a channel or one for all; and what the classes are called.

    ``bgr`` turns the channels of images around; ``rate`` is that of sounds in Hz; ``front_end`` makes spectrograms of
    them (`edgexai.data.front_end`). ``asked`` says that options gave it: arrays are then raw, too, not only pixels.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    bgr: bool = False
    labels: tuple[str, ...] = ()
    calibration: Calibration | None = None
    rate: int | None = None
    front_end: str | None = None
    window_ms: float = 30.0
    stride_ms: float = 20.0
    known: bool = field(default=False)
    asked: bool = field(default=False)

    def of(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Samples (N, …, channels) in the model's unit. Raises DataError if there are as many means as no axis has."""
        values = raw.astype(np.float32) * np.float32(self.scale)
        count = max(len(self.mean), len(self.std))
        if count > 1 and raw.shape[-1] != count:
            raise DataError(f"there are {count} values of mean or std, but samples have {raw.shape[-1]} channels")
        if self.bgr:
            values = values[..., ::-1]
        return np.asarray((values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32))

    def name(self, target: int) -> str:
        """What a class is called: its number where nobody says."""
        return self.labels[target] if 0 <= target < len(self.labels) else str(target)


def preprocessing(content: bytes) -> Preprocessing:
    """What a `.tflite` file says of its first input and its classes; ModelError if its metadata is broken."""
    raw = metadata(content, ENTRY)
    if raw is None:
        return Preprocessing()
    try:
        return _read(raw, unpacked(content))
    except (struct.error, IndexError, ValueError, UnicodeDecodeError):
        raise ModelError("the model's TFLite metadata is broken; give --mean, --std and --labels instead") from None


def _read(raw: bytes, files: dict[str, bytes]) -> Preprocessing:
    found = Preprocessing()
    graph = tables(raw, field_at(raw, u32(raw, 0), SUBGRAPHS))[0]
    for tensor in tables(raw, field_at(raw, graph, INPUTS))[:1]:
        for kind, options in _units(raw, tensor):
            if kind == NORMALIZATION:
                mean, std = (_floats(raw, field_at(raw, options, i)) for i in (0, 1))
                if mean and std and all(s != 0 for s in std):
                    found = replace(found, mean=mean, std=std, known=True)
        found = replace(found, rate=_rate(raw, tensor))
    for tensor in tables(raw, field_at(raw, graph, OUTPUTS)):
        for name, kind in _files(raw, tensor):
            if kind in (AXIS_LABELS, VALUE_LABELS) and name in files and not found.labels:
                found = replace(found, labels=_lines(files[name]))
            if kind == SCORES and name in files:
                found = replace(found, calibration=_calibration(raw, tensor, files[name]))
    return found


def _units(raw: bytes, tensor: int) -> list[tuple[int, int]]:
    """(type, table) of the process units of a tensor."""
    units = []
    for unit in tables(raw, field_at(raw, tensor, UNITS)):
        kind, options = field_at(raw, unit, 0), field_at(raw, unit, 1)
        if kind is not None and options is not None:
            units.append((raw[kind], options + u32(raw, options)))
    return units


def _files(raw: bytes, tensor: int) -> list[tuple[str, int]]:
    """(name, type) of the files that belong to a tensor."""
    named = []
    for file in tables(raw, field_at(raw, tensor, FILES)):
        name, kind = field_at(raw, file, 0), field_at(raw, file, 2)
        if name is not None:
            named.append((bytes_at(raw, name).decode(), 0 if kind is None else raw[kind]))
    return named


def _floats(raw: bytes, at: int | None) -> tuple[float, ...]:
    if at is None:
        return ()
    start = at + u32(raw, at)
    count = u32(raw, start)
    if start + 4 + 4 * count > len(raw):
        raise ValueError("a vector is longer than the metadata")
    return tuple(float(v) for v in np.frombuffer(raw, "<f4", count, start + 4))


def _rate(raw: bytes, tensor: int) -> int | None:
    """Samples a second of an input that is sound."""
    at = field_at(raw, tensor, CONTENT)
    if at is None:
        return None
    content = at + u32(raw, at)
    kind, properties = field_at(raw, content, 0), field_at(raw, content, 1)
    if kind is None or properties is None or raw[kind] != AUDIO:
        return None
    rate = field_at(raw, properties + u32(raw, properties), 0)
    return None if rate is None else u32(raw, rate)


def _calibration(raw: bytes, tensor: int, file: bytes) -> Calibration | None:
    """Rows "scale,slope,offset" of the file, an empty line where a class has none."""
    for kind, options in _units(raw, tensor):
        if kind == CALIBRATION:
            how, default = field_at(raw, options, 0), field_at(raw, options, 1)
            rows: list[tuple[float, float, float] | None] = []
            for line in file.decode().splitlines():
                parts = [float(p) for p in line.split(",")] if line.strip() else []
                rows.append((parts[0], parts[1], parts[2]) if len(parts) >= 3 else None)
            start = 0.0 if default is None else float(struct.unpack_from("<f", raw, default)[0])
            transform = 0 if how is None else raw[how]
            return Calibration(tuple(rows), transform if transform < 3 else 0, start)
    return None


def _lines(file: bytes) -> tuple[str, ...]:
    return tuple(line.strip() for line in file.decode("utf-8", "replace").splitlines())


def numbers(text: str) -> tuple[float, ...]:
    """Numbers of an option, by commas, as in ``0.485,0.456,0.406`` or ``1/255``; DataError for anything else."""
    found = []
    for part in text.split(","):
        above, _, below = part.partition("/")
        try:
            found.append(float(above) / float(below or 1))
        except (ValueError, ZeroDivisionError):
            raise DataError(f"{text!r} is not a number; write 127.5, 1/255, or one a channel by commas") from None
    if not np.all(np.isfinite(found)):
        raise DataError(f"{text!r} is not finite")
    return tuple(found)


def names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Class names: of a file, one a line, or by commas."""
    if not isinstance(given, str):
        return tuple(given)
    if given.endswith((".txt", ".names", ".labels")):
        with open(given, "rb") as file:
            return _lines(file.read(MOST_BYTES))
    return tuple(part.strip() for part in given.split(","))
