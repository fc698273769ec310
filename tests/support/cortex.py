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
    "mps3-an547": ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
}
FLOATING = {
    "mps2-an386": ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "mps2-an500": ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
}
"""With the floating-point unit."""
STARTUP = """
typedef void (*word)(void);
extern void _start(void);
static void reset(void) {
    *(volatile unsigned *)0xE000ED88 |= 0xFu << 20; /* the floating-point and vector units are off after a reset */
    __asm__ volatile("dsb\\n\\tisb");
    _start();
}
__attribute__((section(".vectors"), used)) const word vectors[2] = {(word)0x%08x, reset};
"""


def run(
    machine: str,
    folder: Path,
    sources: Sequence[Path | str],
    options: Sequence[str],
    core: Sequence[str] | None = None,
) -> None:
    """Build the sources strictly, for another ``core`` if one is given, and run them; they have to end with 0.

    ``folder`` takes what is built.
    """
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if (why := needs(tool)) is not None:
            pytest.skip(why)
    base, ram = (0x10000000, 0x38000000) if machine == "mps2-an505" else (0, 0x20000000)
    size = 0x80000 if machine == "mps3-an547" else 0x100000  # bytes of RAM that the stack begins behind
    (folder / "startup.c").write_text(STARTUP % (ram + size))
    memory = ["-ffunction-sections", "-Wl,--gc-sections", "-Wl,--undefined=vectors"]
    memory += [f"-Wl,--section-start=.vectors={base:#x}", f"-Wl,--section-start=.init={base + 0x8000:#x}"]
    memory += [f"-Wl,-Ttext={base + 0x10000:#x}", f"-Wl,-Tdata={ram:#x}"]
    command = [
        "arm-none-eabi-gcc",
        *STRICT,
        *options,
        *(core or CORTEX[machine]),
        "-mthumb",
        "--specs=rdimon.specs",
        *memory,
    ]
    command += ["-o", str(folder / "t.elf"), *map(str, sources), str(folder / "startup.c")]
    subprocess.run(command, check=True)
    board = ["qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none", "-serial", "none"]
    board += ["-semihosting-config", "enable=on,target=native", "-kernel", str(folder / "t.elf")]
    done = subprocess.run(board, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    assert done.returncode == 0, done.stderr
