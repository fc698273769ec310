"""The journal's tables, by version: a store of every earlier format is brought up to date when it is opened."""

import sqlite3
from pathlib import Path

from edgexai.errors import ConfigError, FrameError
from edgexai.messaging.messages import MAX_PAYLOAD
from edgexai.messaging.strict import loads

VERSION = 2
"""In the file as `PRAGMA user_version`; 0 are the formats before there was one, 1 listed Parquet files (`part`), which
`migrate` takes into the table."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (
    id INTEGER PRIMARY KEY, fleet TEXT NOT NULL, node TEXT NOT NULL, boot TEXT NOT NULL,
    frames INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, UNIQUE (fleet, node, boot)
);
CREATE TABLE IF NOT EXISTS seen (
    boot INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (boot, first)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS frame (
    id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL, sequence INTEGER NOT NULL, received REAL NOT NULL,
    time REAL NOT NULL, model TEXT NOT NULL, target INTEGER NOT NULL, score REAL NOT NULL, conservation REAL,
    frame BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node (
    fleet TEXT NOT NULL, node TEXT NOT NULL, kind TEXT NOT NULL, received REAL NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (fleet, node, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (
    fleet TEXT NOT NULL, node TEXT NOT NULL, PRIMARY KEY (fleet, node)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS quarantine (
    id INTEGER PRIMARY KEY, received REAL NOT NULL, topic TEXT NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


def prepare(db: sqlite3.Connection, path: Path) -> None:
    """Makes the tables of a new file, and those that an older one lacks.

    Raises ConfigError for a file of a newer version, sqlite3's errors for one that cannot be written.
    """
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise ConfigError(f"{path} was written by a newer edgexai (format {found}, this one knows {VERSION}); update")
    if found == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        columns = {row[1] for row in db.execute("PRAGMA table_info(boot)")}
        if columns and "frames" not in columns:  # before totals were kept: counted once, from what is there
            db.execute("ALTER TABLE boot ADD COLUMN frames INTEGER NOT NULL DEFAULT 0")
            db.execute("ALTER TABLE boot ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0")
            db.execute(
                "UPDATE boot SET"
                " frames = (SELECT coalesce(sum(last - first + 1), 0) FROM seen WHERE seen.boot = boot.id),"
                " bytes = (SELECT coalesce(sum(length(frame)), 0) FROM frame WHERE frame.boot = boot.id)"
            )
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        _drop_unreadable(db)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _drop_unreadable(db: sqlite3.Connection) -> None:
    """Notes of nodes that were taken before they were looked at closely, and that SQLite's own JSON cannot read."""
    for fleet, node, kind, text in db.execute("SELECT fleet, node, kind, CAST(message AS BLOB) FROM node").fetchall():
        try:
            loads(bytes(text), MAX_PAYLOAD)
        except FrameError:
            db.execute("DELETE FROM node WHERE fleet = ? AND node = ? AND kind = ?", (fleet, node, kind))
