"""Files of JSON lines that only grow: a line is on the disk before it counts, and half a line of a crash is no loss."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgexai.errors import DataError

MOST_BYTES = 64 << 20


def append(path: Path, row: dict[str, Any]) -> None:
    """Add a line; it is on the disk when this returns. DataError if the file is full, OSError if the disk is."""
    line = (json.dumps(row) + "\n").encode()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size + len(line) > MOST_BYTES:
            raise DataError(f"{path} is full; move it away")
        if size and os.pread(handle, 1, size - 1) != b"\n":  # a crash left half a line, which must not take this one
            line = b"\n" + line
        if os.write(handle, line) < len(line):
            raise OSError(errno.ENOSPC, "the disk is full")
        os.fsync(handle)
    finally:
        os.close(handle)


def rows(path: Path) -> Iterator[Any]:
    """Every whole line, oldest first; none where there is no file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content.split(b"\n"):
        try:
            yield json.loads(line)
        except ValueError:
            continue
