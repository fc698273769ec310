"""Files that nobody else may read."""

import contextlib
import os
from pathlib import Path


def private_database(path: Path) -> None:
    """Let only the owner read an SQLite file that is or will be there; SQLite gives its other files the same mode.

    A file that is there is not opened: closing it would give up the locks of every connection that this process has to
    it (POSIX), and the next process that ends would take it for the last one and remove the log that is written to.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            os.chmod(f"{path}{suffix}", 0o600)
