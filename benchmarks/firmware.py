"""What generated firmware takes on a Cortex-M: instructions by QEMU, flash by the linker, RAM by the header.

    python -m benchmarks.firmware kws_int8.tflite ic_int8.tflite ad_int8.tflite

QEMU counts one nanosecond an instruction (-icount shift=0) and SysTick runs at the board's clock, so that a figure is
exact to some tens of instructions. Instructions are not cycles: an M4 takes between one and two cycles for one.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from converters.c99 import write

CORES = {"M4F": ("mps2-an386", "cortex-m4"), "M7": ("mps2-an500", "cortex-m7")}
STARTUP = """
typedef void (*word)(void);
extern void _start(void);
__attribute__((section(".vectors"), used)) const word vectors[2] = {(word)0x20100000, _start};
"""
HARNESS = """
#include <stdio.h>
#include "model.h"
static model_arena arena;
static %(x)s x[MODEL_X0];
static %(y)s y[MODEL_Y0];
int main(void) {
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
    uint32_t seed = 1;
    for (int i = 0; i < MODEL_X0; i++) x[i] = (%(x)s)((int)((seed = seed * 1664525u + 1013904223u) >> 24) - 128);
    systick[1] = 0xFFFFFF;
    systick[2] = 0;
    systick[0] = 5;
    model_predict(&arena, x, y);
    printf("%%u\\n", 40 * (unsigned)(0xFFFFFF - systick[2]));
    return 0;
}
"""


def measure(folder: Path, machine: str, core: str) -> tuple[int, int]:
    """Instructions of one prediction, and bytes of the kernels' code."""
    options = ["arm-none-eabi-gcc", "-std=c99", "-O2", f"-mcpu={core}", "-mthumb", f"-I{folder}", f"-I{folder / 'src'}"]
    sources = [folder / "model.c", *sorted((folder / "src").glob("*.c"))]
    subprocess.run([*options, "-ffunction-sections", "-c", *sources], check=True, cwd=folder)
    used = [
        *options,
        "-Wl,--gc-sections",
        "-Wl,--undefined=vectors",
        "--specs=rdimon.specs",
        "-Wl,--section-start=.vectors=0",
    ]
    used += ["-Wl,-Tdata=0x20000000", "-Wl,-Map=map", "-o", "t.elf", "main.c", "startup.c"]
    subprocess.run([*used, *(folder / f"{s.stem}.o" for s in sources)], check=True, cwd=folder)
    symbols = subprocess.check_output(["arm-none-eabi-nm", "-S", "t.elf"], cwd=folder, text=True).splitlines()
    ours = [line.split() for line in symbols if len(line.split()) == 4]
    code = sum(int(size, 16) for _, size, kind, name in ours if kind in "tT" and name.startswith(("exai_", "model_")))
    run = ["qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    run += ["-semihosting-config", "enable=on,target=native", "-kernel", "t.elf"]
    done = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return int((done.stdout + done.stderr).split()[-1]), code


def main() -> None:
    """Print the table of docs/firmware.md."""
    cores = " | ".join(CORES)
    print(f"| model | {cores} | RAM, B | constants, B | code, B |\n|---" + "|---" * (len(CORES) + 3) + "|")
    for path in map(Path, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            made = write(path, folder)
            header = (folder / "model.h").read_text()
            kinds = {side: "float" if f"float *{side}0" in header else "int8_t" for side in "xy"}
            (folder / "main.c").write_text(HARNESS % kinds)
            (folder / "startup.c").write_text(STARTUP)
            found = [measure(folder, *core) for core in CORES.values()]
            counts = " | ".join(f"{n / 1e6:.2f} M" for n, _ in found)
            print(f"| {path.stem} | {counts} | {made.arena:,} | {made.constants:,} | {found[0][1]:,} |")


if __name__ == "__main__":
    main()
