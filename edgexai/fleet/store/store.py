"""The store of a fleet: a journal of what has just arrived, and a Delta table for everything older.

    STORE/journal.db
    STORE/frames/        the table (table.py), or STORE/table names where it lies

Frames are moved in the order of their ids: first into the table, then on the disk, then out of the journal. Whoever
finds frames in the table that his journal does not know takes note of them before he moves any (`_catch_up`): what a
crash left in both places, and what another host has brought, counts once.
"""

import fcntl
import logging
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import Journal, Row
from edgexai.fleet.store.migrate import migrate
from edgexai.fleet.store.selection import EVERYTHING, Selection
from edgexai.fleet.store.table import Table

log = logging.getLogger(__name__)

LOCK = "store.lock"
ELSEWHERE = "table"
"""The file of a store that names a table elsewhere."""
ATTEMPTS = 20
"""How often a move is tried while other hosts commit."""
DAY = 86400.0
LOOK_EVERY = 2.0  # seconds between looks at a table elsewhere that had nothing new


@dataclass(frozen=True)
class Stored:
    """A frame in the store; see `Arrival` for the fields. ``id`` grows in the order of arrival."""

    id: int
    fleet: str
    node: str
    boot: str
    sequence: int
    received: float
    time: float
    model: str
    target: int
    score: float
    conservation: float | None
    frame: bytes


