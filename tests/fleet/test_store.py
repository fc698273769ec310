"""The store: each frame once, durable when a call returns, whatever dies between two files."""

import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import duckdb
import pyarrow.parquet
import pytest
from arrivals import DAY, arrival, sequences
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import Journal, Refusal
from edgexai.fleet.store.ranges import contains, insert
from edgexai.fleet.store.store import MERGED, Store


@given(st.lists(st.lists(st.integers(0, 60), max_size=20), max_size=6))
def test_ranges_are_a_set(batches: list[list[int]]) -> None:
    ranges, reference = [], set()
    for batch in batches:
        ranges, fresh = insert(ranges, batch)
        assert fresh == sorted(set(batch) - reference)
        reference |= set(batch)
    assert {n for first, last in ranges for n in range(first, last + 1)} == reference
    assert all(b[0] - a[1] > 1 for a, b in itertools.pairwise(ranges))
    assert all(contains(ranges, n) == (n in reference) for n in range(-1, 62))


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=12), max_size=5))
@settings(max_examples=40, deadline=None)
def test_every_frame_is_stored_once_in_any_order_and_batch(batches: list[list[tuple[str, int]]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        sent = 0
        for batch in batches:
            store.journal.add([arrival(n, node) for node, n in batch])
            sent += len(batch)
        stored = [(s.node, s.sequence) for s in store.since(-1)]
        expected = {pair for batch in batches for pair in batch}
        assert len(stored) == len(set(stored))
        assert set(stored) == expected
        counters = store.journal.counters()
        assert (counters["frames"], counters["duplicates"]) == (len(expected), sent - len(expected))
        store.close()


def test_nodes_and_boots_count_for_themselves(tmp_path: Path) -> None:
    store = Store(tmp_path)
    new = store.journal.add([arrival(0), arrival(0, node="m"), arrival(0, boot="11" * 7), arrival(0)])
    assert new == 3


def test_a_frame_in_parquet_is_known_when_it_comes_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(n) for n in range(10)])
    assert store.compact() == 10
    assert store.journal.add([arrival(n) for n in range(12)]) == 2
    assert sequences(store) == list(range(12))
    assert store.journal.waiting() == 2


def test_since_reads_across_files_and_journal_from_any_id(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for start in range(0, 30, 10):
        store.journal.add([arrival(n) for n in range(start, start + 10)])
        if start < 20:
            store.compact()
    everything = store.since(-1)
    assert [s.sequence for s in everything] == list(range(30))
    for k in (0, 7, 15, 25):
        assert store.since(everything[k].id) == everything[k + 1 :]
        assert store.since(everything[k].id, limit=3) == everything[k + 1 : k + 4]
    assert store.last_id() == everything[-1].id


def test_parquet_is_partitioned_and_readable_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(0), replace(arrival(1), model="cd" * 8), arrival(2, received=DAY + 86400)])
    store.compact()
    folders = sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet"))
    assert folders == [
        "frames/fleet=f/model=abababababababab/day=2023-11-14",
        "frames/fleet=f/model=abababababababab/day=2023-11-15",
        "frames/fleet=f/model=cdcdcdcdcdcdcdcd/day=2023-11-14",
    ]
    table = pyarrow.parquet.ParquetFile(tmp_path / folders[0] / "frames-000000000001-000000000001.parquet").read()
    assert table.column("frame").to_pylist() == [b"frame 0"]


def test_files_that_a_crash_left_do_not_count_and_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(n) for n in range(5)])
    real = store.journal.moved
    store.journal.moved = lambda *_: (_ for _ in ()).throw(OSError("power cut"))  # after the files, before they count
    with pytest.raises(OSError, match="power cut"):
        store.compact()
    store.journal.moved = real
    partial = next(tmp_path.rglob("*.parquet")).with_suffix(".partial")
    partial.write_bytes(b"half")
    assert sequences(store) == list(range(5))
    store.journal.add([arrival(5)])
    assert store.compact() == 6
    assert sequences(store) == list(range(6))
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert not partial.exists()


