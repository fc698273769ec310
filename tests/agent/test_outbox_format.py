"""An outbox of every earlier format: what waits there goes on waiting, under its old name."""

import sqlite3
import zlib
from pathlib import Path

import pytest

from edgexai.agent.outbox import Outbox
from edgexai.agent.outbox.format import SCHEMA, VERSION
from edgexai.errors import ConfigError

BOOT = "ab" * 7
FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE message (
    sequence INTEGER PRIMARY KEY, created REAL NOT NULL, value REAL NOT NULL, payload BLOB NOT NULL
);
"""
SECOND = SCHEMA.replace("id INTEGER PRIMARY KEY,", "id INTEGER PRIMARY KEY AUTOINCREMENT,").split("CREATE INDEX")[0]


def older(path: Path, schema: str) -> None:
    with sqlite3.connect(path) as db:
        db.executescript(schema)
        db.execute("REPLACE INTO meta VALUES ('boot', ?)", (BOOT,))
        db.execute("REPLACE INTO meta VALUES ('next', '3')")
        for n in (1, 2):
            payload = b"frame %d" % n
            if schema == FIRST:
                db.execute("INSERT INTO message VALUES (?, 1.7e9, 2.0, ?)", (n, payload))
            else:
                db.execute(
                    "INSERT INTO message (boot, sequence, age, value, payload, checksum) VALUES (?, ?, 0, 2.0, ?, ?)",
                    (BOOT, n, payload, zlib.crc32(payload)),
                )
    db.close()


@pytest.mark.parametrize("schema", [FIRST, SECOND], ids=["first", "second"])
def test_frames_of_an_earlier_format_go_on_waiting(tmp_path: Path, schema: str) -> None:
    older(tmp_path / "outbox.db", schema)
    box = Outbox(tmp_path)
    assert box.repaired is None
    assert [(i.boot, i.sequence, i.payload) for i in box.after(-1, 10)] == [(BOOT, n, b"frame %d" % n) for n in (1, 2)]
    box.append(b"new", 1.0)
    assert box.confirm(BOOT, [(1, 2)], 10) == 2
    box.close()
    again = Outbox(tmp_path)
    assert [i.payload for i in again.after(-1, 10)] == [b"new"]
    again.close()


def test_an_outbox_of_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(ConfigError, match="a newer edgexai wrote the outbox"):
        Outbox(tmp_path)
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == []
    db.close()
