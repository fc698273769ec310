"""What is older than the journal: a Delta table, in a folder or in an object store (s3://bucket/name).

    frames/_delta_log/…                     what counts, commit by commit
    frames/day=2026-03-01/part-….parquet    the frames, by day of arrival (UTC)

A commit holds if nobody has committed since the version that was read (`append` says whether), so that several hosts
number their frames one after the other. delta-rs leaves what it writes to the system: `flush` has it on the disk, and
`take_back` removes commits whose files a power cut has torn before that.
"""

import json
import os
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import numpy as np
import pyarrow
import pyarrow.dataset
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from numpy.typing import NDArray

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import COLUMNS, Held, Row
from edgexai.fleet.store.selection import EVERYTHING, Reach, Selection

SMALL, MERGED = 250_000, 16  # files of fewer rows are small; so many of a day become one
FILE_SIZE = 128 << 20
WINDOW = 1_000_000  # ids that are read at once
KEPT_HOURS = 24
"""How long files that a merge has replaced stay for readers and for looks at an earlier version."""
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
        ("day", pyarrow.string()),
    ]
)
_SETTINGS = {
    "delta.dataSkippingStatsColumns": "id,received,time",  # no names in the log: a deleted node leaves none
    "delta.logRetentionDuration": "interval 2 days",  # a busy fleet commits ten thousand times a day
}
_id, _COLUMNS = pyarrow.dataset.field("id"), [name.strip() for name in COLUMNS.split(",")]
_LAST = "edgexai"  # the transaction whose version is the id of the last frame
_FINE = WriterProperties(compression="ZSTD", max_row_group_size=65_536)  # `since` reads no more than it must


@dataclass(frozen=True)
class File:
    """A Parquet file of the table, with the first and last id in it, and the reach of its times."""

    path: str
    first: int
    last: int
    rows: int
    day: str
    time: Reach
    received: Reach


