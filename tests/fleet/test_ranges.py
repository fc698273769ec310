"""A time range, and one model, read the files and row groups that may hold some of them: all others may be rubbish."""

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from arrivals import DAY, arrival
from deltalake import WriterProperties
from hypothesis import given, settings
from hypothesis import strategies as st

from edgexai.fleet import read, sampling
from edgexai.fleet.read import Known, Span, newest
from edgexai.fleet.sampling import Range, sample
from edgexai.fleet.store import table
from edgexai.fleet.store.journal import Arrival
from edgexai.fleet.store.selection import Selection
from edgexai.fleet.store.store import Store, Stored

HOUR, MODELS = 3600.0, ("ab" * 8, "cd" * 8, "ef" * 8)


def explained(sequence: int, time: float, model: str = MODELS[0]) -> Arrival:
    return replace(arrival(sequence, received=DAY + sequence), time=time, model=model)


def files(store: Store) -> list[Path]:
    folder = store.table.folder
    assert folder is not None
    return [folder / file.path for file in store.table.files()]


@pytest.fixture
def six(tmp_path: Path) -> Store:
    """Six files of ten frames, of an hour each; the frames of the seventh hour are in the journal."""
    store = Store(tmp_path)
    for hour in range(7):
        store.journal.add([explained(10 * hour + n, DAY + HOUR * hour + n) for n in range(10)])
        if hour < 6:
            store.compact()
    assert len(files(store)) == 6
    return store


def test_a_time_range_reads_its_files_and_no_other(six: Store) -> None:
    for place in (path for k, path in enumerate(files(six)) if k not in (2, 3)):
        place.write_bytes(b"rubbish")
    chosen = Selection(DAY + 2 * HOUR + 5, DAY + 3 * HOUR + 5)
    assert [s.sequence for s in six.since(-1, chosen=chosen)] == list(range(25, 35))
    assert [s.sequence for s in six.of([i for some in six.ids(chosen=chosen) for i in some.tolist()])] == [
        *range(25, 35)
    ]
    assert [s.sequence for s in six.since(-1, chosen=Selection(since=DAY + 6 * HOUR))] == list(range(60, 70))
    assert six.since(-1, chosen=Selection(since=DAY + 9 * HOUR)) == []
    with pytest.raises((OSError, pyarrow.ArrowException)):
        six.since(-1)


def test_what_had_arrived_by_then_reads_the_files_of_before(six: Store) -> None:
    for place in files(six)[2:]:
        place.unlink()
    assert [s.sequence for s in six.since(-1, chosen=Selection(arrived=DAY + 15))] == list(range(15))


def test_the_newest_time_is_read_from_the_log(six: Store) -> None:
    for place in files(six):
        place.unlink()
    assert newest(six.directory) == six.last_time() == DAY + 6 * HOUR + 9


def test_a_clock_that_is_ahead_does_not_say_what_is_now(tmp_path: Path) -> None:
    store = Store(tmp_path)
    wrong = replace(explained(1000, DAY + 1e9), received=DAY + 10)
    store.journal.add([wrong])
    assert store.last_time() == DAY + 1e9  # all clocks are: they are what there is
    store.journal.add([explained(n, DAY + n) for n in range(10)])
    assert store.last_time() == DAY + 9
    store.compact()
    store.journal.add([explained(n, DAY + n) for n in range(10, 15)])
    assert store.last_time() == newest(tmp_path) == DAY + 14
    store.compact()
    assert store.last_time() == DAY + 14
    seen = [one.sequence for one in store.since(-1, chosen=Selection(since=newest(tmp_path) - 2))]
    assert seen == [1000, 12, 13, 14]


def test_analyses_and_views_of_a_range_read_no_other_file(six: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Known, "row", lambda known, one: seen.append(one.sequence))
    for k in (0, 1, 2, 4, 5):
        files(six)[k].write_bytes(b"rubbish")
    begin, end = DAY + 3 * HOUR, DAY + 4 * HOUR
    assert list(read.decoded(six.directory, Span(begin, end))) == [[]]
    assert sample(six.directory, Range(begin, end), 100) == []
    assert sample(six.directory, Range(begin, end), 4) == []
    assert seen == [*range(30, 40), *range(30, 40), 30, 34, 38]
    assert sample(six.directory, Range(last=HOUR / 2), 100) == []
    assert seen[23:] == list(range(60, 70))


@pytest.mark.parametrize("by", ["time", "model"])
def test_a_range_and_a_model_read_their_row_groups_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(table, "_FINE", WriterProperties(compression="ZSTD", max_row_group_size=100))
    store = Store(tmp_path)
    store.journal.add([explained(n, DAY + n, MODELS[n // 100]) for n in range(300)])
    store.compact()
    (path,) = files(store)
    about, content = pyarrow.parquet.ParquetFile(path).metadata, bytearray(path.read_bytes())
    assert about.num_row_groups == 3
    for group in (0, 2):
        for column in map(about.row_group(group).column, range(about.num_columns)):
            begin = column.dictionary_page_offset or column.data_page_offset
            content[begin : begin + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)
    chosen = Selection(DAY + 100, DAY + 200) if by == "time" else Selection(models=(MODELS[1],))
    assert [s.sequence for s in store.since(-1, chosen=chosen)] == list(range(100, 200))
    assert sum(map(len, store.ids(chosen=chosen))) == 100
    with pytest.raises((OSError, pyarrow.ArrowException)):
        store.since(-1)


def test_files_that_became_one_say_their_times_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for n in range(table.MERGED):
        store.journal.add([explained(n, DAY + HOUR * n)])
        store.compact()
    assert store.merge() == table.MERGED
    (file,) = store.table.files()
    assert (file.time.least, file.time.greatest) == (DAY, DAY + HOUR * (table.MERGED - 1))
    assert (file.received.least, file.received.greatest) == (DAY, DAY + table.MERGED - 1)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, list[Stored]]:
    """Frames whose clocks say anything, in four files and in the journal."""
    store, dice = Store(tmp_path_factory.mktemp("mixed")), random.Random(1)
    for part in range(5):
        store.journal.add([explained(10 * part + n, float(dice.randrange(20)), dice.choice(MODELS)) for n in range(10)])
        if part < 4:
            store.compact()
    return store, store.since(-1)


edges = st.sampled_from([-float("inf"), 0.0, 3.0, 7.5, 12.0, 19.0, 20.0, float("inf")])


@settings(max_examples=60, deadline=None)
@given(edges, edges, st.sampled_from([DAY, DAY + 12, DAY + 44, float("inf")]), st.sets(st.sampled_from(MODELS)))
def test_a_selection_is_the_same_for_sqlite_arrow_and_python(
    mixed: tuple[Store, list[Stored]], since: float, until: float, arrived: float, models: set[str]
) -> None:
    store, everything = mixed
    chosen = Selection(since, until, arrived, tuple(models))
    wanted = [one for one in everything if chosen.has(one)]
    assert store.since(-1, chosen=chosen) == wanted
    assert store.since(-1, 3, chosen) == wanted[:3]
    ids = [i for some in store.ids(chosen=chosen) for i in some.tolist()]
    assert ids == [one.id for one in wanted]
    assert store.of(ids) == wanted


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 50))
def test_ids_are_thinned_evenly_however_they_come(sizes: list[int], most: int) -> None:
    ends = np.cumsum([0, *sizes])
    kept = sampling._thinned((np.arange(a, b) for a, b in pairwise(ends)), most)
    step = 1
    while -(-int(ends[-1]) // step) > most:
        step *= 2
    assert kept == list(range(0, int(ends[-1]), step))
