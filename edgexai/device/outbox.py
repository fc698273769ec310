"""The outbox: what a node has accepted for sending, on disk until it is confirmed.

SQLite in WAL mode with a flush at every commit: a frame that `append` has returned for survives SIGKILL and power
loss. It leaves when it is confirmed, or when the bounds in bytes and age say so; what goes then is counted.

    damaged file       moved aside, what can be read of it is sent all the same, under its old boot id
    disk full          `append` refuses (OutboxFull); what is in the box is still sent, and room comes from that
    read-only disk     the box is in memory, and `volatile` says why
    clock              an age is counted in steps of at most an hour, so that no jump of the clock empties the box
"""

import fcntl
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgexai.errors import ConfigError, Error

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    boot TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    age REAL NOT NULL,
    value REAL NOT NULL,
    payload BLOB NOT NULL
);
"""
_LONGEST_STEP = 3600.0

T = TypeVar("T")


class OutboxFull(Error):
    """The disk takes no more; the frame was not accepted."""


@dataclass(frozen=True)
class Item:
    """A frame that waits; ``id`` is its place in the row, (boot, sequence) its name."""

    id: int
    boot: str
    sequence: int
    payload: bytes


class Outbox:
    """Frames of one node, in a file of ``directory`` (in memory if that is None).

    ``max_bytes`` and ``max_age`` (seconds) bound what waits: the least valuable goes first, the oldest of equals.
    ``shorten`` gives a frame of at most so many bytes that still decodes; with it, frames are halved before any is
    dropped. Calls are safe from several threads. Raises ConfigError if another process uses the directory.
    """

    def __init__(
        self,
        directory: Path | None,
        max_bytes: int = 16 * 2**20,
        max_age: float = 7 * 86400.0,
        clock: Callable[[], float] = time.time,
        shorten: Callable[[bytes, int], bytes] | None = None,
    ) -> None:
        if max_bytes < 4096:
            raise ConfigError(f"an outbox of {max_bytes} bytes is too small; give it at least 4096")
        self.max_bytes, self.max_age = max_bytes, max_age
        self.dropped = self.shortened = 0
        self.repaired: str | None = None
        self.volatile: str | None = None
        self._clock, self._shorten = clock, shorten
        self._lock = threading.RLock()
        self.boot = ""
        self._next = self._bytes = 0
        self._age = self._seen = 0.0
        self._path, self._owner = self._own(directory)
        self._db = self._open()
        self._load()

    @property
    def next_sequence(self) -> int:
        """The number that the next frame will have."""
        return self._next

    def append(self, payload: bytes, value: float = 0.0) -> int:
        """Accept a frame and return its sequence number; it is on disk then. Raises OutboxFull if the disk is full."""
        with self._lock:
            return self._guarded(lambda: self._append(payload, value))

    def after(self, item: int, limit: int) -> list[Item]:
        """The oldest waiting frames beyond an id (-1: all), at most ``limit``."""
        query = "SELECT id, boot, sequence, payload FROM message WHERE id > ? ORDER BY id LIMIT ?"
        with self._lock:
            rows = self._guarded(lambda: self._db.execute(query, (item, limit)).fetchall())
            return [Item(*row) for row in rows]

    def confirm(self, boot: str, first: int, last: int, up_to: int) -> int:
        """Forget the frames of a range of a boot, both ends included, whose id is at most ``up_to``; how many."""
        with self._lock:
            return self._guarded(lambda: self._confirm(boot, first, last, up_to))

    def depth(self) -> tuple[int, int]:
        """How many frames wait, and their bytes."""
        with self._lock:
            (count,) = self._guarded(lambda: self._db.execute("SELECT count(*) FROM message").fetchone())
            return int(count), self._bytes

    def recall(self, key: str) -> str | None:
        """What `keep` has kept under a key."""
        with self._lock:
            row = self._guarded(
                lambda: self._db.execute("SELECT value FROM meta WHERE key = ?", (f"kept {key}",)).fetchone()
            )
            return None if row is None else str(row[0])

    def keep(self, key: str, value: str) -> None:
        """Keep a value durably beside the frames. Raises OutboxFull if the disk is full."""
        with self._lock:
            self._guarded(lambda: self._keep(key, value))

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._db.close()
            if self._owner is not None:
                os.close(self._owner)

    def _append(self, payload: bytes, value: float) -> int:
        sequence, now = self._next, self._clock()
        age_clock = self._age + min(max(now - self._seen, 0.0), _LONGEST_STEP)
        try:
            with self._db:
                size = self._make_room(len(payload), age_clock) + len(payload)
                self._db.execute(
                    "INSERT INTO message (boot, sequence, age, value, payload) VALUES (?, ?, ?, ?, ?)",
                    (self.boot, sequence, age_clock, value, payload),
                )
                self._db.executemany(
                    "REPLACE INTO meta VALUES (?, ?)",
                    [("boot", self.boot), ("next", str(sequence + 1)), ("age", repr(age_clock)), ("seen", repr(now))],
                )
        except sqlite3.OperationalError as error:
            raise OutboxFull(f"the outbox cannot write ({error}); free some disk") from error
        self._next, self._age, self._seen, self._bytes = sequence + 1, age_clock, now, size
        return sequence

    def _keep(self, key: str, value: str) -> None:
        try:
            with self._db:
                self._db.execute("REPLACE INTO meta VALUES (?, ?)", (f"kept {key}", value))
        except sqlite3.OperationalError as error:
            raise OutboxFull(f"the outbox cannot write ({error}); free some disk") from error

    def _confirm(self, boot: str, first: int, last: int, up_to: int) -> int:
        try:
            with self._db:
                gone = self._db.execute(
                    "DELETE FROM message WHERE boot = ? AND sequence BETWEEN ? AND ? AND id <= ?"
                    " RETURNING length(payload)",
                    (boot, first, last, up_to),
                ).fetchall()
        except sqlite3.OperationalError:  # a full disk: they stay, are sent once more and dropped by the store
            return 0
        self._bytes -= sum(n for (n,) in gone)
        return len(gone)

    def _make_room(self, wanted: int, age_clock: float) -> int:
        """Bytes that wait once there is room for ``wanted`` more. A full box is emptied by a sixteenth at once, so
        that the search for the least valuable is not paid at every frame."""
        old = self._db.execute(
            "DELETE FROM message WHERE age < ? RETURNING length(payload)", (age_clock - self.max_age,)
        ).fetchall()
        size = self._bytes - sum(int(n) for (n,) in old)
        self.dropped += len(old)
        if size + wanted <= self.max_bytes:
            return size
        goal = self.max_bytes - self.max_bytes // 16 - wanted
        if self._shorten is not None:
            size = self._halve(size, goal, self._shorten)
        for key, length in self._db.execute("SELECT id, length(payload) FROM message ORDER BY value, id").fetchall():
            if size <= goal:
                break
            self._db.execute("DELETE FROM message WHERE id = ?", (key,))
            self.dropped += 1
            size -= int(length)
        return size

    def _halve(self, size: int, goal: int, shorten: Callable[[bytes, int], bytes]) -> int:
        """Halve frames until the goal is reached or none gets shorter: the longest first, of these the least
        valuable."""
        before = size + 1
        while goal < size < before:
            before = size
            (longest,) = self._db.execute("SELECT coalesce(max(length(payload)), 0) FROM message").fetchone()
            rows = self._db.execute(
                "SELECT id, payload FROM message WHERE length(payload) > ? / 2 ORDER BY value, id", (longest,)
            )
            for key, payload in rows.fetchall():
                if size <= goal:
                    break
                shorter = shorten(payload, len(payload) // 2)
                if len(shorter) < len(payload):
                    self._db.execute("UPDATE message SET payload = ? WHERE id = ?", (shorter, key))
                    self.shortened += 1
                    size -= len(payload) - len(shorter)
        return size

    def _own(self, directory: Path | None) -> tuple[Path | None, int | None]:
        if directory is None:
            return None, None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            owner = os.open(directory / "agent.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            self.volatile = f"{directory} cannot be written ({error.strerror}): frames wait in memory only"
            return None, None
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(owner)
            raise ConfigError(f"{directory} belongs to another agent that runs; give each its own --state") from None
        return directory / "outbox.db", owner

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return _connect(":memory:")
        try:
            db = _connect(str(self._path))
            if db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return db
            db.close()
        except sqlite3.OperationalError as error:
            self.volatile = f"{self._path} cannot be used ({error}): frames wait in memory only"
            return _connect(":memory:")
        except sqlite3.DatabaseError:
            pass
        return self._repair(self._path)

    def _repair(self, path: Path) -> sqlite3.Connection:
        aside = path.with_name(f"outbox-damaged-{secrets.token_hex(4)}.db")
        for suffix in ("", "-wal", "-shm"):
            if Path(f"{path}{suffix}").exists():
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        fresh = _connect(str(path))
        saved = _salvage(aside)
        with fresh:
            fresh.executemany("INSERT INTO message (boot, sequence, age, value, payload) VALUES (?, ?, 0, ?, ?)", saved)
        self.repaired = f"the outbox was damaged: {len(saved)} frames of it are saved, the file lies in {aside.name}"
        return fresh

    def _load(self) -> None:
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        self.boot = str(meta.get("boot") or secrets.token_hex(7))
        self._next = int(meta.get("next", 0))
        self._age, self._seen = float(meta.get("age", 0.0)), float(meta.get("seen", self._clock()))
        size = self._db.execute("SELECT coalesce(sum(length(payload)), 0) FROM message").fetchone()[0]
        self._bytes = int(size)

    def _guarded(self, work: Callable[[], T]) -> T:
        """Do the work; if the file turns out to be damaged, repair it and do it once more."""
        try:
            return work()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if self._path is None:
                raise
            self._db.close()
            self._db = self._repair(self._path)
            self._load()
            return work()


def _salvage(path: Path) -> list[tuple[str, int, float, bytes]]:
    """What can still be read of a damaged file, from both ends up to the damage."""
    saved: dict[int, tuple[str, int, float, bytes]] = {}
    for order in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(path)) as db:
                for row in db.execute(f"SELECT id, boot, sequence, value, payload FROM message ORDER BY id {order}"):
                    if [type(v) for v in row] == [int, str, int, float, bytes]:
                        saved[row[0]] = row[1:]
        except sqlite3.DatabaseError:
            continue
    return [saved[i] for i in sorted(saved)]


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db
