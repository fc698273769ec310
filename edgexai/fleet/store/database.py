"""The journal's file: SQLite that several processes have open, flushed at every commit."""

import random
import sqlite3
import time
from pathlib import Path

from edgexai.errors import ConfigError
from edgexai.fleet.store.format import prepare

_PATIENCE = 30.0  # seconds that one process waits for another's lock


def damaged(path: Path, error: Exception) -> ConfigError:
    """What to do about a journal that cannot be read."""
    return ConfigError(f"{path}: {error}; `edgexai fleet repair --store {path.parent}` saves what there is")


def connect(path: Path) -> sqlite3.Connection:
    """A connection that flushes at every commit, its tables made."""
    db = sqlite3.connect(path, check_same_thread=False, timeout=_PATIENCE, isolation_level=None)
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            prepare(db, path)
            return db
        except sqlite3.OperationalError as error:
            # two that open a new file at once stand in each other's way while it becomes a WAL; SQLite does not wait
            # there, since neither would let go
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                db.close()
                raise
            time.sleep(random.uniform(0.01, 0.05))


class Transaction:
    """BEGIN … COMMIT, or ROLLBACK if the block raises. IMMEDIATE takes the writer's lock at once, so that a worker
    waits for another instead of failing halfway."""

    def __init__(self, db: sqlite3.Connection, kind: str = "IMMEDIATE") -> None:
        self._db, self._kind = db, kind

    def __enter__(self) -> None:
        self._db.execute(f"BEGIN {self._kind}")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # a full disk has rolled back by itself
                self._db.execute("ROLLBACK")
