"""The outbox keeps what it accepted, whatever happens to process, file, disk and clock."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edgexai.agent.outbox import Outbox, OutboxFull
from edgexai.errors import ConfigError

EVERYTHING = 2**62


def waiting(box: Outbox) -> list[int]:
    return [item.sequence for item in box.after(-1, 10_000)]


def test_frames_wait_in_order_until_they_are_confirmed(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    assert [box.append(b"frame %d" % i) for i in range(5)] == [0, 1, 2, 3, 4]
    assert box.confirm(box.boot, [(1, 2)], EVERYTHING) == 2
    assert [(i.sequence, i.payload) for i in box.after(-1, 10)] == [(0, b"frame 0"), (3, b"frame 3"), (4, b"frame 4")]
    assert box.depth() == (3, 21)


def test_a_restart_keeps_frames_boot_and_numbering(tmp_path: Path) -> None:
    first = Outbox(tmp_path)
    boot = first.boot
    first.append(b"a")
    first.append(b"b")
    first.confirm(boot, [(0, 1)], EVERYTHING)
    first.close()
    again = Outbox(tmp_path)
    assert (again.boot, again.append(b"c")) == (boot, 2)


def test_a_receipt_for_another_boot_or_beyond_what_was_sent_changes_nothing(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.append(b"a")
    item = box.after(-1, 1)[0]
    box.append(b"b")
    assert box.confirm("00000000000000", [(0, 9)], EVERYTHING) == 0
    assert box.confirm(box.boot, [(0, 9)], item.id) == 1
    assert waiting(box) == [1]


def test_what_append_returned_for_survives_sigkill(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edgexai.agent.outbox import Outbox\n"
        "box = Outbox(Path(sys.argv[1]))\n"
        "while True: print(box.append(b'x' * 50), flush=True)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(20)]
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split()]
    child.wait()
    kept = waiting(Outbox(tmp_path))
    assert kept[: len(told)] == told
    assert len(kept) - len(told) in (0, 1)


def test_two_agents_cannot_share_an_outbox(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    with pytest.raises(ConfigError, match="another agent"):
        Outbox(tmp_path)
    box.close()
    Outbox(tmp_path).close()


def test_the_least_valuable_goes_first_when_the_box_is_full(tmp_path: Path) -> None:
    box = Outbox(tmp_path, max_bytes=4096)
    for i in range(8):
        box.append(bytes(500), value=float(i == 2))
    box.append(bytes(500))
    assert box.dropped > 0
    assert box.depth()[1] <= 4096
    assert 2 in waiting(box)
    assert 8 in waiting(box)
    assert 0 not in waiting(box)


def test_frames_are_shortened_before_any_is_dropped(tmp_path: Path) -> None:
    box = Outbox(tmp_path, max_bytes=4096, shorten=lambda frame, size: frame[: max(size, 100)])
    for _ in range(20):
        box.append(b"h" * 400)
    assert box.dropped == 0
    assert box.shortened > 0
    assert waiting(box) == list(range(20))
    for _ in range(60):
        box.append(b"h" * 400)
    assert box.dropped > 0
    assert box.depth()[1] <= 4096


def test_old_frames_go_after_their_age(tmp_path: Path) -> None:
    now = 1e9
    box = Outbox(tmp_path, max_age=7200.0, clock=lambda: now)
    box.append(b"old")
    for _ in range(5):
        now += 3000
        box.append(b"new")
    assert waiting(box) == [3, 4, 5]
    assert box.dropped == 3


@pytest.mark.parametrize("jump", [86400.0, -86400.0, 1e9, -1e9])
def test_a_jump_of_the_clock_does_not_empty_the_box(tmp_path: Path, jump: float) -> None:
    now = 1.7e9
    box = Outbox(tmp_path, max_age=7200.0, clock=lambda: now)
    box.append(b"before")
    now += jump
    box.append(b"after")
    assert waiting(box) == [0, 1]
    assert box.dropped == 0


def test_a_full_disk_refuses_new_frames_keeps_old_ones_and_recovers(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.append(bytes(1000))
    pages = box._db.execute("PRAGMA page_count").fetchone()[0]
    box._db.execute(f"PRAGMA max_page_count = {pages + 2}")  # SQLite answers as it does to a full disk
    with pytest.raises(OutboxFull, match="disk is full"):
        [box.append(bytes(1000)) for _ in range(50)]
    kept = waiting(box)
    assert box.depth() == (len(kept), 1000 * len(kept))
    assert box.next_sequence == len(kept)
    box.confirm(box.boot, [(0, kept[-2])], EVERYTHING)
    assert box.append(bytes(1000)) == kept[-1] + 1


def test_a_directory_that_cannot_be_written_leaves_memory_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    box = Outbox(tmp_path / "file" / "state")
    assert box.volatile is not None
    assert "memory" in box.volatile
    assert box.append(b"a") == 0
    assert waiting(box) == [0]


@pytest.mark.parametrize("damage", ["garbage", "header", "middle"])
def test_a_damaged_file_is_moved_aside_and_what_can_be_read_is_sent(tmp_path: Path, damage: str) -> None:
    box = Outbox(tmp_path)
    boot = box.boot
    for i in range(300):
        box.append(b"%04d" % i * 100)
    box.close()
    path = tmp_path / "outbox.db"
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content = bytearray(os.urandom(8192))
    elif damage == "header":
        content[:100] = bytes(100)
    else:
        content[len(content) // 2 : len(content) // 2 + 4096] = os.urandom(4096)
    path.write_bytes(content)
    again = Outbox(tmp_path)
    assert again.repaired is not None
    assert list(tmp_path.glob("outbox-damaged-*.db"))
    saved = again.after(-1, 1000)
    assert all(item.payload == b"%04d" % item.sequence * 100 and item.boot == boot for item in saved)
    assert (len(saved) > 100) == (damage == "middle")
    assert again.boot != boot  # numbering starts again, so under another name
    assert again.append(b"new") == 0


def test_an_emptied_file_starts_again_under_another_name(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.append(b"a")
    boot = box.boot
    box.close()
    (tmp_path / "outbox.db").write_bytes(b"")
    again = Outbox(tmp_path)
    assert (again.append(b"b"), waiting(again)) == (0, [0])
    assert again.boot != boot


def test_a_file_damaged_while_in_use_is_repaired_and_the_call_succeeds(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.append(b"a")
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "outbox.db").write_bytes(os.urandom(20000))
    other = sqlite3.connect(tmp_path / "outbox.db")  # drops the shared cache of pages
    with pytest.raises(sqlite3.DatabaseError):
        other.execute("SELECT * FROM message").fetchall()
    box._db.close()
    box._db = sqlite3.connect(tmp_path / "outbox.db", check_same_thread=False)
    assert box.append(b"b") == 0
    assert box.repaired is not None


def test_a_power_cut_in_the_middle_of_a_write_loses_at_most_what_was_not_accepted(tmp_path: Path) -> None:
    """A file system that stops at any byte of the write-ahead log: every prefix opens, with a prefix of the frames."""
    source = tmp_path / "source"
    box = Outbox(source)
    for i in range(6):
        box.append(b"frame %d" % i)
    wal = (source / "outbox.db-wal").read_bytes()
    base = (source / "outbox.db").read_bytes()
    for cut in range(0, len(wal) + 1, max(1, len(wal) // 40)):
        torn = tmp_path / f"torn{cut}"
        torn.mkdir()
        (torn / "outbox.db").write_bytes(base)
        (torn / "outbox.db-wal").write_bytes(wal[:cut])
        survivor = Outbox(torn)
        kept = waiting(survivor)
        assert kept == list(range(len(kept)))
        assert survivor.next_sequence == len(kept)
        survivor.close()
    assert len(kept) >= 5


def test_a_receipt_of_many_ranges_is_one_step(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    for i in range(10):
        box.append(b"%d" % i)
    assert box.confirm(box.boot, [(0, 1), (4, 4), (8, 20)], EVERYTHING) == 5
    assert waiting(box) == [2, 3, 5, 6, 7]
    assert box.depth() == (5, 5)


def test_all_are_halved_once_before_any_twice_the_least_valuable_and_oldest_first() -> None:
    box = Outbox(None, max_bytes=4096, shorten=lambda frame, size: frame[:size])
    for i in range(4):
        box.append(bytes(1000), value=1.0 if i == 1 else 0.0)
    sizes = []
    for _ in range(7):
        box.append(b"x" * 500, value=2.0)
        sizes.append([len(item.payload) for item in box.after(-1, 4)])
    assert sizes[0] == [500, 1000, 1000, 1000]
    assert sizes[1] == [500, 1000, 500, 1000]
    assert sizes[2] == [500, 1000, 500, 500]
    assert sizes[3] == [500, 500, 500, 500]
    assert box.dropped == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=6), st.booleans())
@example([(3979, 4)], False)  # looks sound when it is opened, and is found to be damaged by what is written
@example([(0, 1), (0, 1), (3979, 4), (6723, 1)], False)
def test_any_damage_of_the_files_ends_in_right_frames_and_never_in_a_crash(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], log: bool
) -> None:
    directory = tmp_path_factory.mktemp("flipped")
    box = Outbox(directory)
    for i in range(30):
        box.append(b"%04d" % i * 20)
    if log:
        shutil.copytree(directory, directory / "cut")  # with a write-ahead log, as SIGKILL leaves it
    box.close()
    where = directory / "cut" if log else directory
    path = where / ("outbox.db-wal" if log else "outbox.db")
    content = bytearray(path.read_bytes())
    for at, mask in flips:
        content[at % len(content)] ^= mask
    path.write_bytes(content)
    again = Outbox(where)
    assert all(item.payload == b"%04d" % (int(item.payload[:4])) * 20 for item in again.after(-1, 1000))
    number = again.append(b"new")
    assert (again.boot, number) in {(i.boot, i.sequence) for i in again.after(-1, 1000)}
    again.close()


def test_after_a_repair_in_use_frames_come_behind_those_that_were_sent(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    for i in range(5):
        box.append(b"%d" % i)
    sent = box.after(-1, 100)[-1].id
    box._db = box._repair(tmp_path / "outbox.db")
    box._load()
    box.append(b"new")
    assert [i.payload for i in box.after(sent, 100)] == [b"0", b"1", b"2", b"3", b"4", b"new"]


def test_a_closed_box_is_left_alone(tmp_path: Path) -> None:
    box = Outbox(tmp_path)
    box.append(b"a")
    box.close()
    assert box.after(-1, 1) == []
    assert box.confirm(box.boot, [(0, 0)], EVERYTHING) == 0
    assert not list(tmp_path.glob("outbox-damaged-*"))
    assert waiting(Outbox(tmp_path)) == [0]
