"""A power cut at any write: what a process asked the disk for is recorded, and played back up to a chosen moment.

A small library in front of libc records every write, truncation, flush and removal of the outbox's files. A power cut
after record n leaves all that was flushed before; of what was not, each sector of 512 bytes is there or not, by dice.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

COMPILER = shutil.which("cc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler (Debian package gcc)")

SECTOR = 512
_SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int trace = -1;
static int denied(int fd) {
    const char *flag = getenv("POWERCUT_READ_ONLY");
    if (!flag || access(flag, F_OK)) return 0;
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    if (!strstr(path, "/outbox.db")) return 0;
    errno = EROFS;
    return 1;
}
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWERCUT_TRACE");
    if (path) trace = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
}
static void record(char op, int fd, const char *name, uint64_t offset, const void *data, uint32_t size) {
    char link[64], path[512];
    if (trace < 0) return;
    if (!name) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        if (n <= 0) return;
        path[n] = 0;
        name = path;
    }
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    if (strncmp(base, "outbox", 6)) return;
    uint32_t length = strlen(base), total = 1 + 4 + 8 + 4 + length + size;
    char *all = malloc(total), *at = all;
    *at++ = op;
    memcpy(at, &length, 4); at += 4;
    memcpy(at, &offset, 8); at += 8;
    memcpy(at, &size, 4); at += 4;
    memcpy(at, base, length); at += length;
    if (size) memcpy(at, data, size);
    syscall(SYS_write, trace, all, total);
    free(all);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    if (denied(fd)) return -1;
    ssize_t n = syscall(SYS_pwrite64, fd, data, size, offset);
    if (n > 0) record('W', fd, 0, offset, data, n);
    return n;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }
ssize_t write(int fd, const void *data, size_t size) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t n = syscall(SYS_write, fd, data, size);
    if (n > 0 && at >= 0 && fd != trace) record('W', fd, 0, at, data, n);
    return n;
}
int ftruncate64(int fd, off64_t size) {
    if (denied(fd)) return -1;
    int failed = syscall(SYS_ftruncate, fd, size);
    if (!failed) record('T', fd, 0, size, 0, 0);
    return failed;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
int fsync(int fd) { int failed = syscall(SYS_fsync, fd); if (!failed) record('S', fd, 0, 0, 0, 0); return failed; }
int fdatasync(int fd) {
    int failed = syscall(SYS_fdatasync, fd);
    if (!failed) record('S', fd, 0, 0, 0, 0);
    return failed;
}
int unlink(const char *path) {
    int failed = syscall(SYS_unlink, path);
    if (!failed) record('U', -1, path, 0, 0, 0);
    return failed;
}
"""


@dataclass(frozen=True)
class Record:
    """W(rite), T(runcate), S(ync) or U(nlink) of a file."""

    op: str
    file: str
    offset: int
    data: bytes


def recorded(directory: Path, code: str, *arguments: str) -> list[Record]:
    """What a Python program, run to its end, asked of the disk for files whose names begin with "outbox".

    While there is a file "read-only" in the directory, writes to the outbox fail as on a disk that turned read-only.
    """
    assert COMPILER is not None
    (directory / "shim.c").write_text(_SOURCE)
    library, trace = directory / "shim.so", directory / "trace"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(directory / "shim.c")], check=True)
    ours = {"LD_PRELOAD": library, "POWERCUT_TRACE": trace, "POWERCUT_READ_ONLY": directory / "read-only"}
    environment = {**os.environ, **{k: str(v) for k, v in ours.items()}}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment)
    return list(_read(trace.read_bytes()))


def _read(raw: bytes) -> Iterator[Record]:
    at = 0
    while at < len(raw):
        op, (length, offset, size) = chr(raw[at]), struct.unpack_from("<IQI", raw, at + 1)
        at += 17
        name = raw[at : at + length].decode()
        at += length
        yield Record(op, name, offset, raw[at : at + size])
        at += size


def disk_after(records: list[Record], dice: random.Random) -> dict[str, bytes]:
    """The files as a power cut after these records may leave them."""
    durable: dict[str, bytearray] = {}
    pending: dict[str, list[Record]] = {}
    for record in records:
        waiting = pending.setdefault(record.file, [])
        if record.op == "S":
            for one in waiting:
                _apply(durable, one, None)
            waiting.clear()
        elif record.op == "U":
            durable.pop(record.file, None)
            waiting.clear()
        else:
            waiting.append(record)
    kept = dice.choice([0.0, 0.3, 0.7, 1.0])
    for waiting in pending.values():
        for one in waiting:
            _apply(durable, one, lambda: dice.random() < kept)
    return {name: bytes(content) for name, content in durable.items()}


def _apply(disk: dict[str, bytearray], record: Record, arrives: object) -> None:
    content = disk.setdefault(record.file, bytearray())
    if record.op == "T":
        if arrives is None or arrives():  # type: ignore[operator]
            del content[record.offset :]
            content.extend(bytes(record.offset - len(content)))
        return
    at = record.offset
    while at < record.offset + len(record.data):
        end = min((at // SECTOR + 1) * SECTOR, record.offset + len(record.data))
        if arrives is None or arrives():  # type: ignore[operator]
            content.extend(bytes(max(0, end - len(content))))
            content[at:end] = record.data[at - record.offset : end - record.offset]
        at = end
