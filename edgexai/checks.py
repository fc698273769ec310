"""What public functions take, checked where they are entered: a value as it shall be, or one sentence.

Every check returns what it was given in its right type, and raises ``kind`` (ConfigError unless said) with the name of
the argument, what was given and what to write. True is no number, and NaN is none either.
"""

import math
from collections.abc import Callable, Collection, Sequence
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ConfigError, DataError, Error, FileError, MissingFile

T = TypeVar("T")
LARGEST: Any = 2**1023
"""Whole numbers beyond are no floats."""


def whole_number(
    name: str, value: Any, least: int | None = None, most: int | None = None, kind: type[Error] = ConfigError
) -> int:
    """A whole number within bounds, numpy's too."""
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not fits or (least is not None and value < least) or (most is not None and value > most):
        raise kind(f"{name} is {told(value)}; give a whole number{_bounds(least, most)}")
    return int(value)


def finite_number(
    name: str, value: Any, least: float | None = None, most: float | None = None, kind: type[Error] = ConfigError
) -> float:
    """A finite real number within bounds, numpy's too."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    fits = is_real and abs(value) < LARGEST and math.isfinite(value)
    if not fits or (least is not None and value < least) or (most is not None and value > most):
        raise kind(f"{name} is {told(value)}; give a finite number{_bounds(least, most)}")
    return float(value)


def true_or_false(name: str, value: Any, kind: type[Error] = ConfigError) -> bool:
    """True or False, nothing that only counts as one of them."""
    if not isinstance(value, bool | np.bool_):
        raise kind(f"{name} is {told(value)}; give True or False")
    return bool(value)


def one_of(name: str, value: Any, known: Collection[str], kind: type[Error] = ConfigError) -> str:
    """One of some words."""
    if not isinstance(value, str) or value not in known:
        raise kind(f"{name} {told(value)} is not known; use one of {', '.join(map(repr, known))}")
    return value


def of_type(
    name: str, value: Any, kinds: type[T] | tuple[type[T], ...], hint: str, kind: type[Error] = ConfigError
) -> T:
    """An object of some class; ``hint`` says which, and how one gets it."""
    if not isinstance(value, kinds):
        raise kind(f"{name} is {hint}, not {told(value)}")
    return value


def one_sequence(name: str, value: Any, kind: type[Error] = ConfigError) -> Sequence[Any]:
    """A list or tuple, no text."""
    if not isinstance(value, list | tuple):
        raise kind(f"{name} is {told(value)}; give a list or a tuple")
    return value


def function_or_none(name: str, value: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Something to call, or None."""
    if value is not None and not callable(value):
        raise ConfigError(f"{name} is {told(value)}; give a function, or leave it out")
    return value


def real_array(what: str, value: Any, kinds: str = "biuf", kind: type[Error] = DataError) -> NDArray[Any]:
    """An array of plain real numbers: no ragged lists, no texts, no complex numbers, no objects."""
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise kind(f"{what} is no array: its rows differ in length or hold no numbers; give them equal ones") from None
    if value is None or found.dtype.kind not in kinds:
        given = f"an array of {found.dtype}" if found.ndim and found.dtype.kind != "O" else told(value)
        raise kind(f"{what} is an array of real numbers, not {given}; convert it to floats or integers")
    return found


def file_path(name: str, value: Any) -> Path:
    """A path that a file system can have."""
    if not isinstance(value, str | PathLike) or not str(value) or "\0" in str(value):
        raise ConfigError(
            f"{name} is {told(str(value) if isinstance(value, PathLike) else value)}; give the path of a file"
        )
    return Path(value)


def file_content(name: str, value: Any) -> bytes:
    """The bytes of a file. Raises MissingFile or FileError, which are OSErrors too."""
    source = file_path(name, value)
    try:
        return source.read_bytes()
    except OSError as error:
        raise unopened(source, error) from None


def unopened(source: Path, error: OSError) -> FileError:
    """What is to be said of a file that cannot be read or written."""
    if isinstance(error, FileNotFoundError):
        return MissingFile(f"{source} does not exist; check the path, relative to {_here()}")
    if isinstance(error, IsADirectoryError):
        return FileError(f"{source} is a folder; give the path of a file")
    if isinstance(error, FileExistsError | NotADirectoryError):
        return FileError(f"{source} cannot be used: a file is where a folder should be; give another path")
    return FileError(f"{source} cannot be opened: {error.strerror or error}; give another path")


def told(value: Any) -> str:
    """A value as a message shows it: short, and what it is where it is long."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # an object of somebody else's says of itself what it likes
        text = ""
    return text if 0 < len(text) <= 80 and "\n" not in text else f"an object of type {type(value).__name__}"


def _bounds(least: float | None, most: float | None) -> str:
    if least is None and most is None:
        return ""
    if most is None:
        return f" of at least {least:g}"
    return f" of at most {most:g}" if least is None else f" from {least:g} to {most:g}"


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "the current folder"
