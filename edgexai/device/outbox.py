"""The outbox: what a node has accepted for sending, on disk until its receipt.

SQLite in WAL mode with a flush at every commit: a frame that `append` has returned for survives SIGKILL and power
loss. It leaves when it is confirmed, or when the bounds in bytes and age say so; what goes then is counted.
"""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgexai.errors import ConfigError, Error

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    sequence INTEGER PRIMARY KEY,
    created REAL NOT NULL,
    value REAL NOT NULL,
    payload BLOB NOT NULL
);
"""


class OutboxFull(Error):
    """The disk takes no more; the frame was not accepted."""


@dataclass(frozen=True)
class Item:
    """A frame that waits: its sequence number and its bytes."""

    sequence: int
    payload: bytes


class Outbox:
    """Frames of one node by sequence number, in a file of ``directory`` (in memory if that is None).

    ``max_bytes`` and ``max_age`` (seconds) bound what waits: the oldest of the least valuable goes first.
    Calls are safe from several threads.
    """

    def __init__(
        self,
        directory: Path | None,
        max_bytes: int = 16 * 2**20,
        max_age: float = 7 * 86400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_bytes < 4096:
            raise ConfigError(f"an outbox of {max_bytes} bytes is too small; give it at least 4096")
        self.max_bytes, self.max_age = max_bytes, max_age
        self.dropped = 0
        self.repaired: str | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._db = self._open(directory)
        self.boot = self._meta("boot") or self._start_counting()
        self._next = int(self._meta("next") or 0)
        self._bytes = int(self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM message").fetchone()[0])

    @property
    def next_sequence(self) -> int:
        """The number that the next frame will have."""
        return self._next

    def append(self, payload: bytes, value: float = 0.0) -> int:
        """Accept a frame and return its sequence number; it is on disk then. Raises OutboxFull if the disk is full."""
        with self._lock:
            sequence = self._next
            try:
                with self._db:
                    self._make_room(len(payload))
                    self._db.execute(
                        "INSERT INTO message VALUES (?, ?, ?, ?)", (sequence, self._clock(), value, payload)
                    )
                    self._db.execute("REPLACE INTO meta VALUES ('next', ?)", (str(sequence + 1),))
            except sqlite3.OperationalError as error:
                self._recount()
                raise OutboxFull(f"the outbox cannot write ({error}); free some disk") from error
            self._next, self._bytes = sequence + 1, self._bytes + len(payload)
            return sequence

    def after(self, sequence: int, limit: int) -> list[Item]:
        """The oldest waiting frames beyond a sequence number (-1: all), at most ``limit``."""
        with self._lock:
            rows = self._db.execute(
                "SELECT sequence, payload FROM message WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit)
            )
            return [Item(*row) for row in rows]

    def confirm(self, first: int, last: int) -> int:
        """Forget the frames of a range, both ends included; how many there were."""
        with self._lock:
            try:
                with self._db:
                    gone = self._db.execute(
                        "DELETE FROM message WHERE sequence BETWEEN ? AND ? RETURNING length(payload)", (first, last)
                    ).fetchall()
            except sqlite3.OperationalError:  # a full disk: they stay, are sent once more and dropped by the store
                return 0
            self._bytes -= sum(n for (n,) in gone)
            return len(gone)

    def depth(self) -> tuple[int, int]:
        """How many frames wait, and their bytes."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM message").fetchone()[0]), self._bytes

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()

    def _make_room(self, wanted: int) -> None:
        gone = self._db.execute(
            "DELETE FROM message WHERE created < ? RETURNING length(payload)", (self._clock() - self.max_age,)
        ).fetchall()
        while self._bytes - sum(n for (n,) in gone) + wanted > self.max_bytes:
            victim = self._db.execute(
                "DELETE FROM message WHERE sequence = (SELECT sequence FROM message ORDER BY value, sequence LIMIT 1)"
                " RETURNING length(payload)"
            ).fetchone()
            if victim is None:
                break
            gone.append(victim)
        self._bytes -= sum(n for (n,) in gone)
        self.dropped += len(gone)

    def _recount(self) -> None:
        self._bytes = int(self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM message").fetchone()[0])

    def _open(self, directory: Path | None) -> sqlite3.Connection:
        if directory is None:
            return _connect(":memory:")
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "outbox.db"
        try:
            db = _connect(str(path))
            if db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return db
            db.close()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise ConfigError(f"{path}: {error}; give the agent a --state directory that it may write") from error
        aside = path.with_name(f"outbox-damaged-{secrets.token_hex(4)}.db")
        for suffix in ("", "-wal", "-shm"):
            if Path(f"{path}{suffix}").exists():
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        self.repaired = f"the outbox was damaged and lies in {aside.name}; a new one was started"
        return _connect(str(path))

    def _meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _start_counting(self) -> str:
        boot = secrets.token_hex(7)
        with self._db:
            self._db.execute("REPLACE INTO meta VALUES ('boot', ?)", (boot,))
        return boot


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(_SCHEMA)
    return db
