"""A damaged journal made anew, from the table and from what can still be read of it.

The table says of every frame who sent it under which number, so that exactly once holds again for all of them. Of the
frames that were in the journal only, row after row is tried; those that are gone are lost, since their nodes have had
the receipt. The damaged file is kept beside the new one; files of the table that cannot be read are put aside.
"""

import fcntl
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import Arrival, Journal, NodeNote
from edgexai.fleet.store.migrate import loose, put_aside, take_in
from edgexai.fleet.store.store import LOCK, where
from edgexai.fleet.store.table import Table, is_readable, to_disk

_LEAST_ROW = 16
_FURTHEST = 100_000  # ids beyond the last of the table that are tried if the journal does not say where it ends


@dataclass(frozen=True)
class Repaired:
    """What there was: frames in the table, frames read from the damaged journal, ids that could not be read, files
    that do not count any more (now in the folder ``aside``), and where the old journal lies."""

    archived: int
    saved: int
    unreadable: int
    set_aside: tuple[str, ...]
    old: Path


def repair(directory: Path) -> Repaired:
    """Make the journal of a store anew; raises ConfigError if there is none, or a process has the store open."""
    path = directory / "journal.db"
    if not path.is_file() and not (directory / "frames").is_dir():
        raise ConfigError(f"{directory} is no store; nothing to repair")
    with open(directory / LOCK, "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{directory} is in use; stop the fleet service and its workers first") from None
        old = directory / f"journal.db.damaged-{int(time.time())}"
        work = directory / "repair"
        for leftover in work.glob("*"):
            leftover.unlink()
        new = Journal(work)
        table, set_aside = _mended(directory)
        last, version = table.last_id(), table.flush(-1)
        new.catch_up(table.held(-1, last), last, version)
        archived = new.counters()["frames"]
        saved, unreadable = _take_journal(path, new, last) if path.is_file() else (0, 0)
        new.close()  # the last connection writes the WAL back into the file
        to_disk(work / "journal.db")
        for ending in ("", "-wal", "-shm"):
            if (directory / f"journal.db{ending}").exists():
                os.replace(directory / f"journal.db{ending}", f"{old}{ending}")
        os.replace(work / "journal.db", path)
        to_disk(directory)
        for leftover in work.glob("*"):
            leftover.unlink()
        work.rmdir()
    return Repaired(archived, saved, unreadable, tuple(set_aside), old)


def _mended(directory: Path) -> tuple[Table, list[str]]:
    """The table of a store, every file of which can be read; and those that could not, put aside."""
    table = Table(where(directory) or str(directory / "frames"))
    if table.folder is None:
        return table, []
    if not _opens(table):
        table.take_back(None)
    if not _opens(table):  # the log itself is damaged: the files say enough to make it anew
        put_aside(table.folder / "_delta_log", directory)
    bad, old = table.damaged(), loose(directory)
    if table.version() < 0:
        old = [p for p in sorted(table.folder.rglob("*")) if p.suffix in (".parquet", ".stray")]
        bad = [path for path in old if not is_readable(path)]
        take_in([path for path in old if path not in bad], table, anew=True)
    for path in {*bad, *old}:
        put_aside(path, directory) if path.exists() else None
    if bad:
        table.without_missing()
    return table, [str(path.relative_to(directory)) for path in bad]


def _opens(table: Table) -> bool:
    try:
        table.version()
    except ConfigError:
        return False
    return True


def _take_journal(path: Path, new: Journal, last: int) -> tuple[int, int]:
    """How many frames beyond an id could be read, and how many ids could not."""
    saved = unreadable = 0
    db = sqlite3.connect(path)
    try:
        db.execute("SELECT count(*) FROM sqlite_master")  # is it a database at all?
        end = _first(db, "SELECT max(seq) FROM sqlite_sequence WHERE name = 'frame'")
        end = max(end, _first(db, "SELECT max(id) FROM frame")) if end > last else last + _FURTHEST
        # The counter may be damaged, too: a file holds no more frames than there is room for
        patience = path.stat().st_size // _LEAST_ROW + _FURTHEST
        batch: list[Arrival] = []
        number = last
        while unreadable < patience and (number < end or not unreadable):
            number, row = _next(db, number)
            if row is None:
                unreadable += 1
            elif row == ():
                break
            else:
                batch.append(Arrival(*row))
            if len(batch) == 2000:
                saved += new.add(batch)
                batch.clear()
        notes: list[NodeNote] = _all(db, "SELECT fleet, node, kind, received, message FROM node")
        return saved + new.add(batch, (), notes), unreadable
    except sqlite3.DatabaseError:
        return saved, unreadable
    finally:
        db.close()


def _next(db: sqlite3.Connection, number: int) -> tuple[int, Any]:
    """The next id beyond a number and its row; None for one that cannot be read, () behind the last."""
    try:
        (found,) = db.execute("SELECT min(id) FROM frame WHERE id > ?", (number,)).fetchone()
        if found is None:
            return number, ()
        number = int(found) - 1
        row = db.execute(
            "SELECT fleet, node, b.boot, sequence, received, time, model, target, score, conservation, frame"
            " FROM frame f JOIN boot b ON b.id = f.boot WHERE f.id = ?",
            (found,),
        ).fetchone()
    except sqlite3.Error:
        return number + 1, None
    return number + 1, row


def _first(db: sqlite3.Connection, query: str) -> int:
    rows = _all(db, query)
    return int(rows[0][0] or 0) if rows else 0


def _all(db: sqlite3.Connection, query: str) -> list[tuple[str, str, str, float, str]]:
    try:
        return db.execute(query).fetchall()
    except sqlite3.Error:
        return []
