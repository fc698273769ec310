"""What the C library keeps: in processes of their own, since it is theirs for good."""

import platform
import re
import subprocess
import sys
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
from mosquitto import free_port

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
MALLOC = """
import ctypes, re, sys, threading, time
from pathlib import Path
from edgexai.fleet.memory import keep_little
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
"""
THREADS = """
if sys.argv[1] == "few": keep_little()
all_there = threading.Barrier(12)
def work():
    all_there.wait()
    libc.malloc(1000)
    all_there.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for one in threads: one.start()
for one in threads: one.join()
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""
FREED = """
own = lambda: int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
keep_little(every=1.0)
chunks = [libc.malloc(4000) for _ in range(20_000)]
for one in chunks[:-1]: libc.free(one)  # the last keeps the end of the heap where it is
print(held := own())
until = time.monotonic() + 30
while own() > held - 60 and time.monotonic() < until: time.sleep(0.05)
print(own())
"""


HEAP = 64 << 20  # malloc's HEAP_MAX_SIZE on 64 bits: an arena beside the main one begins at a multiple of it


def said(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", MALLOC + script, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_all_threads_share_two_arenas(tmp_path: Path) -> None:
    heaps = {}
    for how in ("few", "usual"):
        said(THREADS, how, str(tmp_path / how))
        heaps[how] = len(re.findall("<heap nr=", (tmp_path / how).read_text()))
    assert heaps["few"] <= 2 < heaps["usual"]


def test_free_pages_go_back_to_the_system() -> None:
    before, after = map(int, said(FREED).split())
    assert before - after > 60


@pytest.mark.skipif(sys.maxsize < 2**32, reason="arenas are told by their place on 64 bits")
@pytest.mark.parametrize(
    "options", [("ingest", "--worker", "two", "--metrics-port", "0"), ("--port", "0")], ids=["a worker", "the service"]
)
def test_what_runs_for_months_has_two_arenas(options: tuple[str, ...], tmp_path: Path) -> None:
    where = ("--broker", f"mqtt://127.0.0.1:{free_port()}", "--store", str(tmp_path / "store"))
    process = subprocess.Popen(
        [sys.executable, "-m", "edgexai", "fleet", *options, *where], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1].removesuffix("/metrics")
        for _ in range(20):  # each is answered by a thread of its own, or one of a pool
            with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
                assert b"edgexai_ingest_info" in answer.read()
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) > 4
        assert arenas(process.pid) == 2
    finally:
        process.kill()
        process.wait()


def arenas(pid: int) -> int:
    """Those of a running process: the main one, and anonymous mappings of a heap's size, most of it not yet usable."""
    lines = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    places = [(*(int(x, 16) for x in line[0].split("-")), line[1], len(line)) for line in lines]
    heaps = [
        start
        for (start, end, may, words), (then, last, may_not, _) in pairwise(places)
        if start % HEAP == 0
        and words == 5
        and may == "rw-p"
        and (end, "---p") == (then, may_not)
        and last >= start + HEAP
    ]
    return 1 + len(heaps)
