"""Where a node's samples come from: files, a directory, standard input, a callable, or a plug-in for a sensor.

samples.npz, samples.npy     their x of shape (N, …), or a .csv
directory                    every such file of it, by name; or its images, or its sounds (`edgexai.data`)
watch:directory              and those that come later, as long as the agent runs
-                            .npy arrays on standard input
python:MODULE:FUNCTION       a callable without arguments that yields one array a sample
plugin:NAME                  the same, an entry point of the group ``edgexai.sources`` of an installed package
"""

import logging
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from edgexai import npy
from edgexai.agent.seldom import Seldom
from edgexai.data import READABLE, Input, Preprocessing, one_by_one
from edgexai.errors import ConfigError, DataError

Samples = Iterator[NDArray[Any]]

log = logging.getLogger(__name__)

GROUP = "edgexai.sources"
MOST_BYTES = 64 * 2**20
"""Of a sample on standard input."""


KINDS = ("plugin:", "python:", "serial:", "watch:")


def source(
    where: str,
    port: Input | None = None,
    prepare: Preprocessing | None = None,
    refused: Callable[[], None] = lambda: None,
) -> Samples:
    """Samples of any of the places above; those of files brought to the unit of the model's input ``port``.

    ``refused`` counts files of a watched directory that are left out.
    """
    if where == "-":
        # not sys.stdin: an interpreter that ends takes the lock of that, which a reader that waits holds
        return stream(open(0, "rb", closefd=False))
    kind, _, rest = where.partition(":")
    if kind == "plugin":
        return plugin(rest)
    if kind == "python":
        return function(rest)
    if kind == "watch":
        return watch(Path(rest), port=port, prepare=prepare, refused=refused)
    return one_by_one(Path(where), port, prepare)


def watch(
    directory: Path,
    every: float = 0.5,
    sleep: Callable[[float], None] = time.sleep,
    port: Input | None = None,
    prepare: Preprocessing | None = None,
    refused: Callable[[], None] = lambda: None,
) -> Samples:
    """Samples of the files of a directory, in the order of their names, and of those that come later; without end.

    A file counts once it has its name: write it under another one and rename it. One that cannot be read is logged,
    left out and counted by ``refused``. A directory that is away is waited for.
    """
    done: set[str] = set()
    seldom = Seldom(log)
    while True:
        try:
            names = {p.name for p in directory.iterdir() if p.suffix.lower() in READABLE}
        except OSError as error:
            seldom.warn(f"{directory} cannot be read", error)
            names = done
        for name in sorted(names - done):
            try:
                yield from one_by_one(directory / name, port, prepare)
            except (DataError, OSError) as error:
                log.warning("a file of samples is left out: %s", error)
                refused()
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
    while (x := npy.array(file, "the stream of samples", MOST_BYTES)) is not None:
        if x.size == 0:
            raise DataError(f"the stream of samples holds an empty array of shape {x.shape}")
        yield x


def plugin(name: str) -> Samples:
    """Samples of an installed plug-in. Raises ConfigError if there is none of that name."""
    found = {e.name: e for e in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise ConfigError(f"no source {name!r} is installed (entry points of {GROUP}: {known})")
    yield from found[name].load()()
