"""The store of a fleet: a journal of what has just arrived, and Parquet for everything older.

    STORE/journal.db
    STORE/frames/fleet=F/model=M/day=D/frames-<first id>-<last id>.parquet

A file counts once the journal lists it; what a crash left halfway is removed before the next move. Frames are moved
in the order of their ids, so every id up to the last moved one is in Parquet and every later one in the journal.
Sixteen small files of a folder become one.
"""

import fcntl
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.parquet

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import COLUMNS, Journal, Row, damaged

log = logging.getLogger(__name__)

LOCK = "store.lock"
OWN_FOLDERS = 32
"""Models with a folder of their own in one move; the others share one."""
SMALL, MERGED = 250_000, 16  # files of fewer rows are small; so many of them become one
SCHEMA = pyarrow.schema(
    [
        ("id", pyarrow.int64()),
        ("fleet", pyarrow.string()),
        ("node", pyarrow.string()),
        ("boot", pyarrow.string()),
        ("sequence", pyarrow.int64()),
        ("received", pyarrow.float64()),
        ("time", pyarrow.float64()),
        ("model", pyarrow.string()),
        ("target", pyarrow.int32()),
        ("score", pyarrow.float32()),
        ("conservation", pyarrow.float32()),
        ("frame", pyarrow.binary()),
    ]
)


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
    """The store in a directory; any number of processes on one machine may have it open."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._open = open(directory / LOCK, "a")  # noqa: SIM115 - says that the store is in use, until `close`
        try:
            fcntl.flock(self._open, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            self._open.close()
            raise ConfigError(f"{directory} is being repaired; wait until that has ended") from None
        self.journal = Journal(directory)
        if self.journal.last_id() < 0 and next((directory / "frames").rglob("*.parquet"), None) is not None:
            self.close()
            raise damaged(self.journal.path, Exception("the journal is empty, and there are Parquet files"))
        with self._only_one() as mine:
            if mine:
                self._set_strays_aside()

    def since(self, after: int, limit: int = 10_000) -> list[Stored]:
        """Frames beyond an id, oldest first, at most ``limit``."""
        while True:
            paths, rows = self.journal.snapshot(after, limit)
            try:
                old = self._archived(paths, after, limit) if paths else []
            except duckdb.IOException:
                if self.journal.snapshot(after, 0)[0] == paths:
                    raise
                continue  # another worker has merged these files meanwhile
            return [Stored(*row) for row in [*old, *rows][:limit]]

    def last_id(self) -> int:
        """The id of the newest frame, -1 if there is none."""
        return self.journal.last_id()

    def compact(self, at_least: int = 1, at_most: int = 50_000) -> int:
        """Move the journal's frames to Parquet if there are ``at_least`` so many, the oldest ``at_most``; how many."""
        if self.journal.waiting() < at_least:
            return 0
        with self._only_one() as mine:
            if not mine:
                return 0
            self._remove_leftovers()
            rows = self.journal.oldest(at_most)
            if not rows:
                return 0
            self.journal.moved(int(rows[-1][0]), [self._write(*group) for group in _partitions(rows)])
            return len(rows)

    def merge(self) -> int:
        """Make one file of sixteen small ones of a folder; how many frames are in it, 0 if there are not so many."""
        folders: dict[str, list[tuple[str, int, int, int]]] = defaultdict(list)
        for part in self.journal.small_parts(SMALL):
            folders[part[0].rsplit("/", 1)[0]].append(part)
        full = [(folder, parts[:MERGED]) for folder, parts in folders.items() if len(parts) >= MERGED]
        if not full:
            return 0
        with self._only_one() as mine:
            if not mine:
                return 0
            self._remove_leftovers()
            folder, parts = full[0]
            old = [path for path, *_ in parts]
            first, last = parts[0][1], max(part[2] for part in parts)
            relative = f"{folder}/frames-{first:012d}-{last:012d}.parquet"
            path = self.directory / relative
            with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as db:
                read = db.read_parquet([str(self.directory / p) for p in old], hive_partitioning=False)
                read.order("id").write_parquet(str(path.with_suffix(".partial")), compression="zstd")
            self._put(path)
            self.journal.merged(old, (relative, first, last, sum(part[3] for part in parts)))
            for gone in old:
                (self.directory / gone).unlink()
            return sum(part[3] for part in parts)

    def close(self) -> None:
        """Give the files back."""
        self.journal.close()
        self._open.close()

    def _archived(self, paths: list[str], after: int, limit: int) -> list[Row]:
        files = [str(self.directory / p) for p in paths]
        query = f"SELECT {COLUMNS} FROM read_parquet(?, hive_partitioning = false) WHERE id > ? ORDER BY id LIMIT ?"
        with duckdb.connect() as db:
            return db.execute(query, [files, after, limit]).fetchall()

    def _write(self, folder: str, rows: list[Row]) -> tuple[str, int, int, int]:
        first, last = int(rows[0][0]), int(rows[-1][0])
        relative = f"{folder}/frames-{first:012d}-{last:012d}.parquet"
        path = self.directory / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pyarrow.table([list(column) for column in zip(*rows, strict=True)], schema=SCHEMA)
        pyarrow.parquet.write_table(table, path.with_suffix(".partial"), compression="zstd")
        self._put(path)
        return relative, first, last, len(rows)

    def _put(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        flush(partial)
        os.replace(partial, path)
        flush(path.parent)

    def _set_strays_aside(self) -> None:
        """Files newer than the journal: it is an old copy, and would give their ids away again."""
        newest = self.journal.last_id()
        for path in self._not_counted():
            if path.suffix == ".parquet" and int(path.stem.rsplit("-", 1)[1]) > newest:
                log.error("%s is newer than the journal (an old copy?); it is kept as .stray", path)
                os.replace(path, path.with_suffix(".stray"))

    def _remove_leftovers(self) -> None:
        """What a crash left: half a file, or one whose frames are in the journal or in other files as well."""
        self._set_strays_aside()
        for path in self._not_counted():
            path.unlink()

    def _not_counted(self) -> list[Path]:
        counted = self.journal.parts()
        found = (self.directory / "frames").rglob("frames-*.p*")
        files = [p for p in found if p.suffix in (".partial", ".parquet")]
        return [p for p in files if str(p.relative_to(self.directory)) not in counted]

    @contextmanager
    def _only_one(self) -> Iterator[bool]:
        with open(self.directory / "compact.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True


def _partitions(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    # a node may say any model: the folders of one move are bounded, the column says the model in any case
    own = {model for model, _ in Counter(row[7] for row in rows).most_common(OWN_FOLDERS)}
    for row in rows:
        day, model = datetime.fromtimestamp(row[5], UTC).date().isoformat(), row[7] if row[7] in own else "others"
        groups[f"frames/fleet={row[1]}/model={model}/day={day}"].append(row)
    yield from groups.items()


def flush(path: Path) -> None:
    """Have a file, or a directory's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
