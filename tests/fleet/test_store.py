"""The store: each frame once, durable when a call returns, whatever dies between two files."""

import itertools
import json
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
from unittest.mock import patch

import duckdb
import pyarrow.parquet
import pytest
from arrivals import DAY, arrival, former_store, sequences
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import Journal, Refusal
from edgexai.fleet.store.ranges import contains, insert
from edgexai.fleet.store.store import Store
from edgexai.fleet.store.table import MERGED


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


def test_the_table_is_by_day_and_others_read_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(0), replace(arrival(1), model="cd" * 8), arrival(2, received=DAY + 86400)])
    store.compact()
    folders = sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet"))
    assert folders == ["frames/day=2023-11-14", "frames/day=2023-11-15"]
    table = DeltaTable(tmp_path / "frames").to_pyarrow_table()
    assert sorted(table.column("frame").to_pylist()) == [b"frame 0", b"frame 1", b"frame 2"]
    assert table.schema.field("score").type == pyarrow.float32()
    found = duckdb.sql(
        f"SELECT count(*) FROM read_parquet('{tmp_path}/frames/**/*.parquet') WHERE model = '{'cd' * 8}'"
    )
    assert found.fetchall() == [(1,)]


def test_a_crash_between_table_and_journal_leaves_every_frame_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(n) for n in range(5)])
    store.journal.moved = lambda *_: (_ for _ in ()).throw(OSError("power cut"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="power cut"):
        store.compact()
    assert sequences(store) == list(range(5))
    store.close()
    store = Store(tmp_path)
    assert (store.journal.waiting(), sequences(store)) == (0, list(range(5)))
    store.journal.add([arrival(5)])
    assert store.compact() == 1
    assert sequences(store) == list(range(6))
    assert store.table.query("SELECT count(*) FROM data") == [(6,)]


def cut(commit: Path, how: str) -> None:
    """A commit, or the file that it added, as a power cut may leave it."""
    content = commit.read_bytes()
    if how == "empty":
        commit.write_bytes(b"")
    elif how == "half":
        commit.write_bytes(content[: len(content) // 2])
    elif how == "lines":
        commit.write_bytes(content.splitlines(keepends=True)[0])
    else:
        added = next(json.loads(line)["add"] for line in content.splitlines() if b'"add"' in line)
        path = commit.parents[1] / added["path"]
        whole = path.read_bytes()
        path.write_bytes(whole[:-300] + bytes(300) if how == "zeros" else whole[:100])


@pytest.mark.parametrize("how", ["empty", "half", "lines", "zeros", "short"])
def test_a_commit_that_a_power_cut_tore_is_taken_back_and_made_again(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    store.journal.add([arrival(n) for n in range(20)])
    store.compact()
    store.journal.add([arrival(n) for n in range(20, 50)])
    store.table.flush = lambda since: (_ for _ in ()).throw(OSError("power cut"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="power cut"):
        store.compact()
    store.close()
    cut(sorted((tmp_path / "frames" / "_delta_log").glob("*.json"))[-1], how)
    store = Store(tmp_path)
    assert (store.journal.waiting(), sequences(store)) == (30, list(range(50)))
    assert store.compact() == 30
    assert store.table.query("SELECT count(*), count(DISTINCT sequence) FROM data") == [(50, 50)]


@pytest.mark.parametrize("how", ["empty", "half", "lines", "zeros", "short"])
def test_a_merge_that_a_power_cut_tore_is_taken_back(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    for n in range(MERGED):
        store.journal.add([arrival(n)])
        store.compact()
    store.table.flush = lambda since: (_ for _ in ()).throw(OSError("power cut"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="power cut"):
        store.merge()
    store.close()
    cut(sorted((tmp_path / "frames" / "_delta_log").glob("*.json"))[-1], how)
    store = Store(tmp_path)
    assert sequences(store) == list(range(MERGED))
    assert (len(store.table.files()), store.merge(), len(store.table.files())) == (MERGED, MERGED, 1)
    assert sequences(store) == list(range(MERGED))


def test_what_others_do_to_a_table_is_not_taken_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for n in range(3):
        store.journal.add([arrival(n)])
        store.compact()
    store.close()
    table = DeltaTable(tmp_path / "frames")
    table.optimize.compact()
    table.delete("sequence = 1")
    table.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    store = Store(tmp_path)
    assert sequences(store) == [0, 2]
    assert store.journal.add([arrival(n) for n in range(4)]) == 1


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


def test_a_store_opened_twice_loses_nothing_when_another_process_leaves_it(tmp_path: Path) -> None:
    """A service has two connections, and processes that come and go read its store: the last one that leaves removes
    SQLite's log, and must not take itself for the last one."""
    reads = (
        "import sys, pathlib; from edgexai.fleet.store.store import Store; store = Store(pathlib.Path(sys.argv[1]));"
    )
    reads += "print(store.last_id()); store.close()"

    def seen() -> int:
        command = [sys.executable, "-c", reads, str(tmp_path)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    first = Store(tmp_path)
    first.journal.add([arrival(0)])
    second = Store(tmp_path)
    log = (tmp_path / "journal.db-wal").stat().st_ino
    before = seen()
    assert (tmp_path / "journal.db-wal").stat().st_ino == log
    first.journal.add([arrival(1)])
    assert seen() == second.last_id() == before + 1
    first.close()
    second.close()


def test_only_one_worker_moves_frames_at_a_time(tmp_path: Path) -> None:
    one, two = Store(tmp_path), Store(tmp_path)
    one.journal.add([arrival(0)])
    with one._only_one() as mine:
        assert mine
        assert two.compact() == 0
    assert two.compact() == 1


def test_small_files_become_one_and_every_frame_stays_where_it_can_be_found(tmp_path: Path) -> None:
    store, reader = Store(tmp_path), Store(tmp_path)
    for n in range(MERGED):
        assert store.merge() == 0
        store.journal.add([arrival(3 * n), replace(arrival(3 * n + 1), model="cd" * 8), arrival(3 * n + 2)])
        store.compact()
    everything = reader.since(-1)
    assert [s.sequence for s in everything] == list(range(3 * MERGED))
    assert (store.merge(), store.merge()) == (3 * MERGED, 0)
    assert len(store.table.files()) == 1
    for each in (store, reader):
        assert each.since(-1) == everything
        assert each.since(everything[20].id, 7) == everything[21:28]
    assert store.journal.add([arrival(n) for n in range(3 * MERGED)]) == 0


def test_a_reader_is_not_disturbed_by_frames_deleted_in_the_middle_of_its_query(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    for n in range(6):
        store.journal.add([arrival(n, node="n" if n % 2 else "m")])
        store.compact()
    real = store.table._snapshot

    def snapshot():  # type: ignore[no-untyped-def]
        found = real()
        other.erase("f", "m")
        return found

    store.table._snapshot = snapshot  # type: ignore[method-assign]
    assert sequences(store) == [1, 3, 5]
    next((tmp_path / "frames").rglob("*.parquet")).unlink()
    with pytest.raises((OSError, duckdb.Error)):
        store.since(-1)


@pytest.mark.parametrize("moved", [True, False])
def test_what_is_deleted_is_gone_from_the_disk_and_does_not_come_back(tmp_path: Path, moved: bool) -> None:
    store = Store(tmp_path)
    secret = [replace(arrival(n, node="m"), frame=b"a very secret map %d" % n) for n in range(30)]
    for rows in (secret[:10], secret[10:20], [arrival(n) for n in range(30)]):
        store.journal.add(rows, [Refusal(DAY, "edgexai/f/m/heatmap", "broken", b"a very secret map too")])
        store.compact()
    store.journal.add(secret[20:])
    if moved:
        store.compact()
    assert store.erase("f", "m") == 30
    assert sequences(store) == list(range(30))
    assert store.journal.total("f", "m") == (0, 0)
    assert store.journal.add(secret) == 0
    store.close()
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert b"secret" not in path.read_bytes(), path
        if path.suffix == ".parquet":
            assert b"secret" not in b"".join(pyarrow.parquet.read_table(path).column("frame").to_pylist())
    assert sequences(Store(tmp_path)) == list(range(30))


def test_frames_older_than_a_time_are_deleted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for day in range(3):
        store.journal.add([arrival(10 * day + n, received=DAY + 86400 * day) for n in range(10)])
        if day < 2:
            store.compact()
    assert store.erase(before=DAY + 86400 * 2) == 20
    assert sequences(store) == list(range(20, 30))
    assert store.erase(before=DAY + 86400 * 3) == 10
    assert store.erase(before=DAY + 86400 * 3) == 0
    store.journal.add([arrival(n) for n in range(40)])
    store.compact()
    assert sequences(store) == list(range(30, 40))
    with pytest.raises(ConfigError, match="say what to delete"):
        store.erase()


@pytest.mark.parametrize("crash", [None, "table", "journal", "files"])
def test_a_store_of_format_1_becomes_a_table_wherever_it_is_interrupted(tmp_path: Path, crash: str | None) -> None:
    former_store(tmp_path, [[arrival(0), arrival(1)], [arrival(2), replace(arrival(3), model="cd" * 8)]], [arrival(4)])
    stray = next((tmp_path / "frames").rglob("*.parquet")).parent / "frames-000000000090-000000000091.stray"
    stray.write_bytes(b"what somebody may want")
    if crash is not None:
        where = {
            "table": "edgexai.fleet.store.table.Table.flush",
            "journal": "edgexai.fleet.store.journal.Journal.taken",
        }
        with patch(where.get(crash, "shutil.rmtree"), side_effect=OSError("cut")), pytest.raises(OSError, match="cut"):
            Store(tmp_path)
    store = Store(tmp_path)
    assert sequences(store) == list(range(5))
    assert [s.id for s in store.since(-1)] == [1, 2, 3, 4, 5]
    assert store.journal.add([arrival(n) for n in range(6)]) == 1
    store.compact()
    assert sequences(store) == list(range(6))
    assert [p.name for p in (tmp_path / "frames").iterdir() if p.name.startswith("fleet=")] == []
    assert (tmp_path / "aside" / stray.name).read_bytes() == b"what somebody may want"
    store.close()
    assert sequences(Store(tmp_path)) == list(range(6))


def test_gaps_in_the_ids_of_a_table_are_stepped_over(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for n in range(0, 300, 100):
        store.journal.add([arrival(i, node="n" if i % 50 == 0 else "m") for i in range(n, n + 100)])
        store.compact()
    assert store.erase("f", "m") == 294
    assert sequences(store) == [0, 50, 100, 150, 200, 250]
    assert [s.sequence for s in store.since(-1, 2)] == [0, 50]
    assert [s.sequence for s in store.since(store.since(-1)[1].id, 3)] == [100, 150, 200]
    assert [row[0] for row in store.table.since(-1, 120, 10)] == [1, 2, 101, 102]


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
