"""What the C library keeps: in processes of their own, since it is theirs for good."""

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
MALLOC = """
import ctypes, re, sys, threading
from pathlib import Path
from edgexai.fleet.memory import few_arenas, give_back
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
"""
THREADS = """
if sys.argv[1] == "few": few_arenas()
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
few_arenas()
chunks = [libc.malloc(4000) for _ in range(20_000)]
for one in chunks[:-1]: libc.free(one)  # the last keeps the end of the heap where it is
print(own())
give_back()
print(own())
"""


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