def test_a_store_killed_at_any_moment_holds_what_it_said_it_holds(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; sys.path[:0] = [sys.argv[2], sys.argv[2] + '/tests/support']\n"
        "from arrivals import Store, arrival\n"
        "store, n = Store(Path(sys.argv[1])), int(sys.argv[3])\n"
        "while True:\n"
        "    store.journal.add([arrival(i) for i in range(n, n + 7)]); n += 7; print(n, flush=True)\n"
        "    if n % 3 == 0: store.compact()\n"
    )
    root = str(Path(__file__).parents[2])
    dice, said = random.Random(5), 0
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), root, str(max(0, said - 20))], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(dice.randrange(3, 25)):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().split()
        child.wait()
        store = Store(tmp_path)
        held = sequences(store)
        said = max([said, *(int(line) for line in rest)])
        assert held == sorted(set(held))
        assert set(range(said)) <= set(held)
        store.close()


def test_workers_share_a_store(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    assert one.journal.add([arrival(n) for n in range(0, 20)]) == 20
    assert two.journal.add([arrival(n) for n in range(10, 30)]) == 10
    one.compact()
    assert sequences(two) == list(range(30))


def test_workers_that_start_at_once_make_one_store(tmp_path: Path) -> None:
    for number in range(50):
        together = Barrier(8)

        def start(directory: Path = tmp_path / str(number), together: Barrier = together) -> None:
            together.wait()
            Journal(directory).close()

        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(start) for _ in range(8)]:
                done.result()


def test_only_one_worker_moves_frames_at_a_time(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    one.journal.add([arrival(0)])
    with one._only_one() as mine:
        assert mine
        assert two.compact() == 0
    assert two.compact() == 1


def test_small_files_become_one_and_every_frame_stays_where_it_can_be_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for n in range(MERGED):
        assert store.merge() == 0
        store.journal.add([arrival(3 * n), replace(arrival(3 * n + 1), model="cd" * 8), arrival(3 * n + 2)])
        store.compact()
    everything = store.since(-1)
    columns = pyarrow.parquet.ParquetFile(next(tmp_path.rglob("*.parquet"))).schema_arrow
    assert (store.merge(), store.merge(), store.merge()) == (2 * MERGED, MERGED, 0)
    assert len(list(tmp_path.rglob("*.p*"))) == 2
    assert store.since(-1) == everything
    assert store.since(everything[20].id, 7) == everything[21:28]
    assert pyarrow.parquet.ParquetFile(next(tmp_path.rglob("*.parquet"))).schema_arrow.equals(columns)
    assert store.journal.add([arrival(n) for n in range(3 * MERGED)]) == 0


def test_a_reader_is_not_disturbed_by_a_merge_in_the_middle_of_its_query(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    for n in range(MERGED):
        store.journal.add([arrival(n)])
        store.compact()
    real = store.journal.snapshot

    def snapshot(after: int, limit: int):  # type: ignore[no-untyped-def]
        found = real(after, limit)
        other.merge()
        return found

    store.journal.snapshot = snapshot  # type: ignore[method-assign]
    assert sequences(store) == list(range(MERGED))
    next(tmp_path.rglob("*.parquet")).unlink()
    with pytest.raises(duckdb.IOException):
        store.since(-1)


def test_quarantine_keeps_the_newest_and_counts_all(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([], [Refusal(DAY, "t" * 1000, f"reason {n}", bytes(10_000)) for n in range(1200)])
    kept = store.journal.refusals(2000)
    assert len(kept) == 1000
    assert kept[0].reason == "reason 1199"
    assert len(kept[0].payload) == 4096
    assert len(kept[0].topic) == 256
    assert store.journal.counters()["quarantined"] == 1200


def test_a_full_disk_stores_nothing_of_a_batch_and_recovers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(0)])
    pages = store.journal._db.execute("PRAGMA page_count").fetchone()[0]
    store.journal._db.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.journal.add([replace(arrival(n), frame=bytes(2000)) for n in range(1, 50)])
    assert sequences(store) == [0]
    store.journal._db.execute("PRAGMA max_page_count = 1000000")
    assert store.journal.add([arrival(n) for n in range(50)]) == 49


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match=r"journal\.db"):
        Store(tmp_path)
