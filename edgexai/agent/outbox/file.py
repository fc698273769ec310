"""The outbox's file: opened by one process at a time, checked, and saved from what damage left of it.

Room on a full disk: the write-ahead log is written back every CHECKPOINT pages, and a file of RESERVE bytes lies beside
it. When the disk is full, the reserve is given up, so that what is in the log can be written back; from then on the
file may grow no more, the log's own room is used again and again, and deleting frames always works. The reserve is made
anew, and the file may grow, as soon as there is room.
"""

import contextlib
import fcntl
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from edgexai.agent.outbox.format import prepare
from edgexai.errors import ConfigError
from edgexai.private import private_database

_PAGE = 1024  # a commit writes the pages that it touches: small ones spare the flash
CHECKPOINT = 64
RESERVE = 128 * 1024
_UNLIMITED = 1_073_741_823
_MACHINE = Path("/proc/sys/kernel/random/boot_id")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)  # the last: tables of another kind
DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged file raises; `is_damage` tells it from a disk that fails."""


def machine() -> str:
    """What is new after each start of the machine; empty where the system does not say."""
    try:
        return _MACHINE.read_text("ascii").strip()
    except OSError:
        return ""


def own(directory: Path | None) -> tuple[Path | None, int | None, str | None]:
    """The file of a directory, its lock, and why it must be memory instead. ConfigError if somebody else has it."""
    if directory is None:
        return None, None, None
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        owner = os.open(directory / "agent.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        return None, None, f"{directory} cannot be written ({error.strerror}): frames wait in memory only"
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(owner)
        raise ConfigError(f"{directory} belongs to another agent that runs; give each its own --state") from None
    private_database(directory / "outbox.db")
    return directory / "outbox.db", owner, None


def reserve(path: Path) -> bool:
    """Take the reserve of a disk; whether it is there."""
    place = path.with_name("reserve")
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError:
        return False
    try:
        os.posix_fallocate(descriptor, 0, RESERVE)
    except OSError:
        place.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
    return True


def relieve(db: sqlite3.Connection, path: Path) -> None:
    """On a full disk: write the log back with the reserve's room, and let the file grow no more."""
    with contextlib.suppress(OSError):
        path.with_name("reserve").unlink(missing_ok=True)
    with contextlib.suppress(sqlite3.OperationalError):
        db.execute("PRAGMA wal_checkpoint(RESTART)")
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")


def grow(db: sqlite3.Connection) -> None:
    """Let the file grow again."""
    db.execute(f"PRAGMA max_page_count = {_UNLIMITED}")


def is_full(error: Exception) -> bool:
    """Whether an error says that the disk has no room."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def connect(path: str) -> sqlite3.Connection:
    """A connection that flushes at every commit, its tables made."""
    db = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    db.text_factory = _text
    try:
        db.execute(f"PRAGMA page_size = {_PAGE}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
        prepare(db)
    except (sqlite3.DatabaseError, UnicodeDecodeError, ConfigError):
        db.close()
        raise
    return db


def opened(path: Path) -> sqlite3.Connection | None:
    """The file if it is whole, None if it is damaged; raises what the disk says (sqlite3.OperationalError)."""
    try:
        db = connect(str(path))
        if db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",) and _fits(db):
            return db
        db.close()
    except DAMAGE as error:
        if not is_damage(error):
            raise
    return None


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file is no sound database of ours; a message that is no text says so too."""
    return isinstance(error, UnicodeDecodeError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def repair(path: Path, first: int) -> tuple[sqlite3.Connection, int, str]:
    """Move a damaged file aside and put what can be read of it into a fresh one, with ids from ``first``; how many
    frames, and the old name."""
    aside = path.with_name(f"outbox-damaged-{secrets.token_hex(4)}.db")
    for suffix in ("-wal", "-shm", ""):
        if Path(f"{path}{suffix}").exists():
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    fresh = connect(str(path))
    saved = _salvage(aside)
    with fresh:
        fresh.executemany(
            "INSERT INTO message (id, boot, sequence, age, value, payload, checksum) VALUES (?, ?, ?, 0, ?, ?, ?)",
            [(first + n, *row) for n, row in enumerate(saved)],
        )
    return fresh, len(saved), aside.name


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _fits(db: sqlite3.Connection) -> bool:
    """Whether the tables are ours: a file of another program is treated as damaged."""
    wanted = {"id", "boot", "sequence", "age", "value", "cuts", "payload", "checksum"}
    return wanted == {row[1] for row in db.execute("PRAGMA table_info(message)")}


def _salvage(path: Path) -> list[tuple[str, int, float, bytes, int]]:
    """What can still be read of a damaged file, from both ends up to the damage."""
    saved: dict[int, tuple[str, int, float, bytes, int]] = {}
    columns = "id, boot, sequence, value, payload, checksum"
    for order in ("ASC", "DESC"):
        try:
            with closing(sqlite3.connect(path)) as db:
                db.text_factory = _text
                for row in db.execute(f"SELECT {columns} FROM message ORDER BY id {order}"):
                    if [type(v) for v in row] == [int, str, int, float, bytes, int]:
                        saved[row[0]] = row[1:]
        except DAMAGE:
            continue
    return [saved[i] for i in sorted(saved)]
