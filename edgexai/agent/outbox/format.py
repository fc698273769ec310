"""The outbox's tables, by version: what waits in a file of every earlier format goes on waiting.

A file says its version by `PRAGMA user_version`; 0 are the two formats before there was one. The first of them kept one
boot for all frames, under their sequence number, without checksums.
"""

import sqlite3
import zlib

from edgexai.errors import ConfigError

VERSION = 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    boot TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    age REAL NOT NULL,
    value REAL NOT NULL,
    cuts INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS message_worth ON message (cuts, value, id);
"""
FIRST = {"sequence", "created", "value", "payload"}
"""Columns of `message` in the first format."""


def prepare(db: sqlite3.Connection) -> None:
    """Makes the tables of a new file, and those of an older one anew; ConfigError for a file of a newer version."""
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise ConfigError(f"a newer edgexai wrote the outbox (format {found}; known here: {VERSION}); update this one")
    if found == VERSION:
        return
    columns = {row[1] for row in db.execute("PRAGMA table_info(message)")}
    with db:
        db.execute("BEGIN IMMEDIATE")
        waiting: list[tuple[int, float, bytes]] = []
        boot = ""
        if columns == FIRST:
            waiting = db.execute("SELECT sequence, value, payload FROM message ORDER BY sequence").fetchall()
            boot = str((db.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone() or ("",))[0])
            db.execute("DROP TABLE message")
        for statement in SCHEMA.split(";"):
            db.execute(statement)
        db.executemany(
            "INSERT INTO message (id, boot, sequence, age, value, payload, checksum) VALUES (?, ?, ?, 0, ?, ?, ?)",
            [(n, boot, seq, value, data, zlib.crc32(data)) for n, (seq, value, data) in enumerate(waiting, 1)],
        )
        db.execute(f"PRAGMA user_version = {VERSION}")
