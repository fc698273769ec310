"""Where a node's samples come from: a file, a directory, standard input, or a plug-in for a camera or sensor.

A plug-in is an entry point of the group ``edgexai.sources``: a callable without arguments that yields arrays, in a
package of your own:

    [options.entry_points]
    edgexai.sources =
        doorcam = my_package.camera:frames
"""

import sys
import zlib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ConfigError, DataError

Samples = Iterator[NDArray[Any]]

GROUP = "edgexai.sources"


def source(where: str) -> Samples:
    """Samples of a path (see `samples`), of ``-`` (see `stream`), or of ``plugin:NAME``."""
    if where == "-":
        return stream(sys.stdin.buffer)
    if where.startswith("plugin:"):
        return plugin(where.removeprefix("plugin:"))
    return samples(Path(where))


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
    except (ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if x.ndim < 2 or x.dtype.kind not in "iuf":
        raise DataError(f"{path}: x must be numbers of shape (N, …), not {x.dtype} of shape {x.shape}")
    yield from x


def stream(file: IO[bytes]) -> Samples:
    """Samples of .npy arrays that follow one another, one sample each, until the stream ends."""
    while True:
        try:
            yield np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            if "EOF" in str(error) and "expected 8 bytes got 0" in str(error):
                return
            raise DataError(f"the stream of samples is broken: {error}") from None


def plugin(name: str) -> Samples:
    """Samples of an installed plug-in. Raises ConfigError if there is none of that name."""
    found = {e.name: e for e in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ConfigError(f"no source {name!r} is installed (entry points of {GROUP}: {known})")
    yield from found[name].load()()
