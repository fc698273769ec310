"""Data files: `.npz` with ``x`` (N, …) and, where labels are used, ``y`` (N,)."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError


@dataclass(frozen=True)
class Data:
    """Samples, and their class indices if the file has them."""

    x: NDArray[Any]
    y: NDArray[np.int64] | None


def load_data(path: str | Path) -> Data:
    """Read a data file; DataError if it is not one, OSError if it cannot be opened."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "x" not in arrays:
                raise DataError(
                    f"{path} has no array 'x' (it has: {', '.join(arrays) or 'none'}); save np.savez(…, x=…)"
                )
            x = arrays["x"]
            y = arrays.get("y")
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not an .npz file of plain arrays; write it with numpy.savez") from error
    if x.ndim < 2 or x.dtype.kind not in "iuf":
        raise DataError(f"'x' in {path} is {x.dtype} of shape {x.shape}; it must be numbers (N, …)")
    if y is not None and (y.shape != x.shape[:1] or y.dtype.kind not in "iu"):
        raise DataError(f"'y' in {path} is {y.dtype} of shape {y.shape}; it must be {len(x)} class indices")
    return Data(x, None if y is None else y.astype(np.int64))
