"""Files and folders -> samples; see the package for what they may be.

Arrays and tables hold what the model takes: real numbers in its own unit, or, of its own integer type, its codes.
Images hold 0…255 and sounds -1…1; `Preprocessing` brings those to the model's unit, and arrays too where it was asked
for. What is in another unit by its values is refused: `edgexai.units`.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgexai import npy
from edgexai.data.front_end import spectrogram
from edgexai.data.media import IMAGES, SOUNDS, image, sound
from edgexai.errors import DataError
from edgexai.named import by_input, short
from edgexai.runtime.preprocessing import Preprocessing
from edgexai.units import refuse_misfit

Array = NDArray[Any]
MOST_SAMPLES = 100_000
MOST_BYTES = 2**31
MOST_AT_ONCE = 2**28
"""Of a file that a node cannot read row by row."""
ARRAYS = (".npz", ".npy", ".csv")
READABLE = (*ARRAYS, *IMAGES, *SOUNDS)
CLASS = ("y", "label", "class")


class Input(Protocol):
    """What reading must know of a model's input; a `Port` of the runtime is one. ``scale`` is 0 without any."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def scale(self) -> float: ...
    @property
    def zero_point(self) -> int: ...


def sample_shape(port: Input) -> tuple[int, ...]:
    """Of one sample: the input's without a batch axis of one, if it has that."""
    return port.shape[1:] if len(port.shape) > 1 and port.shape[0] == 1 else port.shape