class Store:
    """The store in a directory; any number of processes on one machine may have it open.

    ``table`` is the path or URL of a table that several hosts share, each with a store of its own; it is kept. Frames
    in the journal are then for nobody to see until they have been moved.
    """

    def __init__(self, directory: Path, table: str | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._open = open(directory / LOCK, "a")  # noqa: SIM115 - says that the store is in use, until `close`
        try:
            fcntl.flock(self._open, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self._open.close()
            raise ConfigError(f"{directory} is being repaired; wait until that has ended") from None
        try:
            url = where(directory, table)
            self.shared = url is not None
            self.table = Table(url or str(directory / "frames"))
            self.journal = Journal(directory)
        except BaseException:
            self._open.close()
            raise
        self._seen = (-1, 0.0)  # last id of a table elsewhere, and when that was asked
        try:
            with self._only_one() as mine:
                if mine:
                    migrate(directory, self.journal, self.table)
                    self._take_back()
                    self._catch_up()
        except BaseException:
            self.close()
            raise

    def since(self, after: int, limit: int = 10_000, chosen: Selection = EVERYTHING) -> list[Stored]:
        """The chosen frames beyond an id, oldest first, at most ``limit``."""
        if self.shared and after >= self._seen[0] and time.monotonic() < self._seen[1] + LOOK_EVERY:
            return []
        moved, rows = self._snapshot(after, limit, chosen)
        if self.shared:
            self._seen = moved, time.monotonic()
        old = self.table.since(after, moved, limit, chosen) if after < moved else []
        return [Stored(*row) for row in [*old, *rows][:limit]]

    def ids(self, after: int = -1, chosen: Selection = EVERYTHING) -> Iterator[NDArray[np.int64]]:
        """The ids of the chosen frames beyond an id, oldest first, many at a time."""
        moved, rows = self._snapshot(after, sys.maxsize, chosen)
        yield from self.table.ids(after, moved, chosen)
        yield np.array([row[0] for row in rows], np.int64)

    def of(self, ids: Collection[int]) -> list[Stored]:
        """The frames of these ids, oldest first; what has been deleted is left out."""
        wanted = set(ids)
        if not wanted:
            return []
        moved, rows = self._snapshot(min(wanted) - 1, sys.maxsize)
        old = self.table.of([one for one in wanted if one <= moved])
        return [Stored(*row) for row in [*old, *(row for row in rows if row[0] in wanted)]]

    def last_time(self) -> float:
        """The greatest time of explanation of all frames (Unix seconds), -inf if there are none.

        A frame that was explained a day and more after it arrived was explained by a wrong clock: it does not count,
        unless all frames are like that.
        """
        found = -inf
        for ahead in (DAY, inf):
            # the journal first: what moves meanwhile is seen there or here
            found = -inf if self.shared else self.journal.last_time(ahead)
            if (found := max(found, self.table.last_time(ahead))) > -inf:
                break
        return found

    def news(self) -> tuple[int, int]:
        """Others when frames have come since, or when trials have gone on."""
        return self.last_id(), self.journal.tried()

    def last_id(self) -> int:
        """The id of the newest frame, -1 if there is none."""
        return self.table.last_id() if self.shared else self.journal.last_id()

    def compact(self, at_least: int = 1, at_most: int = 50_000) -> int:
        """Move the journal's frames to the table if there are ``at_least`` so many, the oldest ``at_most``; how many
        were moved."""
        if self.journal.waiting() < at_least:
            return 0
        with self._only_one() as mine:
            for _ in range(ATTEMPTS if mine else 0):
                version = self._catch_up()
                rows = self.journal.oldest(at_most)
                if not rows:
                    return 0
                if self.table.append(rows, version):
                    self.journal.moved(int(rows[-1][0]), self.table.flush(version))
                    return len(rows)
        return 0

    def merge(self) -> int:
        """Make few files of many small ones; how many frames are in them, 0 if there are not so many."""
        with self._only_one() as mine:
            if not mine:
                return 0
            version = self._catch_up()
            if count := self.table.merge():
                self.journal.flushed(self.table.flush(version))
                self.table.vacuum()
            return count

    def erase(self, fleet: str | None = None, node: str | None = None, before: float | None = None) -> int:
        """Delete the frames of a fleet or node, or those received before a time (Unix seconds), in journal, table and
        on the disk, also for looks back; how many. What is sent again does not come back."""
        terms = [("fleet = ", fleet), ("node = ", node), ("received < ", before)]
        given = [(term, value) for term, value in terms if value is not None]
        if not given:
            raise ConfigError("say what to delete: the frames of a fleet, of a node, or those before a time")
        said = " AND ".join(f"{term}{_quoted(value)}" for term, value in given)
        with self._only_one(wait=True):
            self._catch_up()
            lost = self.journal.erase(" AND ".join(f"{term}?" for term, _ in given), [value for _, value in given])
            query = "SELECT fleet, node, boot, count(*), sum(octet_length(frame))::BIGINT FROM data"
            boots = self.table.query(f"{query} WHERE {said} GROUP BY ALL")
            if boots:
                version = self.table.version()
                self.table.delete(said)
                self.journal.erased(boots)
                self.journal.flushed(self.table.flush(version))
            if fleet is not None and before is None:
                self.journal.forget_refused(fleet, node)
            self.journal.scrub()
        return lost + sum(int(boot[3]) for boot in boots)

    def close(self) -> None:
        """Give the files back."""
        self.journal.close()
        self._open.close()

    def _snapshot(self, after: int, limit: int, chosen: Selection = EVERYTHING) -> tuple[int, list[Row]]:
        """The last id that is in the table, and the chosen rows that are not, of the same moment."""
        moved, rows = self.journal.snapshot(after, limit, chosen)
        return (self.table.last_id(), []) if self.shared else (moved, rows)

    def _take_back(self) -> None:
        if torn := self.table.take_back(self.journal.known()[1]):
            log.warning("%d commits that a crash has torn were taken back; their frames are in the journal", torn)

    def _catch_up(self) -> int:
        """Take note of what the table holds beyond what this journal knows of it; the version that is known then."""
        after, known = self.journal.known()
        version, last = self.table.version(), self.table.last_id()
        if last > after:
            if self.journal.last_id() < 0:
                log.warning("%s is new: it takes note of the frames of %s", self.journal.path, self.table.url)
            self.table.flush(known)
            self.journal.catch_up(self.table.held(after, last), last, version)
        return version

    @contextmanager
    def _only_one(self, wait: bool = False) -> Iterator[bool]:
        with open(self.directory / "compact.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True


def where(directory: Path, table: str | None = None) -> str | None:
    """Where the table of a store lies, if not in it; ``table`` is kept as that. ConfigError if it lies elsewhere."""
    path = directory / ELSEWHERE
    kept = path.read_text("utf-8").strip() if path.is_file() else None
    if table is None or kept == table:
        return kept
    if kept is not None or (directory / "frames").exists():
        raise ConfigError(f"the frames of {directory} are in {kept or directory / 'frames'}, not in {table}")
    path.write_text(f"{table}\n", "utf-8")
    return table


def _quoted(value: str | float) -> str:
    return repr(float(value)) if isinstance(value, int | float) else "'" + value.replace("'", "''") + "'"
