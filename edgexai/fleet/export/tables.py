"""Frames as tables: Parquet, CSV, and a Delta table of their own in a folder or an object store.

One row a frame: what the store says of it, the group that its node declared, the map (``rows`` × ``columns``, row after
row) and the concepts, decoded, and the frame itself. CSV has the frame in base64, and neither map nor concepts.
"""

import base64
import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from edgexai.errors import ConfigError
from edgexai.fleet.analysis.evidence import channels_of
from edgexai.fleet.analysis.regions import flat
from edgexai.fleet.store.table import told

Batches = Iterable[list[dict[str, Any]]]

_PLAIN = ("id", "fleet", "node", "boot", "sequence", "received", "time", "model", "target", "score", "conservation")
_TYPES = {
    **dict.fromkeys(("id", "sequence"), pyarrow.int64()),
    **dict.fromkeys(("received", "time"), pyarrow.float64()),
    **dict.fromkeys(("target", "rows", "columns"), pyarrow.int32()),
    **dict.fromkeys(("score", "conservation"), pyarrow.float32()),
    **dict.fromkeys(("map", "concepts"), pyarrow.list_(pyarrow.float32())),
    "frame": pyarrow.binary(),
}
SCHEMA = pyarrow.schema(
    [
        (name, _TYPES.get(name, pyarrow.string()))
        for name in (*_PLAIN, "group", "rows", "columns", "map", "concepts", "frame")
    ]
)


def parquet(batches: Batches, path: Path) -> int:
    """Write one Parquet file; how many frames."""
    with pyarrow.parquet.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        count = 0
        for rows in batches:
            file.write_table(_table(rows))
            count += len(rows)
    return count


def delta(batches: Batches, url: str) -> int:
    """Append to a Delta table what is not in it yet, in one commit; how many frames. ConfigError where it cannot be.

    A frame is known by fleet, node, boot and sequence, so that an export may be repeated and stores may be exported
    into one table.
    """
    known = ("fleet", "node", "boot", "sequence")
    try:
        there = DeltaTable(url).to_pyarrow_dataset().to_table(columns=list(known))
        seen = set(zip(*(there.column(name).to_pylist() for name in known), strict=True))
    except TableNotFoundError:
        seen = set()
    except (DeltaError, OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"{url} cannot be read as a table of exported frames: {told(error)}") from None
    fresh = [_table([row for row in rows if tuple(row[name] for name in known) not in seen]) for rows in batches]
    count = sum(len(table) for table in fresh)
    if count:
        try:
            write_deltalake(url, pyarrow.concat_tables(fresh), mode="append")
        except (DeltaError, OSError) as error:
            raise ConfigError(f"{url} cannot be written: {told(error)}") from None
    return count


def as_csv(batches: Batches, path: Path) -> int:
    """Write a CSV file with a head; how many frames."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow([*_PLAIN, "group", "frame"])
        for rows in batches:
            count += len(rows)
            lines.writerows(
                [*(row[name] for name in (*_PLAIN, "group")), base64.b64encode(row["frame"]).decode()] for row in rows
            )
    return count


def _table(rows: Sequence[dict[str, Any]]) -> pyarrow.Table:
    maps = [flat(row["map"]) for row in rows]
    columns = {name: [row[name] for row in rows] for name in (*_PLAIN, "group", "frame")}
    columns["rows"] = [one.shape[0] for one in maps]
    columns["columns"] = [one.shape[1] for one in maps]
    columns["map"] = [one.ravel() for one in maps]
    columns["concepts"] = [channels_of(row) for row in rows]
    return pyarrow.table(columns, schema=SCHEMA)
