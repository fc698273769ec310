"""The outbox on a disk that is really full, and on one that turns read-only under it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from powercut import needs_compiler, recorded

from edgexai.agent.outbox import Outbox, OutboxFull

EVERYTHING = 2**62


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(where)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small disk needs root")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def filled(box: Outbox) -> list[int]:
    accepted = []
    while True:
        try:
            accepted.append(box.append(os.urandom(2000)))
        except OutboxFull:
            return accepted


def test_a_full_disk_loses_nothing_says_so_and_goes_on_when_there_is_room(disk: Path) -> None:
    box = Outbox(disk)
    accepted = filled(box)
    assert len(accepted) > 10
    assert "full" in str(box.trouble)
    assert [i.sequence for i in box.after(-1, 10_000)] == accepted
    box.close()
    again = Outbox(disk)  # a restart on the full disk
    assert again.volatile is None
    assert [i.sequence for i in again.after(-1, 10_000)] == accepted
    assert again.confirm(again.boot, [(0, accepted[-1] // 2)], EVERYTHING) == accepted[-1] // 2 + 1
    more = filled(again)
    assert more[0] == accepted[-1] + 1
    assert again.boot == box.boot


def test_receipts_free_a_full_disk_again_and_again_and_as_much_as_they_confirm(disk: Path) -> None:
    """No restart, no larger disk: what was confirmed is room for as many frames of that size."""
    box = Outbox(disk)
    waiting = filled(box)
    assert len(waiting) > 60
    for _ in range(8):
        half = len(waiting) // 2
        assert box.confirm(box.boot, [(waiting[0], waiting[half - 1])], EVERYTHING) == half
        assert [i.sequence for i in box.after(-1, 10_000)] == waiting[half:]
        more = filled(box)
        assert len(more) >= half - 2
        waiting = waiting[half:] + more
    assert box.confirm(box.boot, [(0, waiting[-1])], EVERYTHING) == len(waiting)
    assert box.depth() == (0, 0)


def test_what_waits_is_nobody_elses_to_read(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "outbox.db").touch(0o644)  # of an earlier version
    box = Outbox(tmp_path / "state")
    box.append(b"frame")
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "state").iterdir()} == {0o600}
    box.close()
    assert Outbox(tmp_path / "made").boot
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700


@needs_compiler
def test_a_disk_that_turns_read_only_refuses_new_frames_and_keeps_what_it_has(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from edgexai.agent.outbox import Outbox, OutboxFull
flag = Path(sys.argv[1])
box = Outbox(Path(sys.argv[2]))
accepted = [box.append(b"%d" % i) for i in range(5)]
flag.touch()
for _ in range(3):
    try:
        box.append(b"more")
        sys.exit("a frame was accepted on a read-only disk")
    except OutboxFull:
        assert box.trouble, "it does not say so"
assert [i.sequence for i in box.after(-1, 100)] == accepted
assert box.confirm(box.boot, [(0, 1)], 2**62) == 0
flag.unlink()
assert box.append(b"more") == 5
assert box.trouble is None
box.close()
"""
    recorded(tmp_path, code, str(tmp_path / "read-only"), str(tmp_path / "state"))
    assert [i.sequence for i in Outbox(tmp_path / "state").after(-1, 100)] == list(range(6))


def test_a_disk_that_is_read_only_at_the_start_leaves_memory_and_says_so(disk: Path) -> None:
    kept = Outbox(disk)
    kept.append(b"kept")
    kept.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    box = Outbox(disk)
    assert "memory" in str(box.volatile)
    assert box.append(b"a") == 0
    assert box.boot != kept.boot  # so that numbers of memory and disk are not mixed up
    box.close()
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert [i.payload for i in Outbox(disk).after(-1, 10)] == [b"kept"]


def test_a_limit_on_file_size_is_a_full_disk_too(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from edgexai.agent.outbox import Outbox, OutboxFull
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
box = Outbox(Path(sys.argv[1]))
n = 0
try:
    while True:
        n = box.append(bytes(1000)) + 1
except OutboxFull:
    print(n, len(box.after(-1, 10_000)))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    accepted, waiting = map(int, done.stdout.split())
    assert accepted == waiting > 10


def test_a_disk_that_is_full_from_the_start_leaves_memory_and_says_so(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(1000))
    box = Outbox(disk / "state")
    assert "memory" in str(box.volatile)
    assert box.append(b"goes on") == 0


def test_damage_on_a_full_disk_ends_in_memory_and_not_in_a_crash(disk: Path) -> None:
    box = Outbox(disk)
    filled(box)
    box.close()
    for file in disk.glob("outbox.db*"):
        with file.open("r+b") as damaged:
            damaged.write(bytes(100))
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(1000))
    again = Outbox(disk)
    assert again.repaired or again.volatile
    again.append(b"goes on")
