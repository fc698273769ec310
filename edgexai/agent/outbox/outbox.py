"""The outbox: what a node has accepted for sending, on disk until it is confirmed.

SQLite in WAL mode with a flush at every commit: a frame that `append` has returned for survives SIGKILL and power
loss. It leaves when it is confirmed, or when the bounds in bytes and age say so; what goes then is counted.

    full box           frames are halved, all once before any twice, the least valuable and oldest first; what has been
                       halved three times or gets no shorter is dropped in the same order, when nothing else is left
    damaged frame      found by its checksum, dropped and counted
    damaged file       moved aside, what can be read of it is sent all the same, under its old boot id
    disk full          `append` refuses (OutboxFull); what is in the box is still sent, and room comes from that: what
                       deleting needs is kept in reserve (`file`)
    read-only disk     at a start: the box is in memory, and `volatile` says why; later: as a full disk
    clock              an age is counted in steps of at most an hour, so that no jump of the clock empties the box
    lying disk         the machine's restart begins a new boot id, so that a disk that forgets what it said it had
                       flushed never makes a number name two frames
"""

import os
import secrets
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgexai.agent.outbox import file as outbox_file
from edgexai.errors import ConfigError, Error

_LONGEST_STEP = 3600.0
_MOST_CUTS = 3
_FEW = 8
_META = "REPLACE INTO meta VALUES (?, ?)"

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

    ``max_bytes`` and ``max_age`` (seconds) bound what waits; ``shorten`` gives a frame of at most so many bytes that
    still decodes, or the frame as it is. ``dropped``, ``shortened`` and ``damaged`` count frames, ``trouble`` says why
    the disk cannot be written at the moment. Calls are safe from several threads. Raises ConfigError if another
    process uses the directory.
    """

    def __init__(
        self,
        directory: Path | None,
        max_bytes: int = 16 * 2**20,
        max_age: float = 7 * 86400.0,
        clock: Callable[[], float] = time.time,
        shorten: Callable[[bytes, int], bytes] = lambda frame, size: frame,
        machine: str | None = None,
    ) -> None:
        if max_bytes < 4096:
            raise ConfigError(f"an outbox of {max_bytes} bytes is too small; give it at least 4096")
        self.max_bytes, self.max_age = max_bytes, max_age
        self.dropped = self.shortened = self.damaged = 0
        self.repaired: str | None = None
        self.volatile: str | None = None
        self.trouble: str | None = None
        self._reserved = True
        self._clock, self._shorten = clock, shorten
        self._machine = outbox_file.machine() if machine is None else machine
        self._lock = threading.RLock()
        self._closed = False
        self.boot = ""
        self._next = self._count = self._bytes = 0
        self._next_id = 1
        self._age = self._seen = 0.0
        self._path, self._owner, self.volatile = outbox_file.own(directory)
        self._db = self._open()

    @property
    def next_sequence(self) -> int:
        """The number that the next frame will have."""
        return self._next

    def append(self, payload: bytes, value: float = 0.0) -> int:
        """Accept a frame and return its sequence number; it is on disk then. Raises OutboxFull if it cannot be."""
        with self._lock:
            return self._guarded(lambda: self._append(payload, value))

    def after(self, item: int, limit: int) -> list[Item]:
        """The oldest waiting frames beyond an id (-1: all), at most ``limit``; none while the disk cannot be read."""
        with self._lock:
            if self._closed:
                return []
            try:
                return self._guarded(lambda: self._after(item, limit))
            except (sqlite3.OperationalError, OutboxFull) as error:
                self.trouble = f"the disk cannot be read ({error})"
                return []

    def confirm(self, boot: str, stored: Iterable[tuple[int, int]], up_to: int) -> int:
        """Forget the frames of ranges of a boot, both ends included, whose id is at most ``up_to``; how many."""
        with self._lock:
            return 0 if self._closed else self._guarded(lambda: self._confirm(boot, stored, up_to))

    def depth(self) -> tuple[int, int]:
        """How many frames wait, and their bytes."""
        return self._count, self._bytes

    def recall(self, key: str) -> str | None:
        """What `keep` has kept under a key; a damaged file has forgotten it."""
        with self._lock:
            row = self._guarded(
                lambda: self._db.execute("SELECT value FROM meta WHERE key = ?", (f"kept {key}",)).fetchone()
            )
            return None if row is None else str(row[0])

    def keep(self, key: str, value: str) -> None:
        """Keep a value durably beside the frames. Raises OutboxFull if the disk does not take it."""
        with self._lock:
            self._guarded(lambda: self._write(lambda: self._db.execute(_META, (f"kept {key}", value))))

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self._closed = True
            self._db.close()
            if self._owner is not None:
                os.close(self._owner)
                self._owner = None

    def _append(self, payload: bytes, value: float) -> int:
        sequence, now = self._next, self._clock()
        age_clock = self._age + min(max(now - self._seen, 0.0), _LONGEST_STEP)

        def work() -> tuple[int, int]:
            count, size = self._make_room(len(payload), age_clock)
            self._db.execute(
                "INSERT INTO message (id, boot, sequence, age, value, payload, checksum) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._next_id, self.boot, sequence, age_clock, value, payload, zlib.crc32(payload)),
            )
            new = {"boot": self.boot, "machine": self._machine, "next": sequence + 1, "age": age_clock, "seen": now}
            self._db.executemany(_META, [(k, str(v)) for k, v in new.items()])
            return count + 1, size + len(payload)

        counters = self.dropped, self.shortened
        try:
            count, size = self._write(work)
        except BaseException:
            self.dropped, self.shortened = counters
            raise
        self._next, self._age, self._seen = sequence + 1, age_clock, now
        self._count, self._bytes = count, size
        self._next_id += 1
        return sequence

    def _after(self, item: int, limit: int) -> list[Item]:
        found: list[Item] = []
        damaged: list[tuple[int]] = []
        query = "SELECT id, boot, sequence, payload, checksum FROM message WHERE id > ? ORDER BY id LIMIT ?"
        for key, boot, sequence, payload, checksum in self._db.execute(query, (item, limit)).fetchall():
            if isinstance(payload, bytes) and zlib.crc32(payload) == checksum:
                found.append(Item(key, boot, sequence, payload))
            else:
                damaged.append((key,))
        if damaged:
            self._write(lambda: self._db.executemany("DELETE FROM message WHERE id = ?", damaged))
            self.damaged += len(damaged)
            self._measure()
        return found

    def _confirm(self, boot: str, stored: Iterable[tuple[int, int]], up_to: int) -> int:
        def work() -> list[int]:
            return [
                int(n)
                for first, last in stored
                for (n,) in self._db.execute(
                    "DELETE FROM message WHERE boot = ? AND sequence BETWEEN ? AND ? AND id <= ?"
                    " RETURNING length(payload)",
                    (boot, first, last, up_to),
                ).fetchall()
            ]

        try:
            gone = self._write(work)
        except OutboxFull:  # those that stay are sent once more and dropped by the store
            gone = self._confirm_some(boot, stored, up_to)
        self._count -= len(gone)
        self._bytes -= sum(gone)
        return len(gone)

    def _confirm_some(self, boot: str, stored: Iterable[tuple[int, int]], up_to: int) -> list[int]:
        """The same a few frames at a time, so that the log never needs more than the room that it has."""
        gone: list[int] = []
        if self._path is None:
            return gone
        query = "SELECT id FROM message WHERE boot = ? AND sequence BETWEEN ? AND ? AND id <= ? ORDER BY id"
        delete = f"DELETE FROM message WHERE id IN ({','.join('?' * _FEW)}) RETURNING length(payload)"
        for first, last in stored:
            keys = [k for (k,) in self._db.execute(query, (boot, first, last, up_to)).fetchall()]
            for at in range(0, len(keys), _FEW):
                few = [*keys[at : at + _FEW], *[-1] * _FEW][:_FEW]
                outbox_file.relieve(self._db, self._path)
                try:
                    rows = self._write(partial(self._rows, delete, few))
                except OutboxFull:
                    return gone
                gone += [int(n) for (n,) in rows]
        return gone

    def _rows(self, query: str, values: list[int]) -> list[tuple[int]]:
        return self._db.execute(query, values).fetchall()

    def _make_room(self, wanted: int, age_clock: float) -> tuple[int, int]:
        """Frames and bytes that wait once there is room for ``wanted`` more."""
        count, size = self._count, self._bytes
        while count and (row := self._oldest(age_clock - self.max_age)):
            count, size = self._drop(row, count, size)
        while size + wanted > self.max_bytes and (saved := self._halve()):
            size -= saved
        while size + wanted > self.max_bytes and count:
            row = self._db.execute(
                "SELECT id, length(payload) FROM message ORDER BY cuts, value, id LIMIT 1"
            ).fetchone()
            count, size = self._drop(row, count, size)
        return count, size

    def _oldest(self, before: float) -> tuple[int, int] | None:
        """Id and length of the oldest frame if it is from before an age; the age clock never goes back."""
        row = self._db.execute("SELECT id, length(payload), age FROM message ORDER BY id LIMIT 1").fetchone()
        return (row[0], row[1]) if row and row[2] < before else None

    def _drop(self, row: tuple[int, int], count: int, size: int) -> tuple[int, int]:
        self._db.execute("DELETE FROM message WHERE id = ?", (row[0],))
        self.dropped += 1
        return count - 1, size - row[1]

    def _halve(self) -> int:
        """Halve one frame; the bytes that it saved, 0 if none gets shorter."""
        query = "SELECT id, cuts, payload FROM message WHERE cuts < ? ORDER BY cuts, value, id LIMIT 1"
        while row := self._db.execute(query, (_MOST_CUTS,)).fetchone():
            key, cuts, payload = row
            shorter = self._shorten(payload, len(payload) // 2)
            if len(shorter) < len(payload):
                self._db.execute(
                    "UPDATE message SET payload = ?, checksum = ?, cuts = ? WHERE id = ?",
                    (shorter, zlib.crc32(shorter), cuts + 1, key),
                )
                self.shortened += 1
                return len(payload) - len(shorter)
            self._db.execute("UPDATE message SET cuts = ? WHERE id = ?", (_MOST_CUTS, key))
        return 0

    def _open(self, is_damaged: bool = False) -> sqlite3.Connection:
        """The file, repaired or in memory if it must be, and its numbers. ``is_damaged`` is known from use: the look at
        opening does not see all damage."""
        try:
            if self._path is not None:
                whole = None if is_damaged else outbox_file.opened(self._path)
                self._db = whole or self._repair(self._path)
                self._load()
                self._reserved = outbox_file.reserve(self._path)
                return self._db
        except (*outbox_file.DAMAGE, OSError) as error:
            self.volatile = f"{self._path} cannot be used ({error}): frames wait in memory only"
            self._path = None
        self._db = outbox_file.connect(":memory:")
        self._load()
        return self._db

    def _repair(self, path: Path) -> sqlite3.Connection:
        db, saved, aside = outbox_file.repair(path, self._next_id)
        self.repaired = f"the outbox was damaged: {saved} frames of it are saved, the file lies in {aside}"
        return db

    def _load(self) -> None:
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        self._measure()
        try:
            self._age, self._seen = float(meta.get("age", 0.0)), float(meta.get("seen", self._clock()))
            if meta.get("machine") == self._machine and meta["boot"]:
                self.boot, self._next = str(meta["boot"]), int(meta["next"])
                return
        except (KeyError, ValueError):
            self._age, self._seen = 0.0, self._clock()
        self.boot, self._next = secrets.token_hex(7), 0

    def _measure(self) -> None:
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0), coalesce(max(id), 0) FROM message"
        ).fetchone()
        self._count, self._bytes = int(row[0]), int(row[1])
        self._next_id = max(self._next_id, int(row[2]) + 1)

    def _write(self, work: Callable[[], T]) -> T:
        try:
            with self._db:
                done = work()
        except sqlite3.OperationalError as error:
            if self._path is not None and outbox_file.is_full(error):
                outbox_file.relieve(self._db, self._path)
                self._reserved = False
            self.trouble = f"the disk takes nothing ({error})"
            raise OutboxFull(f"the outbox cannot write ({error}); free some disk") from error
        self.trouble = None
        if not self._reserved and self._path is not None:
            self._reserved = outbox_file.reserve(self._path)
            if self._reserved:
                outbox_file.grow(self._db)
        return done

    def _guarded(self, work: Callable[[], T]) -> T:
        """Do the work; if the file turns out to be damaged, repair it and do it once more."""
        try:
            return work()
        except outbox_file.DAMAGE as error:
            if self._path is None or not outbox_file.is_damage(error):
                raise
            self._db.close()
            self._db = self._open(is_damaged=True)
            return work()
