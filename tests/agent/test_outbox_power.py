"""The outbox after a power cut at any write, and after SIGKILL again and again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from powercut import Record, disk_after, needs_compiler, recorded

from edgexai.agent.outbox import Outbox

EVERYTHING = 2**62

# told is written after each promise, without a flush: its last record marks the moment
LIFE = """
import os, sys
from pathlib import Path
from edgexai.agent.outbox import Outbox
directory = Path(sys.argv[1])
box = Outbox(directory, max_bytes=30_000, shorten=lambda f, n: f[:max(n, 60)], machine="m")
box._db.execute("PRAGMA wal_autocheckpoint = 12")
told = os.open(directory / "outbox-told", os.O_WRONLY | os.O_CREAT)
for i in range(60):
    n = box.append(b"%04d" % i * (20 + 37 * i % 400))
    os.write(told, b"+%d\\n" % n)
    if i % 7 == 6:
        box.keep("command", str(i))
        os.write(told, b"k%d\\n" % i)
    if i % 5 == 4:
        os.write(told, b"-%d %d\\n" % (i - 4, i - 2))
        box.confirm(box.boot, [(i - 4, i - 2)], 2**62)
box.close()
"""


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    directory = tmp_path_factory.mktemp("life")
    return recorded(directory, LIFE, str(directory / "state"))


def promised(records: list[Record]) -> tuple[set[int], int]:
    """Frames that must be there, and the command number that must be known."""
    frames, number = set(), -1
    for line in b"".join(r.data for r in records if r.file == "outbox-told").decode().split("\n"):
        if line.startswith("+"):
            frames.add(int(line[1:]))
        elif line.startswith("-"):
            first, last = map(int, line[1:].split())
            frames -= set(range(first, last + 1))
        elif line.startswith("k"):
            number = int(line[1:])
    return frames, number


def lay(disk: dict[str, bytes], directory: Path) -> None:
    directory.mkdir()
    for name, content in disk.items():
        if name in ("outbox.db", "outbox.db-wal"):
            (directory / name).write_bytes(content)


@needs_compiler
def test_the_record_is_of_real_flushes_checkpoints_and_promises(life: list[Record]) -> None:
    assert sum(r.op == "S" and r.file == "outbox.db-wal" for r in life) >= 70
    assert sum(r.op == "S" and r.file == "outbox.db" for r in life) >= 3
    assert promised(life)[1] == 55


@needs_compiler
@pytest.mark.parametrize("seed", range(8))
def test_a_power_cut_at_any_write_breaks_no_promise(life: list[Record], tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    for n in range(12):
        cut = dice.randrange(len(life) + 1)
        lay(disk_after(life[:cut], dice), tmp_path / str(n))
        box = Outbox(tmp_path / str(n), machine="m")
        frames, number = promised(life[:cut])
        waiting = box.after(-1, 1000)
        assert box.repaired is None
        assert box.volatile is None
        assert box.damaged == 0
        there = {item.sequence for item in waiting}
        assert frames <= there, (cut, sorted(frames - there))
        assert all(item.payload[:4] == b"%04d" % item.sequence for item in waiting)
        assert [i.sequence for i in waiting] == sorted(there)
        assert box.next_sequence > max(frames, default=-1)
        assert int(box.recall("command") or -1) >= number
        box.close()


@needs_compiler
def test_a_disk_that_forgets_what_it_flushed_never_gives_two_frames_one_name(
    life: list[Record], tmp_path: Path
) -> None:
    """Its last flushes never happened, and the machine is on again: the numbers go on under another name."""
    whole = Outbox(tmp_path / "whole", machine="m")
    whole.close()
    lay(disk_after(life[: len(life) * 2 // 3], random.Random(0)), tmp_path / "cut")
    before = Outbox(tmp_path / "cut", machine="m")
    boot = before.boot
    before.close()
    again = Outbox(tmp_path / "cut", machine="after the power cut")
    assert again.boot != boot
    assert again.append(b"new") == 0
    assert {item.boot for item in again.after(-1, 1000)} == {boot, again.boot}


def test_killed_again_and_again_it_keeps_every_frame_in_order(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edgexai.agent.outbox import Outbox\n"
        "box = Outbox(Path(sys.argv[1]))\n"
        "while True: print(box.append(b'x' * 300), flush=True)\n"
    )
    dice, told = random.Random(0), []
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        told.append(int(child.stdout.readline()))
        time.sleep(dice.uniform(0, 0.15))
        os.kill(child.pid, signal.SIGKILL)
        told += [int(line) for line in child.stdout.read().split()]
        child.wait()
    kept = [item.sequence for item in Outbox(tmp_path).after(-1, 10**6)]
    assert kept == list(range(len(kept)))
    assert set(told) <= set(kept)
    assert len(kept) - len(told) <= 8
