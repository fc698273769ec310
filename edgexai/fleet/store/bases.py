"""The bases of components at hand: the files of a folder, read again when they change.

Two bases of one name that could belong to the same frame would give wrong maps: the second is left out, and said so.
"""

import logging
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from edgexai.errors import FrameError
from edgexai.heatmap.basis import Basis, load

log = logging.getLogger(__name__)

FOLDER = "bases"
"""Of a store."""
MOST_BYTES = 8 << 20

Stamp = tuple[str, int, int]


def at_hand(folder: Path) -> tuple[Basis, ...]:
    """The bases of a folder's ``.basis`` files; none if there is no folder. What cannot be used is logged, once."""
    stamps: list[Stamp] = []
    for path in sorted(folder.glob("*.basis")) if folder.is_dir() else ():
        try:
            about = path.stat()
        except OSError:  # removed meanwhile
            continue
        stamps.append((path.name, about.st_size, about.st_mtime_ns))
    return _read(folder, tuple(stamps))


@lru_cache(maxsize=4)
def _read(folder: Path, stamps: tuple[Stamp, ...]) -> tuple[Basis, ...]:
    found: list[Basis] = []
    for name, size, _ in stamps:
        try:
            if size > MOST_BYTES:
                raise FrameError(f"{size} bytes are more than a basis has")
            one = load((folder / name).read_bytes())
        except (FrameError, OSError) as error:
            log.warning("%s is not used: %s", folder / name, error)
            continue
        if _confused(one, found):
            log.warning(
                "%s is not used: another basis of such maps is named %s too; learn it with one component more or less",
                folder / name,
                one.name.hex(),
            )
            continue
        found.append(one)
    return tuple(found)


def _confused(one: Basis, others: Iterable[Basis]) -> bool:
    return any(one.name == other.name and one.data != other.data and one.fits(*_of(other)) for other in others)


def _of(other: Basis) -> tuple[tuple[int, ...], bytes]:
    return other.shape, other.model if any(other.model) else b""
