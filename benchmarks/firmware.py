"""What generated firmware takes on a Cortex-M: instructions by QEMU, flash by the linker, RAM by the header.

  python -m benchmarks firmware kws_int8.tflite ic_int8.tflite ic_int8.tflite:16x16 ad_int8.tflite:error

QEMU counts one nanosecond an instruction (-icount shift=0) and SysTick runs at the board's clock, so that a figure is
exact to some tens of instructions. Instructions are not cycles: an M4 takes between one and two cycles for one, and an
M55 two for most vector instructions.
"""

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

from benchmarks.results import Row
from converters.c99 import Explaining, write
from edgexai.cli.sizes import bytes_of, rows_by_columns
from edgexai.cli.table import table
from edgexai.graph import DType, load

CORES = {
    "M4F": ("mps2-an386", ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")),
    "M7": ("mps2-an500", ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16")),
    "M55": ("mps3-an547", ("-mcpu=cortex-m55", "-mfloat-abi=hard")),
}
ALIKE = ("M7",)
"""Within a percent of the core before: in the lines, not in the table."""
SMALL = ("M55",)
"""Boards of QEMU with 512 KiB for a program and as much for its data: float32 models do not go in."""
CLOCKS = {"mps2-an386": 25e6, "mps2-an500": 25e6, "mps3-an547": 32e6}
STARTUP = """
typedef void (*word)(void);
extern void _start(void);
static void reset(void) {
    *(volatile unsigned *)0xE000ED88 |= 0xFu << 20; /* the floating-point and vector units are off after a reset */
    __asm__ volatile("dsb\\n\\tisb");
    _start();
}
__attribute__((section(".vectors"), used)) const word vectors[2] = {(word)0x20080000, reset};
"""
LINKED = (
    "-Wl,--gc-sections",
    "-Wl,--undefined=vectors",
    "--specs=rdimon.specs",
    "-Wl,--section-start=.vectors=0",
    "-Wl,-Tdata=0x20000000",
)
"""How a program for these boards is linked."""
HARNESS = """
#include <stdio.h>
#include "model.h"
#ifdef MODEL_STATE /* a stream: its first steps are not counted */
enum { FIRST = 20, STEPS = 10 };
#define RESET() model_reset(&arena)
#define STATE , &state
static float state;
#else
enum { FIRST = 0, STEPS = 1 };
#define RESET()
#define STATE
#endif
static model_explain_arena arena;
static float relevance[MODEL_RELEVANCE], score;
static int32_t target;
static %(x)s x[MODEL_X0];
static %(y)s y[MODEL_Y0];
static uint32_t seed;
static void draw(void) {
    for (int i = 0; i < MODEL_X0; i++) x[i] = (%(x)s)((int)((seed = seed * 1664525u + 1013904223u) >> 24) - 128);
}
int main(void) {
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
    unsigned ticks[2] = {0, 0};
    systick[1] = 0xFFFFFF;
    systick[0] = 5;
    for (int explains = 0; explains < 2; explains++) {
        RESET();
        seed = 1;
        for (int i = 0; i < FIRST + STEPS; i++) {
            draw();
            systick[2] = 0;
            if (explains)
                model_explain(&arena, x, y, relevance, &target, &score STATE);
            else
                model_predict((model_arena *)&arena, x, y);
            if (i >= FIRST) ticks[explains] += 0xFFFFFF - systick[2];
        }
    }
    printf("%%u %%u\\n", ticks[0] / STEPS, ticks[1] / STEPS);
    return 0;
}
"""
"""On random input; of a stream the mean of some steps in its middle, the same ones predicted and explained."""


def told(folder: Path, program: str, machine: str) -> str:
    """What a program says on a board of QEMU, where time goes by instructions."""
    run = ["qemu-system-arm", "-M", machine, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    run += ["-semihosting-config", "enable=on,target=native", "-kernel", program]
    done = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def instructions(ticks: int, machine: str) -> int:
    """Of ticks of SysTick."""
    return round(ticks * 1e9 / CLOCKS[machine])


def measure(folder: Path, machine: str, core: tuple[str, ...]) -> tuple[int, int, int]:
    """Instructions of one prediction and of one explanation, and bytes of code."""
    options = ["arm-none-eabi-gcc", "-std=c99", "-O2", *core, "-mthumb", f"-I{folder}", f"-I{folder / 'src'}"]
    sources = [folder / "model.c", *sorted((folder / "src").glob("*.c"))]
    subprocess.run([*options, "-ffunction-sections", "-c", *sources], check=True, cwd=folder)
    objects = [str(folder / f"{s.stem}.o") for s in sources]
    subprocess.run([*options, *LINKED, "-o", "t.elf", "main.c", "startup.c", *objects], check=True, cwd=folder)
    symbols = subprocess.check_output(["arm-none-eabi-nm", "-S", "t.elf"], cwd=folder, text=True).splitlines()
    ours = [line.split() for line in symbols if len(line.split()) == 4]
    code = sum(int(size, 16) for _, size, kind, name in ours if kind in "tT" and name.startswith(("exai_", "model_")))
    predicting, explaining = (
        instructions(int(ticks), machine) for ticks in told(folder, "t.elf", machine).split()[-2:]
    )
    return predicting, explaining, code


def row(path: Path, asked: Explaining, ram: str | None = None) -> Row:
    """Instructions on each core, bytes of RAM, of constants and of code, of predicting and explaining."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graph = load(path)
        floats = graph.tensors[graph.inputs[0]].dtype == DType.FLOAT32
        made = write(graph, folder, explains=asked, ram=bytes_of(ram), floats=floats)
        header = (folder / "model.h").read_text()
        kinds = {side: "float" if f"float *{side}0" in header else "int8_t" for side in "xy"}
        (folder / "main.c").write_text(HARNESS % kinds)
        (folder / "startup.c").write_text(STARTUP)
        cores = {name: core for name, core in CORES.items() if not floats or name not in SMALL}
        found = {name: measure(folder, *core) for name, core in cores.items()}
        with tempfile.TemporaryDirectory() as other:
            alone = write(graph, other, floats=floats).constants
    counts = {name: {"predict": p, "explain": e, "code": c} for name, (p, e, c) in found.items()}
    grid = "" if asked.grid is None else "{}×{}".format(*asked.grid)
    told: Row = {"model": path.stem, "composite": asked.composite, "target": asked.target, "grid": grid}
    told |= {} if ram is None else {"limit": ram}
    told |= {"cores": counts, "ram": made.arena, "ram_explain": made.explain_arena, "constants": alone}
    return told | {"constants_explain": made.constants - alone}


def shown(rows: list[Row]) -> str:
    """The table of docs/firmware-benchmark.md."""
    names = [name for name in CORES if name not in ALIKE and any(name in r["cores"] for r in rows)]
    head = [
        "model, composite",
        *(f"{what}, {core}" for core in names for what in ("predict", "explain", "ratio")),
    ]
    head += ["RAM, B", "to explain", "constants, B", "to explain", "code, B"]
    cells = []
    for r in rows:
        what = ", ".join(
            filter(None, [r["composite"], r["grid"], r["target"].removeprefix("predicted"), r.get("limit")])
        )
        counts = [text for name in names for text in _counted(r["cores"].get(name))]
        sizes = [r["ram"], r["ram_explain"], r["constants"], r["constants_explain"], r["cores"]["M4F"]["code"]]
        cells.append([f"{r['model']}, {what}", *counts, *(f"{size:,}" for size in sizes)])
    return table(head, cells)


def _counted(core: dict[str, int] | None) -> tuple[str, str, str]:
    if core is None:
        return "–", "–", "–"
    predict, explain = core["predict"], core["explain"]
    return f"{predict / 1e6:.2f} M", f"{explain / 1e6:.2f} M", f"{explain / predict:.2f}"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help="int8 .tflite; :error behind it, a grid as :16x16, or RAM as :44K")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    rows = []
    for given in args.model:
        path, _, how = given.partition(":")
        ram = how if re.fullmatch(r"\d+[KkMB]*", how) else None
        for asked in [Explaining("edge")] if ram else _asked(how):
            rows.append(row(Path(path), asked, ram))
            if args.json:
                print(json.dumps(rows[-1]), flush=True)
    if not args.json:
        print(shown(rows))
    return 0


def _asked(how: str) -> list[Explaining]:
    """What stands behind a model's name."""
    if how == "error":
        return [Explaining("edge", "error")]
    return [Explaining("edge", grid=rows_by_columns(how))] if how else [Explaining("epsilon"), Explaining("edge")]
