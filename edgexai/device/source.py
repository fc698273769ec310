"""Where a node's samples come from: an .npz or .npy file, a directory that fills, or any Python iterable."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

Samples = Iterator[NDArray[Any]]


def samples(path: Path) -> Samples:
    """Samples of a ``.npz`` (its ``x``) or ``.npy`` of shape (N, …), or of every such file of a directory, by name.

    Raises DataError for anything else. Nothing is unpickled.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".npz", ".npy"))
        if not files:
            raise DataError(f"{path} holds no .npz or .npy file")
        for file in files:
            yield from samples(file)
        return
    if path.suffix not in (".npz", ".npy"):
        raise DataError(f"{path}: samples come from .npz (key x) or .npy files")
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix == ".npy" else None)
        x = loaded if path.suffix == ".npy" else loaded["x"]
    except KeyError:
        raise DataError(f"{path} has no array x; save the samples under that name") from None
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if x.ndim < 2 or x.dtype.kind not in "iuf":
        raise DataError(f"{path}: x must be numbers of shape (N, …), not {x.dtype} of shape {x.shape}")
    yield from x
