"""Where the flash of explaining goes, and what a compiler's options give: bytes by the linker, instructions by QEMU.

    python -m benchmarks firmware_flash kws_int8.tflite --composite edge

Cortex-M4F; everything is linked with --gc-sections. "Way back" are the kernels that predicting does not need.
"""

import argparse
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.firmware import CORES, HARNESS, LINKED, STARTUP, instructions, told
from converters.c99 import Explaining, write
from edgexai.cli.table import table

MACHINE, CORE = CORES["M4F"]
EXPLAINS = ("exai_back", "exai_flow", "exai_rows", "exai_wide")
"""Files of kernels that only explaining needs."""
SECTIONS = ("-ffunction-sections", "-fdata-sections")
VARIANTS = {
    "`-O2`": ("-O2", "-O2", ()),
    "`-O2`, one section a file": ("-O2", "-O2", ("-fno-function-sections", "-fno-data-sections")),
    "`-O2`, the way back `-Os`": ("-O2", "-Os", ()),
    "`-Os`": ("-Os", "-Os", ()),
    "`-O2 -flto`": ("-O2", "-O2", ("-flto",)),
}
"""Options of predicting, of the way back, of all."""


def build(folder: Path, ahead: str, back: str, more: tuple[str, ...]) -> list[str]:
    """Objects of all sources."""
    gcc = ["arm-none-eabi-gcc", "-std=c99", *CORE, "-mthumb", *SECTIONS, *more, f"-I{folder}", f"-I{folder / 'src'}"]
    objects = []
    for source in [folder / "model.c", *sorted((folder / "src").glob("*.c"))]:
        objects.append(str(folder / f"{source.stem}.o"))
        level = back if source.name.startswith(EXPLAINS) else ahead
        subprocess.run([*gcc, level, "-c", str(source), "-o", objects[-1]], check=True)
    return objects


def linked(folder: Path, objects: list[str], more: tuple[str, ...], *roots: str) -> tuple[int, Counter[str]]:
    """Bytes of code and constants that functions reach, and of each symbol."""
    link = ["arm-none-eabi-gcc", *CORE, "-mthumb", "-O2", *more, "-nostartfiles", "-Wl,--gc-sections"]
    link += [f"-Wl,--entry={roots[0]}", *(f"-Wl,--undefined={root}" for root in roots), "-o", "t.elf", *objects]
    subprocess.run(link, check=True, cwd=folder)
    size = subprocess.check_output(["arm-none-eabi-size", "t.elf"], cwd=folder, text=True).splitlines()[1].split()
    symbols = subprocess.check_output(["arm-none-eabi-nm", "-S", "-td", "t.elf"], cwd=folder, text=True).splitlines()
    parts: Counter[str] = Counter()
    for _, count, kind, name in (line.split() for line in symbols if len(line.split()) == 4):
        parts[name if kind in "tT" else "constants"] += int(count)
    return int(size[0]) + int(size[1]), parts


def explaining(folder: Path, objects: list[str], more: tuple[str, ...]) -> float:
    """Millions of instructions of an explanation."""
    link = ["arm-none-eabi-gcc", "-std=c99", "-O2", *CORE, "-mthumb", *more, f"-I{folder}", f"-I{folder / 'src'}"]
    subprocess.run([*link, *LINKED, "-o", "q.elf", "main.c", "startup.c", *objects], check=True, cwd=folder)
    return instructions(int(told(folder, "q.elf", MACHINE).split()[-1]), MACHINE) / 1e6


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="int8 .tflite")
    parser.add_argument("--composite", default="edge")


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), []
        write(args.model, folder, explains=Explaining(args.composite))
        (folder / "main.c").write_text(HARNESS % {"x": "int8_t", "y": "int8_t"})
        (folder / "startup.c").write_text(STARTUP)
        for variant, (ahead, back, more) in VARIANTS.items():
            objects = build(folder, ahead, back, more)
            alone, few = linked(folder, objects, more, "model_predict")
            both, many = linked(folder, objects, more, "model_predict", "model_explain")
            count = f"{explaining(folder, objects, more):.2f} M"
            rows.append([variant, f"{alone:,}", f"{both:,}", f"+{100 * (both / alone - 1):.1f} %", count])
            if not more and ahead == back == "-O2":
                added = [[name, f"{size:,}"] for name, size in (many - few).most_common(16)]
    print(table(["options", "predict, B", "with explaining, B", "", "instructions to explain"], rows))
    print()
    print(table(["what explaining adds, `-O2`", "B"], added))
    return 0
