"""Stores of format 1 brought up to date: the Parquet files that their journal listed become the Delta table.

    STORE/frames/fleet=F/model=M/day=D/frames-<first id>-<last id>.parquet

They are copied in one commit; then the journal lists them no more; then they are removed. Files that did not count are
put aside.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow

from edgexai.errors import ConfigError
from edgexai.fleet.store.database import damaged
from edgexai.fleet.store.journal import Journal
from edgexai.fleet.store.table import SCHEMA, Table

ASIDE = "aside"
"""Of a store: files that do not count, for somebody to look at."""
_COLUMNS = "fleet, node, boot, sequence, received, time, model, target, score, conservation, frame"
_DAY = "strftime(make_timestamp((received * 1e6)::BIGINT), '%Y-%m-%d')"


def migrate(directory: Path, journal: Journal, table: Table) -> None:
    """Take the Parquet files of format 1 into the table. Raises ConfigError if there are some that no journal lists,
    or that cannot be read; nothing is changed then."""
    old = loose(directory)
    if not old:
        return
    if journal.last_id() < 0:
        raise damaged(journal.path, Exception("the journal is empty, and there are Parquet files"))
    listed = [directory / path for path in journal.parts()]
    if listed:
        if table.take_back(-1) or table.version() < 0:
            try:
                take_in(listed, table)
            except duckdb.Error as error:
                raise ConfigError(f"{error}; `edgexai fleet repair --store {directory}` saves what there is") from None
        for path in set(old) - set(listed):
            put_aside(path, directory)
        journal.taken(table.last_id(), table.flush(-1))
    for folder in (directory / "frames").glob("fleet=*"):
        shutil.rmtree(folder)


def loose(directory: Path) -> list[Path]:
    """The files of format 1, also those that do not count."""
    return sorted(p for folder in (directory / "frames").glob("fleet=*") for p in folder.rglob("*") if p.is_file())


def take_in(paths: Sequence[Path], table: Table, anew: bool = False) -> None:
    """Make the table of Parquet files, in one commit; with ``anew`` each frame once and under another id."""
    if not paths:
        return
    rows = f"SELECT * FROM read_parquet({[str(p) for p in paths]!r}, hive_partitioning = false, union_by_name = true)"
    number, end = "id", "max(id)"
    if anew:
        rows += " QUALIFY row_number() OVER (PARTITION BY fleet, node, boot, sequence ORDER BY id) = 1"
        number, end = "(row_number() OVER (ORDER BY id, received)) - 1", "count(*) - 1"
    with duckdb.connect(config={"threads": 1, "memory_limit": "1GB"}) as db:
        last = db.execute(f"SELECT {end} FROM ({rows})").fetchall()[0][0]
        read = db.sql(f"SELECT {number} AS id, {_COLUMNS}, {_DAY} AS day FROM ({rows}) ORDER BY id")

        def batches() -> Iterator[pyarrow.RecordBatch]:
            for batch in read.to_arrow_reader(100_000):
                yield from pyarrow.Table.from_batches([batch]).cast(SCHEMA).to_batches()

        table.write(pyarrow.RecordBatchReader.from_batches(SCHEMA, batches()), -1 if last is None else int(last), -1)


def put_aside(path: Path, directory: Path) -> Path:
    """Move a file to where it disturbs nobody; where that is."""
    to = directory / ASIDE / path.name
    to.parent.mkdir(exist_ok=True)
    while to.exists():
        to = to.with_name(f"{to.name}.again")
    os.replace(path, to)
    return to