@dataclass(frozen=True)
class Samples:
    """``x`` (N, …), classes ``y`` (N,) if known, the ``names`` of classes, and ``more`` (N, …) of further inputs."""

    x: Array
    y: Array | None = None
    names: tuple[str, ...] = ()
    more: tuple[Array, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def inputs(self) -> Array | list[Array]:
        """What a model runs on: ``x``, or of several inputs one array each."""
        return [self.x, *self.more] if self.more else self.x


def read(
    path: str | Path,
    port: Input | None = None,
    prepare: Preprocessing | None = None,
    inputs: Sequence[str] = (),
    most: int = MOST_BYTES,
) -> Samples:
    """All samples of a file or folder, for an input of a model (without one: as they are), of at most so many bytes.

    ``inputs`` names all inputs of a model with several: a ``.npz`` holds each by its name, or ``x``, ``x_1``, ….

    Raises DataError if they cannot be read, do not fit, or are in another unit than the model's.
    """
    prepare = prepare or Preprocessing()
    source = Path(path)
    if source.is_dir():
        found = _folder(source, port, prepare)
    elif source.suffix == ".csv":
        if source.stat().st_size > most:
            raise DataError(f"{path} has {source.stat().st_size:,} bytes; at most {most:,} are read")
        found = _table(source, prepare)
    else:
        found = _arrays(source, inputs, prepare, most)
    if not len(found.x):
        raise DataError(f"{path} holds no sample; give some")
    x = found.x
    if prepare.asked and not source.is_dir():
        x = prepare.of(x)
    if port is not None:
        x = _fitted(x, port, str(path), prepare)
    return Samples(x, found.y, prepare.labels or found.names, found.more)


def one_by_one(path: Path, port: Input | None = None, prepare: Preprocessing | None = None) -> Iterator[Array]:
    """The same one after another: files of a folder as they are reached, rows of a ``.npy`` as they are asked for."""
    prepare = prepare or Preprocessing()
    if path.is_dir():
        arrays = sorted(p for p in path.iterdir() if p.suffix in ARRAYS)
        if arrays:
            for file in arrays:
                yield from one_by_one(file, port, prepare)
            return
        for file, _ in media_of(path)[0]:
            yield from one_by_one(file, port, prepare)
        return
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no ordinary file")
    if path.suffix.lower() in (*IMAGES, *SOUNDS):
        yield _fitted(_reader(path, port, prepare)(path)[None], port, str(path), prepare, whole=False)[0]
        return
    if path.suffix != ".npy":
        yield from read(path, port, prepare, most=MOST_AT_ONCE).x
        return
    for row in _open(path):
        x = prepare.of(row[None]) if prepare.asked else row[None]
        yield _fitted(x, port, str(path), prepare, whole=False)[0]


def media_of(folder: Path) -> tuple[list[tuple[Path, int | None]], tuple[str, ...]]:
    """The images or sounds of a folder, each with its class, and what the classes, its sub-folders, are called."""
    known = (*IMAGES, *SOUNDS)
    own = sorted(p for p in folder.iterdir() if p.suffix.lower() in known)
    if own:
        return [(p, None) for p in own], ()
    classes = sorted((p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."), key=_by_number)
    found: list[tuple[Path, int | None]] = []
    for number, place in enumerate(classes):
        found += [(p, number) for p in sorted(place.iterdir()) if p.suffix.lower() in known]
    if not found:
        raise DataError(f"{folder} holds no image ({', '.join(IMAGES)}) and no sound ({', '.join(SOUNDS)})")
    if len(found) > MOST_SAMPLES:
        raise DataError(f"{folder} holds {len(found):,} files; give a folder of at most {MOST_SAMPLES:,}")
    return found, tuple(place.name for place in classes)


def _by_number(place: Path) -> tuple[int, str]:
    """0, 1, 2, … 10 in this order."""
    return (int(place.name), "") if place.name.isdecimal() and len(place.name) < 10 else (10**9, place.name)


def _folder(folder: Path, port: Input | None, prepare: Preprocessing) -> Samples:
    files, classes = media_of(folder)
    if port is not None and len(files) * int(np.prod(port.shape)) * 4 > MOST_BYTES:
        raise DataError(f"the {len(files):,} samples of {folder} take more than 2 GiB; give fewer")
    reader = _reader(files[0][0], port, prepare)
    x = np.stack([reader(file) for file, _ in files])
    if prepare.labels and not any(name in prepare.labels or name.isdecimal() for name in classes):
        return Samples(x, None, prepare.labels)  # sub-folders that are no classes of this model
    y = _numbered([c for _, c in files if c is not None], classes, prepare.labels, str(folder))
    return Samples(x, y if len(y) else None, prepare.labels or classes)


def _numbered(found: Sequence[int], classes: Sequence[str], labels: Sequence[str], where: str) -> NDArray[np.int64]:
    """Numbers of classes: by the model's names where it has some, else in the order of the sub-folders' own."""
    if not labels or not classes:
        return np.array(found, np.int64)
    if all(name.isdecimal() for name in classes):
        return np.array([int(classes[c]) for c in found], np.int64)
    missing = [name for name in classes if name not in labels]
    if missing:
        raise DataError(
            f"{where} has a class {missing[0]!r} that the model's labels lack ({', '.join(labels[:8])}…); rename it, "
            "or give --labels in the model's order"
        )
    return np.array([labels.index(classes[c]) for c in found], np.int64)


def _reader(file: Path, port: Input | None, prepare: Preprocessing) -> Callable[[Path], Array]:
    """What reads a file of this kind for the model's input, in its unit."""
    if port is None:
        raise DataError(f"{file.parent} is a folder of files; they are read for a .tflite model: convert it first")
    shape = sample_shape(port)
    if file.suffix.lower() in IMAGES:
        if port.dtype == np.uint8 and not prepare.asked:
            # the convention of TFLite's task library: the pixels are the codes
            return lambda path: np.ascontiguousarray(image(path, shape)[..., :: -1 if prepare.bgr else 1])
        if not (prepare.known or prepare.asked or port.scale):
            raise DataError(
                f"nothing says in which unit {file.parent} goes into the model: its metadata has no normalization; "
                "give --scale 1 (0…255), --scale 1/255 (0…1) or --mean 127.5 --std 127.5 (-1…1), as it was trained"
            )
        return lambda path: prepare.of(image(path, shape))
    if prepare.front_end is None:
        return lambda path: prepare.of(sound(path, shape, prepare.rate))
    kind, window, stride = prepare.front_end, prepare.window_ms, prepare.stride_ms
    rate = prepare.rate or 16000
    return lambda path: prepare.of(spectrogram(sound(path, None, rate), shape, kind, rate, window, stride))


def _fitted(x: Array, port: Input | None, where: str, prepare: Preprocessing, whole: bool = True) -> Array:
    """In the input's shape, and refused if in another unit; ``whole`` says that these are all samples."""
    if port is None:
        return x
    shape = sample_shape(port)
    if [n for n in x.shape[1:] if n != 1] != [n for n in shape if n != 1] and x[0].size != np.prod(shape):
        return x  # the runtime says what it takes
    x = x.reshape(-1, *shape)
    if x.dtype == port.dtype or port.dtype.kind not in "iu":
        if x.dtype == np.int8 and port.dtype.kind == "f":
            raise DataError(
                f"{where} holds int8, codes of an integer model, and this one takes real numbers; give them as "
                "floats, or say what a code is worth: (x - zero point)·scale is --scale SCALE --mean ZERO_POINT·SCALE"
            )
        return x
    if port.scale and whole:
        refuse_misfit(x.astype(np.float32), port.scale, port.zero_point, port.dtype, where, _said(prepare))
    return x


def _said(prepare: Preprocessing) -> str | None:
    """What the model's metadata says is to be done, as options."""
    if not prepare.known or prepare.asked:
        return None
    mean, std = (",".join(f"{v:g}" for v in values) for values in (prepare.mean, prepare.std))
    return f"the model's metadata says --mean {mean} --std {std}"


def _arrays(path: Path, inputs: Sequence[str], prepare: Preprocessing, most: int) -> Samples:
    if path.suffix == ".npy":
        return Samples(np.asarray(_open(path)))
    if path.suffix != ".npz":
        raise DataError(f"{path}: samples come from .npz, .npy or .csv files, or a folder of images or sounds")
    keys = ["x", *(f"x_{i}" for i in range(1, len(inputs)))]
    names = [*map(short, inputs)] if len(inputs) > 1 else []
    found = npy.members(path, dict.fromkeys([*keys, *inputs, *names, "y"]), most)
    y = found.pop("y") if "y" in found and "y" not in names else None
    if len(inputs) > 1 and "x" not in found.keys() - {*names, *inputs}:
        x, *further = by_input(found, inputs)
        more = tuple(_further(one, name, len(x), path) for one, name in zip(further, names[1:], strict=True))
    else:
        if "x" not in found:
            raise DataError(f"{path} has no array x; save it with numpy.savez({path.name!r}, x=…, y=…)")
        x = found["x"]
        more = tuple(_further(found.get(key), key, len(x), path) for key in keys[1:])
    _numbers(x, path)
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        raise DataError(f"{path} has {len(x)} samples and {y.size} labels; they must be as many")
    if y is not None and y.dtype.kind in "US":
        y, classes = _classes([str(v) for v in y], prepare.labels, str(path))
        return Samples(x, y, classes, more)
    return Samples(x, y, (), more)


def _further(found: Array | None, name: str, count: int, path: Path) -> Array:
    if found is None or found.ndim == 0 or len(found) != count:
        raise DataError(f"the model takes several inputs; {path} needs {name} of {count} samples, too")
    return found


def _open(path: Path) -> Array:
    """The array of a ``.npy``, not yet read into memory."""
    x = npy.opened(path)
    _numbers(x, path)
    return x


def _numbers(x: Array, path: Path) -> None:
    if x.ndim < 2 or x.dtype.kind not in "iuf":
        raise DataError(f"{path}: x must be numbers of shape (N, …), not {x.dtype} of shape {x.shape}")


def _table(path: Path, prepare: Preprocessing) -> Samples:
    """A line a sample; the column ``y``, ``label`` or ``class`` is what it is, the others are features, in order."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no readable CSV file: {error}") from None
    if len(rows) < 2:
        raise DataError(f"{path} holds no sample; the first line names the columns, each further one is a sample")
    head = [name.strip().lower() for name in rows[0]]
    ragged = next((i for i, row in enumerate(rows, 1) if len(row) != len(head)), None)
    if ragged is not None:
        raise DataError(f"{path}, line {ragged}: it has {len(rows[ragged - 1])} values, the first line {len(head)}")
    at = next((head.index(name) for name in CLASS if name in head), None)
    x = np.empty((len(rows) - 1, len(head) - (at is not None)), np.float32)
    for i, row in enumerate(rows[1:]):
        features = row if at is None else row[:at] + row[at + 1 :]
        try:
            x[i] = [float(v) for v in features]
        except ValueError:
            raise DataError(f"{path}, line {i + 2}: a value is no number; fill in what is missing") from None
    if at is None:
        return Samples(x)
    found = [row[at].strip() for row in rows[1:]]
    y, classes = _classes(found, prepare.labels, str(path))
    return Samples(x, y, classes)


def _classes(found: list[str], labels: Sequence[str], where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Classes by name or number -> numbers, and the names."""
    if all(name.lstrip("-").isdecimal() for name in found):
        return np.array([int(name) for name in found], np.int64), ()
    classes = tuple(sorted(set(found)))
    return _numbered([classes.index(name) for name in found], classes, labels, where), classes