class Table:
    """The table at a path or URL, made with its first frames. Object stores take their settings from AWS_… variables
    of the environment."""

    def __init__(self, url: str) -> None:
        self.url = url.removeprefix("file://")
        self.folder = None if "://" in self.url else Path(self.url)
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None
        self._read: tuple[int, list[File], Any] = (-1, [], None)

    def version(self) -> int:
        """Of the newest commit, -1 while there is none."""
        table = self._newest()
        return -1 if table is None else int(table.version())

    def last_id(self) -> int:
        """The id of the last frame that was ever appended, -1 if there is none."""
        table = self._newest()
        last = None if table is None else table.transaction_version(_LAST)
        return -1 if last is None else int(last)

    def last_id_at(self, version: int) -> int:
        """The last id that was in the table by a version; ConfigError if the log does not have that."""
        try:
            last = DeltaTable(self.url, version=version).transaction_version(_LAST)
        except (DeltaError, OverflowError) as error:
            newest = self.version()
            said = f"its newest is {newest}" if newest >= 0 else "no frames have moved into the table yet"
            raise ConfigError(f"{self.url} has no version {version}; {said}") from error
        return -1 if last is None else int(last)

    def files(self) -> list[File]:
        """The files that count, by their first id."""
        return self._snapshot()[1]

    def append(self, rows: Sequence[Row], version: int) -> bool:
        """Add rows, whose ids are beyond all that are there; False if the newest commit is not ``version`` any more."""
        days = [datetime.fromtimestamp(row[5], UTC).date().isoformat() for row in rows]
        columns = [list(column) for column in zip(*rows, strict=True)]
        data = pyarrow.table([*columns, days], schema=SCHEMA)
        return self.write(data, int(rows[-1][0]), version)

    def write(self, data: Any, last: int, version: int) -> bool:
        """Add what Arrow can read as one commit, the last id being ``last``; False as in `append`."""
        table = self._newest()
        commit = CommitProperties(app_transactions=[Transaction(_LAST, last)], max_commit_retries=0)
        if (-1 if table is None else table.version()) != version:
            return False
        try:
            write_deltalake(
                self.url if table is None else table,
                data,
                mode="append" if table is not None else "error",
                partition_by=["day"],
                configuration=_SETTINGS if table is None else None,
                writer_properties=_FINE,
                commit_properties=commit,
            )
        except CommitFailedError:
            return False
        except DeltaError:
            if table is None and self._newest() is not None:  # another host has just made the table
                return False
            raise
        return True

    def since(self, after: int, upto: int, limit: int, chosen: Selection = EVERYTHING) -> list[Row]:
        """The chosen rows beyond an id up to another, in order, at most ``limit``."""
        rows: list[Row] = []
        reach = limit
        while len(rows) < limit and after < upto:
            # a file may hold a million rows beyond; ids are dense but for deletes, and for what is not chosen
            after, end = self._window(after, upto, reach, chosen)
            found = self._found(chosen.arrow((_id > after) & (_id <= end)), _COLUMNS) if after < end else None
            rows += [] if found is None else _rows(found.slice(0, limit - len(rows)))
            after, reach = end, min(4 * reach, WINDOW)
        return rows

    def ids(self, after: int, upto: int, chosen: Selection = EVERYTHING) -> Iterator[NDArray[np.int64]]:
        """The ids of the chosen rows beyond an id up to another, in order, so many at a time."""
        while after < upto:
            after, end = self._window(after, upto, WINDOW, chosen)
            if after < end:
                yield self._found(chosen.arrow((_id > after) & (_id <= end)), ["id"]).column("id").to_numpy()
            after = end

    def of(self, ids: Collection[int]) -> list[Row]:
        """The rows of these ids, in order."""
        if not ids or not self.files():
            return []
        wanted = pyarrow.array(sorted(ids), pyarrow.int64())
        return _rows(self._found((_id >= min(ids)) & (_id <= max(ids)) & _id.isin(wanted), _COLUMNS))

    def last_time(self, ahead: float) -> float:
        """The greatest time of explanation (Unix seconds) that is at most ``ahead`` seconds behind its arrival, -inf if
        there are none; read from the log where that says it."""
        said = [(file.time.greatest, file.received.greatest) for file in self.files()]
        times = [
            time for time, received in said if time is not None and received is not None and time <= received + ahead
        ]
        if len(times) < len(said):
            found = self.query("SELECT max(time) FROM data WHERE time <= received + ?", [ahead])[0][0]
            return -float("inf") if found is None else float(found)
        return max(times, default=-float("inf"))

    def _window(self, after: int, upto: int, reach: int, chosen: Selection) -> tuple[int, int]:
        """From where, and up to which id, is read next: beyond all files that have nothing of what is chosen."""
        files = (file for file in self.files() if file.last > after and chosen.may_be_in(file.time, file.received))
        begin = min((max(after, file.first - 1) for file in files), default=upto)
        return begin, min(upto, begin + reach)

    def _found(self, where: pyarrow.dataset.Expression, columns: list[str]) -> pyarrow.Table:
        """What a condition leaves, by id. Arrow reads the files and row groups whose statistics allow it, no others."""
        while True:
            version, _, data = self._snapshot()
            try:
                return data.to_table(columns=columns, filter=where).sort_by("id")
            except (OSError, pyarrow.ArrowException):
                if self.version() == version:
                    raise  # else frames have been deleted meanwhile, and their files with them

    def held(self, after: int, upto: int) -> list[Held]:
        """The numbers and sizes of all frames beyond an id up to another."""
        return self.query(
            "SELECT fleet, node, boot, list(sequence), list(octet_length(frame)) FROM data"
            " WHERE id > ? AND id <= ? GROUP BY ALL",
            [after, upto],
        )

    def query(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """What DuckDB answers about the newest version, whose name is ``data``."""
        _, _, data = self._snapshot()
        if data is None:
            return []
        with duckdb.connect() as db:
            db.register("data", data)
            return db.execute(query, values).fetchall()

    def merge(self) -> int:
        """Make few files of many small ones of a day; how many rows are in the new ones, 0 if there are not so many."""
        small: dict[str, list[File]] = {}
        for file in self.files():
            if file.rows < SMALL:
                small.setdefault(file.day, []).append(file)
        day = next((day for day, files in small.items() if len(files) >= MERGED), None)
        table = self._newest()
        if day is None or table is None:
            return 0
        try:
            table.optimize.compact([("day", "=", day)], target_size=FILE_SIZE, writer_properties=_FINE)
        except CommitFailedError:  # another host has changed these files meanwhile; there is another time
            return 0
        return sum(file.rows for file in small[day])

    def delete(self, where: str) -> int:
        """Delete the rows that a condition names, files and all: neither a look back nor the disk has them any more."""
        table = self._newest()
        if table is None:
            return 0
        version = int(table.version())
        count = int(table.delete(where, writer_properties=_FINE)["num_deleted_rows"])
        self.flush(version)
        self.vacuum(0)
        return count

    def vacuum(self, hours: int = KEPT_HOURS) -> None:
        """Remove files that have not counted for so long; in a folder also what crashes left."""
        table = self._newest()
        if table is not None:
            # in an object store another host may be about to commit what does not count yet
            everything = self.folder is not None or hours >= KEPT_HOURS
            table.vacuum(hours, dry_run=False, enforce_retention_duration=False, full=everything)

    def flush(self, since: int) -> int:
        """Have all that was committed after a version on the disk; the newest version."""
        table = self._newest()
        if table is None or self.folder is None:  # an object store has it when it says so
            return -1 if table is None else int(table.version())
        log = self.folder / "_delta_log"
        new = [path for path in log.iterdir() if path.suffix != ".json" or _number(path) > since]
        files = [self.folder / unquote(a["path"]) for c in self._commits(since) for a in _actions(c, "add")]
        for path in [*files, *new, *{p.parent for p in files}, log, self.folder, self.folder.parent]:
            if path.exists():
                to_disk(path)
        return int(table.version())

    def take_back(self, acknowledged: int | None) -> int:
        """Remove commits after a version (None: only the newest is in doubt) that a power cut has torn, and all after
        them; how many. What they brought is still in the journal, or in the files that they replaced."""
        if self.folder is None:
            return 0
        log = self.folder / "_delta_log"
        commits = self._commits(-1)[-1:] if acknowledged is None else self._commits(acknowledged)
        torn = next((i for i, path in enumerate(commits) if not _is_whole(path, path is commits[-1])), len(commits))
        for path in reversed(commits):
            made = [p for p in log.glob(f"{path.stem}.checkpoint*") if path in commits[torn:] or not is_readable(p)]
            for gone in [*made, *(log.glob("_last_checkpoint") if made else ())]:  # the last is only a hint
                gone.unlink()
        for path in reversed(commits[torn:]):
            path.unlink()
            to_disk(log)
        if torn < len(commits):
            self._table, self._read = None, (-1, [], None)
        return len(commits) - torn

    def damaged(self) -> list[Path]:
        """The files in a folder that count and cannot be read."""
        folder = self.folder
        return [] if folder is None else [p for p in (folder / f.path for f in self.files()) if not is_readable(p)]

    def without_missing(self) -> None:
        """Let files that are not there any more count no more."""
        if (table := self._newest()) is not None:
            table.repair()

    def _commits(self, since: int) -> list[Path]:
        assert self.folder is not None
        commits = (p for p in (self.folder / "_delta_log").glob("*.json") if p.stem.isdigit())
        return sorted(path for path in commits if _number(path) > since)

    def _snapshot(self) -> tuple[int, list[File], Any]:
        """Version, files and dataset of the newest commit."""
        table = self._newest()
        with self._lock:
            if table is None:
                return -1, [], None
            if self._read[0] != table.version() or self._read[2] is None:
                said = pyarrow.table(table.get_add_actions(flatten=True))
                names = ("path", "min.id", "max.id", "num_records", "partition.day")
                columns = [said.column(name).to_pylist() for name in names]
                columns += [_reaches(said, "time"), _reaches(said, "received")]
                files = [File(*row) for row in zip(*columns, strict=True)]
                files.sort(key=lambda file: file.first)
                self._read = (int(table.version()), files, table.to_pyarrow_dataset())
            return self._read

    def _newest(self) -> DeltaTable | None:
        with self._lock:
            try:
                if self._table is None:
                    self._table = DeltaTable(self.url)
                else:
                    self._table.update_incremental()
            except TableNotFoundError:
                self._table = None
            except DeltaError as error:
                what = "" if self.folder is None else f"; `edgexai fleet repair --store {self.folder.parent}` mends it"
                raise ConfigError(f"{self.url} cannot be read as a Delta table: {told(error)}{what}") from None
            return self._table


def _reaches(said: pyarrow.Table, column: str) -> list[Reach]:
    """Of a column in each file."""
    ends = [f"{end}.{column}" for end in ("min", "max")]
    both = [said.column(e).to_pylist() if e in said.column_names else [None] * len(said) for e in ends]
    return [Reach(*pair) for pair in zip(*both, strict=True)]


def _rows(found: pyarrow.Table) -> list[Row]:
    # by way of numpy, which is faster, where nothing is null
    columns = (c.to_pylist() if c.null_count else c.to_numpy().tolist() for c in found.columns)
    return list(zip(*columns, strict=True))


def _actions(commit: Path, kind: str) -> list[dict[str, Any]]:
    """The actions of a kind in a commit; ValueError if it is torn."""
    return [action[kind] for action in map(json.loads, commit.read_bytes().splitlines()) if kind in action]


def _is_whole(commit: Path, is_last: bool) -> bool:
    """Whether all of a commit is there, and the files that it added (unless a later one has removed them)."""
    try:
        about, added, removed = (_actions(commit, kind) for kind in ("commitInfo", "add", "remove"))
        said = about[0].get("operationMetrics") or {}
    except (ValueError, LookupError):
        return False
    counts = {
        "num_added_files": added,
        "numFilesAdded": added,
        "num_removed_files": removed,
        "numFilesRemoved": removed,
    }
    if any(name in said and int(said[name]) != len(actions) for name, actions in counts.items()):
        return False
    for one in added:
        path = commit.parents[1] / unquote(one["path"])
        gone = not path.exists()
        if is_last if gone else path.stat().st_size != one["size"] or not is_readable(path):
            return False
    return True


def is_readable(path: Path) -> bool:
    """Whether a Parquet file can be read from end to end."""
    try:
        for _ in pyarrow.dataset.dataset(path).to_batches():
            pass
    except (OSError, pyarrow.ArrowException):
        return False
    return True


def told(error: Exception) -> str:
    """What an error says, on one line without colours."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())


def _number(path: Path) -> int:
    """The version of a file of the log; beyond all of them for one that has none."""
    name = path.name.split(".")[0]
    return int(name) if name.isdigit() else 1 << 62


def to_disk(path: Path) -> None:
    """Have a file, or a directory's entries, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
