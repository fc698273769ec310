"""Programs for Cortex-M boards that QEMU has."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from native import STRICT, needs

CORTEX = {
    "mps2-an386": ("-mcpu=cortex-m4", "-mfloat-abi=soft"),
    "mps2-an500": ("-mcpu=cortex-m7", "-mfloat-abi=soft"),
    "mps2-an505": ("-mcpu=cortex-m33", "-mfloat-abi=soft"),
}
STARTUP = """
typedef void (*word)(void);
extern void _start(void);
__attribute__((section(".vectors"), used)) const word vectors[2] = {(word)0x%08x, _start};
"""


def run(machine: str, folder: Path, sources: Sequence[Path | str], options: Sequence[str]) -> None:
    """Build the sources strictly and run them; they have to end with 0. ``folder`` takes what is built."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if (why := needs(tool)) is not None:
            pytest.skip(why)
    base, ram = (0x10000000, 0x38000000) if machine == "mps2-an505" else (0, 0x20000000)
    (folder / "startup.c").write_text(STARTUP % (ram + 0x100000))
    memory = ["-ffunction-sections", "-Wl,--gc-sections", "-Wl,--undefined=vectors"]
    memory += [f"-Wl,--section-start=.vectors={base:#x}", f"-Wl,--section-start=.init={base + 0x8000:#x}"]
    memory += [f"-Wl,-Ttext={base + 0x10000:#x}", f"-Wl,-Tdata={ram:#x}"]
    command = ["arm-none-eabi-gcc", *STRICT, *options, *CORTEX[machine], "-mthumb", "--specs=rdimon.specs", *memory]
    command += ["-o", str(folder / "t.elf"), *map(str, sources), str(folder / "startup.c")]
    subprocess.run(command, check=True)
    board = ["qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none", "-serial", "none"]
    board += ["-semihosting-config", "enable=on,target=native", "-kernel", str(folder / "t.elf")]
    done = subprocess.run(board, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr
