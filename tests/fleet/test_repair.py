"""A damaged journal: refused in one sentence, and made anew with every frame that can still be read, each once."""

import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from arrivals import arrival, former_store, sequences

from edgexai.cli import main
from edgexai.errors import ConfigError
from edgexai.fleet.store.journal import Journal
from edgexai.fleet.store.repair import repair
from edgexai.fleet.store.store import Store
from edgexai.fleet.store.table import MERGED


def store_of(directory: Path, archived: int, waiting: int) -> None:
    store = Store(directory)
    store.journal.add([arrival(n) for n in range(archived)], (), [("f", "n", "status", 1.0, "{}")])
    store.compact()
    store.journal.add([arrival(n) for n in range(archived, archived + waiting)])
    store.close()


def test_a_journal_overwritten_with_garbage_is_made_anew_from_parquet(tmp_path: Path) -> None:
    store_of(tmp_path, 200, 100)
    (tmp_path / "journal.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(ConfigError, match="edgexai fleet repair"):
        Store(tmp_path)
    done = repair(tmp_path)
    assert (done.archived, done.saved) == (200, 0)
    assert done.old.read_bytes().startswith(b"no database")
    store = Store(tmp_path)
    assert sequences(store) == list(range(200))
    assert store.journal.add([arrival(n) for n in range(300)]) == 100  # what nodes send again
    assert store.compact() == 100
    assert sequences(store) == list(range(300))
    assert store.journal.counters()["frames"] == 300


def test_damaged_pages_cost_their_own_frames_only(tmp_path: Path) -> None:
    store_of(tmp_path, 50, 3000)
    path, dice = tmp_path / "journal.db", random.Random(3)
    content = bytearray(path.read_bytes())
    for page in dice.sample(range(12, len(content) // 4096), 5):
        content[page * 4096 : (page + 1) * 4096] = dice.randbytes(4096)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="repair"):
        Store(tmp_path)
    done = repair(tmp_path)
    assert done.archived == 50
    assert 2000 < done.saved < 3000
    assert done.saved + done.unreadable == 3000
    store = Store(tmp_path)
    held = sequences(store)
    assert len(held) == len(set(held)) == 50 + done.saved
    assert store.journal.add([arrival(n) for n in range(3050)]) == done.unreadable


@pytest.mark.parametrize("counter", [2**62, -5])
def test_a_damaged_counter_costs_no_walk_through_ids_that_are_not_there(tmp_path: Path, counter: int) -> None:
    store_of(tmp_path, 50, 300)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
        db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'frame'", (counter,))
    begin = time.process_time()
    done = repair(tmp_path)
    assert (done.archived, done.saved, done.unreadable) == (50, 300, 0)
    assert time.process_time() - begin < 30  # every id up to 2^62 would take longer than the machine lives
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600


def test_a_damaged_parquet_file_is_set_aside_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path, 20, 5)
    next(tmp_path.rglob("*.parquet")).write_bytes(b"PAR1 nothing PAR1")
    assert main(["fleet", "repair", "--store", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0 frames in the table, 5 saved" in out
    assert "does not count any more" in out
    assert sequences(Store(tmp_path)) == list(range(20, 25))


@pytest.mark.parametrize("damage", ["middle", "last", "gone"])
def test_a_damaged_log_is_made_anew_from_the_files(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    for n in range(MERGED):
        store.journal.add([arrival(n)])
        store.compact()
    store.merge()  # the files that were merged are still there
    store.close()
    commits = sorted((tmp_path / "frames" / "_delta_log").glob("*.json"))
    if damage == "gone":
        shutil.rmtree(tmp_path / "frames" / "_delta_log")
    else:
        commits[-1 if damage == "last" else 4].write_bytes(b'{"add": nothing')
        with pytest.raises(ConfigError, match="edgexai fleet repair"):
            Store(tmp_path)
    assert repair(tmp_path).archived == MERGED
    store = Store(tmp_path)
    assert sequences(store) == list(range(MERGED))
    assert store.journal.add([arrival(n) for n in range(MERGED + 1)]) == 1
    store.compact()
    assert sequences(store) == list(range(MERGED + 1))


def test_a_store_of_format_1_is_repaired_into_a_table(tmp_path: Path) -> None:
    former_store(tmp_path, [[arrival(n) for n in range(5)], [arrival(n) for n in range(5, 9)]], [arrival(9)])
    twice = next((tmp_path / "frames").rglob("frames-000000000001-*.parquet"))  # of a merge that ended halfway
    (twice.parent / "frames-000000000001-000000000009.parquet").write_bytes(twice.read_bytes())
    (twice.parent / "frames-000000000010-000000000012.parquet").write_bytes(b"no Parquet")
    (tmp_path / "journal.db").write_bytes(b"")
    with pytest.raises(ConfigError, match="edgexai fleet repair"):
        Store(tmp_path)
    done = repair(tmp_path)
    assert (done.archived, len(done.set_aside)) == (9, 1)
    assert sequences(Store(tmp_path)) == list(range(9))


def test_a_store_in_use_is_not_repaired(tmp_path: Path) -> None:
    store_of(tmp_path, 1, 1)
    store = Store(tmp_path)
    with pytest.raises(ConfigError, match="in use"):
        repair(tmp_path)
    store.close()
    assert repair(tmp_path).saved == 1


def test_nothing_to_repair(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no store"):
        repair(tmp_path)


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_journal_that_is_gone_takes_note_of_what_the_table_holds(tmp_path: Path, how: str) -> None:
    store_of(tmp_path, 20, 0)
    if how == "removed":
        (tmp_path / "journal.db").unlink()
    else:
        (tmp_path / "journal.db").write_bytes(b"")
    store = Store(tmp_path)
    assert store.journal.counters()["frames"] == 20
    assert store.journal.add([arrival(n) for n in range(25)]) == 5
    store.compact()
    assert sequences(store) == list(range(25))


def test_frames_that_an_old_copy_of_the_journal_has_forgotten_are_kept_and_count_once(tmp_path: Path) -> None:
    store_of(tmp_path, 10, 0)
    old = (tmp_path / "journal.db").read_bytes()
    store = Store(tmp_path)
    store.journal.add([arrival(n) for n in range(10, 20)])
    store.compact()
    store.close()
    (tmp_path / "journal.db").write_bytes(old)
    Journal(tmp_path).add([arrival(n) for n in range(15, 35)])  # takes the ids of those that it has forgotten
    store = Store(tmp_path)
    assert store.journal.waiting() == 15
    store.compact()
    assert sequences(store) == list(range(35))
    assert store.journal.counters()["frames"] == 35
    assert len({s.id for s in store.since(-1)}) == 35
