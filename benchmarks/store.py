"""The fleet's store: frames moved from the journal into a Delta table, beside plain Parquet files and a list of them.

Frames of 64 bytes from 50 nodes are taken in by the journal in batches of 2,000, as a worker does, and moved by
50,000. Measured are frames a second into the journal alone, into journal and table, and each move beside what the
store did before (a Parquet file a model and day, listed in SQLite); reads, merges, sizes, commits by several writers,
and moves that are killed.

examples:
  python -m benchmarks store
  python -m benchmarks store --frames 1000000 --json
"""

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow
import pyarrow.parquet

from benchmarks.results import Row, kept
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.journal import Row as Stored
from edgexai.fleet.store.store import Store
from edgexai.fleet.store.table import MERGED, SCHEMA, Table, to_disk
from edgexai.heatmap import encode

BATCH, MOVE, NODES = 2000, 50_000, 50
BOOT = "0123456789abcd"
WRITERS = 4


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--frames", type=int, default=800_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="moves that are killed (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON line a measure")
    parser.add_argument("-o", "--output", metavar="FILE", help="append the lines there")
    parser.add_argument("--move", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--append", nargs=2, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    if args.move is not None:
        return _mover(args.move)
    if args.append is not None:
        return _appender(args.append[0], int(args.append[1]))
    with tempfile.TemporaryDirectory(prefix="edgexai-store-") as place:
        rows = kept(measured(Path(place), args.frames, args.kills), args.output, args.json)
    if not args.json:
        print(table(rows))
    return 0


def arrivals(count: int, begin: int = 0) -> list[Arrival]:
    """Frames as a fleet sends them, of 50 nodes in turn: the head of a real one, and what a coder leaves is noise."""
    dice = np.random.default_rng(begin)
    head = encode(dice.normal(size=(8, 8)).astype(np.float32), budget=64, model=bytes(8))[:16]
    return [
        Arrival(
            "line",
            f"press{n % NODES}",
            BOOT,
            n // NODES,
            1.79e9 + n / 6000,
            1.79e9 + n / 6000,
            "00" * 8,
            n % 10,
            n % 97 / 10,
            1.0,
            head + dice.bytes(48),
        )
        for n in range(begin, begin + count)
    ]


def measured(place: Path, frames: int, kills: int) -> Iterator[Row]:
    """Every measure in turn."""
    store = Store(place / "store")
    taking = moving = 0.0
    for begin in range(0, frames, MOVE):
        batches = [arrivals(BATCH, at) for at in range(begin, begin + MOVE, BATCH)]
        taking += _seconds(lambda batches=batches: [store.journal.add(b) for b in batches])  # type: ignore[misc]
        moving += _seconds(lambda: store.compact(at_most=MOVE))
    yield {"what": "into the journal", "unit": "frames/s", "delta": frames / taking}
    yield {"what": "into journal and table", "unit": "frames/s", "delta": frames / (taking + moving)}
    rows = _plain(MOVE)
    former, beside, listed, appended = Former(place / "former"), Table(str(place / "beside")), 0.0, 0.0
    for begin in range(0, frames, MOVE):
        numbered = _numbered(rows, begin)
        listed += _seconds(lambda numbered=numbered: former.move(numbered))  # type: ignore[misc]
        appended += _seconds(lambda numbered=numbered: _append(beside, numbered))  # type: ignore[misc]
    yield {"what": "50,000 frames at a time, flushed", "unit": "frames/s", "delta": frames / appended} | {
        "files": frames / listed
    }
    size = {"delta": _size(place / "beside"), "files": _size(place / "former")}
    yield {"what": "size", "unit": "bytes a frame", **{k: v / frames for k, v in size.items()}}
    yield from _reads(store, former, frames)
    merged = _seconds(lambda: [None for _ in iter(store.merge, 0)])
    yield {"what": "merge", "unit": "frames/s", "delta": frames / merged, "files": frames / _seconds(former.merge)}
    yield {"what": "files after the merge", "unit": "files", "delta": len(store.table.files()), "files": 1}
    store.table.vacuum(0)
    yield {"what": "size after merge and vacuum", "unit": "bytes a frame", "delta": _size(place / "store") / frames}
    count = store.table.query("SELECT count(*) FROM data WHERE node = 'press7'")[0][0]
    took = _seconds(lambda: store.erase("line", "press7"))
    yield {"what": "a node's frames deleted for good", "unit": "s", "delta": took, "frames": count}
    store.close()
    yield _writers(place / "shared")
    yield _killed(place / "killed", kills)


def _reads(store: Store, former: "Former", frames: int) -> Iterator[Row]:
    query = "SELECT target, count(*), avg(score) FROM data GROUP BY target"
    delta = _seconds(lambda: store.table.query(query))
    yield {"what": "mean score by class, by DuckDB", "unit": "s", "delta": delta, "files": _seconds(former.scores)}
    middle = frames // 2
    delta = _seconds(lambda: store.since(middle, 10_000))
    yield {
        "what": "10,000 frames from the middle",
        "unit": "s",
        "delta": delta,
        "files": _seconds(lambda: former.since(middle, 10_000)),
    }


class Former:
    """What the store did before: a Parquet file a move, flushed, renamed, and listed in SQLite."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.db = sqlite3.connect(folder / "list.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE part (path TEXT PRIMARY KEY, first INTEGER, last INTEGER)")

    def move(self, rows: Sequence[Stored]) -> None:
        """One move."""
        path = self.folder / f"frames-{rows[0][0]:012d}.parquet"
        data = pyarrow.table([list(column) for column in zip(*rows, strict=True)], schema=SCHEMA.remove(12))
        pyarrow.parquet.write_table(data, path.with_suffix(".partial"), compression="zstd")
        to_disk(path.with_suffix(".partial"))
        os.replace(path.with_suffix(".partial"), path)
        to_disk(self.folder)
        self.db.execute("INSERT INTO part VALUES (?, ?, ?)", (str(path), rows[0][0], rows[-1][0]))

    def since(self, after: int, limit: int) -> list[Stored]:
        """Rows beyond an id."""
        found = self.db.execute("SELECT path FROM part WHERE last > ? ORDER BY first", (after,)).fetchall()
        query = "SELECT * FROM read_parquet(?) WHERE id > ? ORDER BY id LIMIT ?"
        with duckdb.connect() as db:
            return db.execute(query, [[path for (path,) in found], after, limit]).fetchall()

    def scores(self) -> list[Stored]:
        """The mean score of every class."""
        with duckdb.connect() as db:
            files = f"read_parquet('{self.folder}/*.parquet')"
            return db.execute(f"SELECT target, count(*), avg(score) FROM {files} GROUP BY target").fetchall()

    def merge(self) -> None:
        """Sixteen files become one, again and again."""
        paths = sorted(self.folder.glob("*.parquet"))
        for i in range(0, len(paths), MERGED):
            with duckdb.connect(config={"threads": 1, "memory_limit": "512MB"}) as db:
                read = db.read_parquet([str(path) for path in paths[i : i + MERGED]])
                read.order("id").write_parquet(str(paths[i].with_suffix(".merged")), compression="zstd")
            to_disk(paths[i].with_suffix(".merged"))


def _writers(folder: Path) -> Row:
    """Processes append to one table at once, each commit only if no other came between."""
    rows = 20
    appenders = [_ourselves("--append", str(folder), str(i)) for i in range(WRITERS)]
    begin = time.perf_counter()
    lost = sum(int(child.communicate()[0]) for child in appenders)
    took = time.perf_counter() - begin
    held = Table(str(folder)).query("SELECT count(*), count(DISTINCT id) FROM data")[0]
    wrong = abs(held[0] - WRITERS * rows * 1000) + held[0] - held[1]
    return {
        "what": f"{WRITERS} writers of one table, {rows} commits each",
        "unit": "s",
        "delta": took,
        "wrong": wrong,
    } | {"lost_races": lost}


def _appender(folder: str, number: int) -> int:
    """Append twenty times a thousand rows; how often another was faster."""
    shared, lost = Table(folder), 0
    for k in range(20):
        while True:
            version, last = shared.version(), shared.last_id()
            batch = _numbered(_plain(1000, number * 20_000 + k * 1000), last + 1)
            if version == shared.version() and shared.append(batch, version):
                break
            lost += 1
    print(lost)
    return 0


def _killed(folder: Path, kills: int) -> Row:
    """A process that takes in and moves is killed again and again; what it said is stored must be there, once."""
    dice, said = random.Random(1), 0
    for _ in range(kills):
        child = _ourselves("--move", str(folder))
        assert child.stdout is not None
        for _ in range(dice.randrange(1, 8)):
            child.stdout.readline()
        time.sleep(dice.uniform(0, 0.15))
        os.kill(child.pid, signal.SIGKILL)
        said = max([said, *(int(line) for line in child.communicate()[0].split())])
    store = Store(folder)
    held, after = [], -1
    while batch := store.since(after):
        held += [(one.node, one.sequence) for one in batch]
        after = batch[-1].id
    store.close()
    wrong = len(held) - len(set(held)) + max(0, said - len(held))
    return {"what": f"moves killed {kills} times", "unit": "frames", "delta": len(held), "wrong": wrong}


def _mover(folder: Path) -> int:
    store = Store(folder)
    at = max(0, store.journal.counters()["frames"] - 5000)
    while True:
        store.journal.add(arrivals(5000, at))
        at += 5000
        store.compact()
        print(store.journal.counters()["frames"], flush=True)


def _ourselves(*options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "benchmarks", "store", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _plain(count: int, begin: int = 0) -> list[Stored]:
    return [
        (a.sequence, a.fleet, a.node, a.boot, a.sequence, a.received, a.time, a.model, a.target, a.score, 1.0, a.frame)
        for a in arrivals(count, begin)
    ]


def _append(shared: Table, rows: Sequence[Stored]) -> None:
    version = shared.version()
    assert shared.append(rows, version)
    shared.flush(version)


def _numbered(rows: Sequence[Stored], first: int) -> list[Stored]:
    return [(first + i, *row[1:]) for i, row in enumerate(rows)]


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def table(rows: Sequence[Row]) -> str:
    """The rows for a page."""
    lines = ["| what | Delta table | Parquet files and a list | |", "|---|---|---|---|"]
    for row in rows:
        more = ", ".join(f"{row[k]:,} {k.replace('_', ' ')}" for k in ("wrong", "lost_races", "frames") if k in row)
        lines.append(f"| {row['what']} | {_said(row, 'delta')} | {_said(row, 'files')} | {more} |")
    return "\n".join(lines)


def _said(row: Row, key: str) -> str:
    if key not in row:
        return "–"
    value = row[key]
    return f"{value:,.0f} {row['unit']}" if value >= 100 or value == int(value) else f"{value:.3g} {row['unit']}"
