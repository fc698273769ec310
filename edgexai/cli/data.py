"""Reads the `.npz` files that the verbs take: `x` (N, …), and `y` (N,) where labels are used."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError


def samples(path: str | Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """x, and y if the file has it; DataError if it is no such file, holds objects, or the two do not fit."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if "x" not in file:
                raise DataError(f"{path} has no array x; save it with numpy.savez({Path(path).name!r}, x=…, y=…)")
            x, y = file["x"], file.get("y")
    except (ValueError, zipfile.BadZipFile, EOFError, AttributeError) as error:
        raise DataError(f"{path} is not a readable .npz file of plain arrays; save it with numpy.savez") from error
    if y is not None and len(y) != len(x):
        raise DataError(f"{path} has {len(x)} samples and {len(y)} labels; they must be as many")
    return x, y


def further(path: str | Path, count: int, samples: int) -> list[NDArray[Any]]:
    """x_1, x_2, …: the samples of a model's further inputs; DataError if the file lacks one of them."""
    names = [f"x_{i}" for i in range(1, count)]
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in names if name not in file or len(file[name]) != samples]
        if missing:
            raise DataError(
                f"the model takes {count} inputs; {path} needs {', '.join(missing)} of {samples} samples, too"
            )
        return [file[name] for name in names]


def fitted(path: str | Path, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The same, x in the model's shape: (N, 49, 10) for an input of (49, 10, 1); pixels as real numbers."""
    x, y = samples(path)
    if len(x) and x[0].size == np.prod(shape):
        x = x.reshape(-1, *shape)
    return (x.astype(np.float32) if x.dtype == np.uint8 else x), y
