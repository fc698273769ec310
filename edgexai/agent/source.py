"""Where a node's samples come from: files, a directory, standard input, a callable, or a plug-in for a sensor.

samples.npz, samples.npy     their x of shape (N, …), or a .csv
directory                    every such file of it, by name; or its images, or its sounds (`edgexai.data`)
watch:directory              and those that come later, as long as the agent runs
-                            .npy arrays on standard input
python:MODULE:FUNCTION       a callable without arguments that yields one array a sample
plugin:NAME                  the same, an entry point of the group ``edgexai.sources`` of an installed package
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgexai.data import READABLE, Input, Preprocessing, one_by_one
from edgexai.errors import ConfigError, DataError

Samples = Iterator[NDArray[Any]]

log = logging.getLogger(__name__)

GROUP = "edgexai.sources"
MOST_BYTES = 64 * 2**20


KINDS = ("plugin:", "python:", "watch:")


def source(where: str, port: Input | None = None, prepare: Preprocessing | None = None) -> Samples:
    """Samples of any of the places above; those of files brought to the unit of the model's input ``port``."""
    if where == "-":
        # not sys.stdin: an interpreter that ends takes the lock of that, which a reader that waits holds
        return stream(open(0, "rb", closefd=False))
    kind, _, rest = where.partition(":")
    if kind == "plugin":
        return plugin(rest)
    if kind == "python":
        return function(rest)
    if kind == "watch":
        return watch(Path(rest), port=port, prepare=prepare)
    return one_by_one(Path(where), port, prepare)


def watch(
    directory: Path,
    every: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    port: Input | None = None,
    prepare: Preprocessing | None = None,
) -> Samples:
    """Samples of the files of a directory, in the order of their names, and of those that come later; without end.

    A file counts once it has its name: write it under another one and rename it. One that cannot be read is logged
    and left out.
    """
    done: set[str] = set()
    while True:
        names = {p.name for p in directory.iterdir() if p.suffix.lower() in READABLE}
        for name in sorted(names - done):
            try:
                yield from one_by_one(directory / name, port, prepare)
            except (DataError, OSError) as error:
                log.warning("a file of samples is left out: %s", error)
        done = names
        sleep(every)


def function(name: str) -> Samples:
    """Samples of ``MODULE:FUNCTION``, found on Python's path. Raises ConfigError if there is no such thing."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"no source {name!r} can be imported ({error}); write python:MODULE:FUNCTION") from None
    if not callable(found):
        raise ConfigError(f"{name} is no function that yields samples")
    return iter(found())


def stream(file: IO[bytes]) -> Samples:
    """Samples of .npy arrays that follow one another, one sample each, until the stream ends.

    Raises DataError for anything else, and for a sample of more than MOST_BYTES, before memory is taken for it.
    """
    while True:
        try:
            version = np.lib.format.read_magic(file)
            header: Any = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                header = np.lib.format.read_array_header_2_0
            shape, fortran, dtype = header(file)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, TokenError) as error:
            if "expected 8 bytes got 0" in str(error):
                return
            raise DataError(f"the stream of samples is broken: {error}") from None
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "iuf" or not 0 < size <= MOST_BYTES:
            raise DataError(
                f"the stream holds an array of {dtype} of shape {shape}; a sample is numbers, at most 64 MiB"
            )
        content = file.read(size)
        if len(content) < size:
            raise DataError(f"the stream of samples is broken: {len(content)} bytes where {size} were to come")
        yield np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def plugin(name: str) -> Samples:
    """Samples of an installed plug-in. Raises ConfigError if there is none of that name."""
    found = {e.name: e for e in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ConfigError(f"no source {name!r} is installed (entry points of {GROUP}: {known})")
    yield from found[name].load()()
