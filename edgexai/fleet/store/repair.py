"""A damaged journal made anew, from the Parquet files and from what can still be read of it.

Parquet files say of every frame who sent it under which number, so that exactly once holds again for all of them. Of
the frames that were in the journal only, row after row is tried; those that are gone are lost, since their nodes have
had the receipt. The damaged file is kept beside the new one.
"""

import fcntl
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import Arrival, Journal, NodeNote
from edgexai.fleet.store.store import LOCK, flush

_LEAST_ROW = 16
_FURTHEST = 100_000  # ids beyond the last Parquet file that are tried if the journal does not say where it ends


@dataclass(frozen=True)
class Repaired:
    """What there was: frames in Parquet files, frames read from the damaged journal, ids that could not be read,
    Parquet files that do not count (renamed to ``.damaged``, or ``.twice`` where others hold the same frames), and
    where the old journal lies."""

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
        archived, last, set_aside = _take_parquet(directory, new)
        saved, unreadable = _take_journal(path, new, last) if path.is_file() else (0, 0)
        new.close()  # the last connection writes the WAL back into the file
        flush(work / "journal.db")
        for ending in ("", "-wal", "-shm"):
            if (directory / f"journal.db{ending}").exists():
                os.replace(directory / f"journal.db{ending}", f"{old}{ending}")
        os.replace(work / "journal.db", path)
        flush(directory)
        for leftover in work.glob("*"):
            leftover.unlink()
        work.rmdir()
    return Repaired(archived, saved, unreadable, tuple(set_aside), old)


def _take_parquet(directory: Path, new: Journal) -> tuple[int, int, list[str]]:
    """Frames and last id of the files, and those that could not be read."""
    archived, last, set_aside = 0, 0, []
    for stray in (directory / "frames").rglob("*.stray"):
        if not stray.with_suffix(".parquet").exists():
            os.replace(stray, stray.with_suffix(".parquet"))
    with duckdb.connect() as db:
        for path in sorted((directory / "frames").rglob("*.parquet"), key=lambda p: p.name):
            relative = str(path.relative_to(directory))
            try:
                boots = db.execute(
                    "SELECT fleet, node, boot, list(sequence), sum(octet_length(frame)), min(id), max(id)"
                    " FROM read_parquet(?, hive_partitioning = false) GROUP BY ALL",
                    [str(path)],
                ).fetchall()
            except duckdb.Error:
                os.replace(path, path.with_suffix(".damaged"))
                set_aside.append(relative)
                continue
            if not new.archive(relative, [(*row[:3], row[3], int(row[4])) for row in boots], _span(boots)):
                os.replace(path, path.with_suffix(".twice"))  # of a merge that a crash ended halfway
                set_aside.append(relative)
                continue
            archived += sum(len(row[3]) for row in boots)
            last = max(last, _span(boots)[1])
    return archived, last, set_aside


def _span(boots: list[tuple[int, ...]]) -> tuple[int, int]:
    return min(row[5] for row in boots), max(row[6] for row in boots)


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
