"""The C encoder in a program of its own: with the host's compiler under its sanitizers, or for a Cortex-M4 in QEMU."""

import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import edgexai.heatmap
from edgexai.heatmap import Fields, Heatmap
from edgexai.heatmap.layout import EPOCH, _pack_fields

SOURCES = Path(edgexai.heatmap.__file__).parent / "c"
HARNESS = Path(__file__).parent / "encoder.c"
ERRORS = {-1: "shape", -2: "values", -3: "budget", -4: "space", -5: "header"}
WITH_BASIS = "-DEDGEXAI_HEATMAP_BASIS"
TYPES = {"float32": 0, "int32": 1, "int16": 2}
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
CORTEX_M4 = ("arm-none-eabi-gcc", *STRICT, "-Os", "-mcpu=cortex-m4", "-mthumb")

# Where a Cortex-M starts: the first two words of its memory are the stack's top and the first instruction.
_STARTUP = """
typedef void (*word)(void);
extern void _start(void);
__attribute__((section(".vectors"), used)) static const word vectors[2] = {(word)0x20400000, _start};
"""


def build(directory: Path, command: Sequence[str], name: str = "encoder") -> Path:
    """The program, by a compiler and its options."""
    program = directory / name
    sources = [str(SOURCES / "edgexai_heatmap.c"), str(HARNESS)]
    subprocess.run([*command, f"-I{SOURCES}", "-o", str(program), *sources], check=True)
    return program


def build_for_qemu(directory: Path, *options: str) -> Path:
    """The program for the Cortex-M4 of an MPS2 board, which reaches files through QEMU's semihosting."""
    startup = directory / "startup.c"
    startup.write_text(_STARTUP)
    memory = ("-Wl,--section-start=.vectors=0", "-Wl,-Tdata=0x20000000")
    return build(directory, [*CORTEX_M4, "--specs=rdimon.specs", *memory, *options, str(startup)], "encoder.elf")


def qemu(program: Path) -> list[str]:
    """The command that runs it."""
    machine = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]
    return [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)]


def small_fields(fields: Fields | None) -> list[tuple[int, bytes]]:
    """Type and content of each small field, in the order of the frame."""
    packed, found = _pack_fields(fields or Fields()), []
    while len(packed) > 1:
        size, start = packed[0] & 15, 1
        if size == 15:
            size, start = packed[1], 2
        found.append((packed[0] >> 4, packed[start : start + size]))
        packed = packed[start + size :]
    return found


def case(
    relevance: np.ndarray,
    *,
    budget: int | None = None,
    model: bytes = b"",
    sequence: int = 0,
    time: float = EPOCH,
    target: int = 0,
    score: float = 0.0,
    conservation: float | None = None,
    fields: Fields | None = None,
    more: Sequence[Heatmap] = (),
    exponent: int = 0,
    phase: int = 0,
    capacity: int | None = None,
    basis: bytes | None = None,
) -> bytes:
    """One request to the program; arguments are those of `edgexai.encode`. The buffer is as large as the budget.

    A ``basis``, or b"" for none, is understood by a program that is compiled with it only, which must be told."""
    wanted = [Heatmap(relevance, target, score, conservation), *more]
    room = (budget or 1 << 20) if capacity is None else capacity
    shape = [*relevance.shape, 0, 0, 0][:3]
    thousandths = round((time - EPOCH) * 1000)
    kind = TYPES[relevance.dtype.name]
    numbers = [budget or 0, room, len(wanted), relevance.ndim, *shape, relevance.size, kind, exponent & 0xFF, phase]
    numbers += [sequence & 0xFFFFFFFF, sequence >> 32, thousandths // 1000, thousandths % 1000, len(model)]
    items = small_fields(fields)
    out = struct.pack(f"<{len(numbers)}I", *numbers) + model + struct.pack("<I", len(items))
    for tag, content in items:
        out += struct.pack("<2I", tag, len(content)) + content
    if basis is not None:
        out += struct.pack("<I", len(basis)) + basis
    for one in wanted:
        kept = one.conservation
        out += struct.pack("<iffI", one.target, one.score, kept or 0.0, kept is not None)
        out += np.ascontiguousarray(one.map).tobytes()
    return out


def run(command: Sequence[str], cases: Sequence[bytes], timeout: float = 60) -> list[bytes | str]:
    """The frame of each case, or the name of the encoder's error."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cases").write_bytes(struct.pack("<I", len(cases)) + b"".join(cases))
        done = subprocess.run(
            command, cwd=folder, timeout=timeout, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
        data = (Path(folder) / "frames").read_bytes()
    found: list[bytes | str] = []
    for _ in cases:
        (size,) = struct.unpack("<i", data[:4])
        data = data[4:]
        found.append(data[:size] if size > 0 else ERRORS[size])
        data = data[max(size, 0) :]
    assert not data
    return found
