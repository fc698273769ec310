"""Messages and arrivals of one node, for the tests of ingest and store."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow
import pyarrow.parquet

from edgexai.fleet.store.journal import Arrival, Journal
from edgexai.fleet.store.store import Store
from edgexai.fleet.store.table import SCHEMA
from edgexai.heatmap import encode
from edgexai.messaging.messages import pack_heatmap, topic

BOOT = "0123456789abcd"
HEATMAP = topic("f", "n", "heatmap")


def message(sequence: int = 7, target: int = 3, score: float = 2.5) -> bytes:
    relevance = np.eye(8, dtype=np.float32)
    with patch("edgexai.heatmap.given.number", lambda name, value, *bounds: value):  # an older node checked no score
        frame = encode(
            relevance, budget=80, model=b"\xab" * 8, sequence=sequence, time=1.7e9, target=target, score=score
        )
    return pack_heatmap(BOOT, frame)


def mutated(good: bytes, dice: random.Random) -> bytes:
    """A message that is not the good one: bits flipped, bytes cut off, put in, or taken from elsewhere."""
    while True:
        bad = bytearray(good)
        for _ in range(dice.randrange(1, 4)):
            bad[dice.randrange(8, len(bad))] ^= 1 << dice.randrange(8)
        if dice.random() < 0.2:
            del bad[dice.randrange(8, len(bad)) :]
        if dice.random() < 0.1:
            bad += dice.randbytes(dice.randrange(1, 100))
        if dice.random() < 0.1:
            bad[8:] = dice.randbytes(len(bad) - 8)
        if bytes(bad) != good:
            return bytes(bad)


DAY = 1.7e9


def arrival(sequence: int, node: str = "n", boot: str = "00" * 7, received: float = DAY) -> Arrival:
    return Arrival("f", node, boot, sequence, received, DAY, "ab" * 8, 3, 1.5, None, b"frame %d" % sequence)


def sequences(store: Store, after: int = -1) -> list[int]:
    return [s.sequence for s in store.since(after)]


def former_store(directory: Path, moves: Sequence[Sequence[Arrival]], waiting: Sequence[Arrival]) -> None:
    """A store of format 1: Parquet files by fleet, model and day that the journal lists, and what waits there."""
    journal = Journal(directory)
    for move in moves:
        journal.add(move)
    with closing(sqlite3.connect(directory / "journal.db")) as db, db:
        db.execute("CREATE TABLE part (path TEXT PRIMARY KEY, first INT, last INT, rows INT) WITHOUT ROWID")
        last = -1
        for move in moves:
            rows = [row for row in journal.oldest(1000) if last < row[0] <= max(last, 0) + len(move)]
            last = rows[-1][0]
            for model in sorted({row[7] for row in rows}):
                own = [row for row in rows if row[7] == model]
                path = f"frames/fleet=f/model={model}/day=2023-11-14/frames-{own[0][0]:012d}-{own[-1][0]:012d}.parquet"
                (directory / path).parent.mkdir(parents=True, exist_ok=True)
                table = pyarrow.table(
                    [list(c) for c in zip(*own, strict=True)], schema=SCHEMA.remove(SCHEMA.get_field_index("day"))
                )
                pyarrow.parquet.write_table(table, directory / path, compression="zstd")
                db.execute("INSERT INTO part VALUES (?, ?, ?, ?)", (path, own[0][0], own[-1][0], len(own)))
        db.execute("DELETE FROM frame")
        db.execute("DROP TABLE mark")
        db.execute("PRAGMA user_version = 1")
    journal.add(waiting)
    journal.close()
