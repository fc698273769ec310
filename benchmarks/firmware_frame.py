"""What a heatmap frame takes on a Cortex-M4F after explaining: instructions by QEMU, for several inputs.

    python -m benchmarks firmware_frame kws_int8.tflite:kws01.npz

The map is that of `edge` in generated firmware, the encoder is compiled with -O2 as the rest.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.firmware import CORES, LINKED, STARTUP, instructions, told
from converters.c99 import Explaining, write
from edgexai.cli.table import table

HARNESS = """
#include <stdio.h>
#include "model.h"
#include "samples.h"
static model_explain_arena arena;
static float relevance[MODEL_RELEVANCE];
int main(void) {
    volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
    int8_t y[MODEL_Y0];
    uint8_t frame[MODEL_FRAME];
    for (int i = 0; i < SAMPLES; i++) {
        int32_t target, size;
        float score;
        model_explain(&arena, samples + i * MODEL_X0, y, relevance, &target, &score);
        systick[1] = 0xFFFFFF;
        systick[2] = 0;
        systick[0] = 5;
        size = model_frame(&arena, relevance, target, score, 1000u + (uint32_t)i, 200000000u, frame);
        printf("%d %u\\n", (int)size, (unsigned)(0xFFFFFF - systick[2]));
    }
    return 0;
}
"""


def counts(path: Path, samples: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Bytes and instructions of the frame of each sample."""
    machine, core = CORES["M4F"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(path, folder, explains=Explaining("edge"), frame=size)
        words = ",".join(str(v) for v in samples.reshape(-1))
        text = f"#define SAMPLES {len(samples)}\nstatic const int8_t samples[{samples.size}] = {{{words}}};\n"
        (folder / "samples.h").write_text(text)
        (folder / "main.c").write_text(HARNESS)
        (folder / "startup.c").write_text(STARTUP)
        build = ["arm-none-eabi-gcc", "-std=c99", "-O2", *core, "-mthumb", "-I.", "-Isrc", *LINKED, "-o", "t.elf"]
        sources = ["main.c", "startup.c", "model.c", *(f"src/{p.name}" for p in (folder / "src").glob("*.c"))]
        subprocess.run([*build, *sources], check=True, cwd=folder)
        lines = [map(int, line.split()) for line in told(folder, "t.elf", machine).splitlines()]
    return [(size, instructions(ticks, machine)) for size, ticks in lines]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="int8 .tflite, and behind it :DATA.npz with inputs x")
    parser.add_argument("--frame", type=int, default=51, help="bytes of a frame at most (51)")
    parser.add_argument("--samples", type=int, default=20)


def run(args: argparse.Namespace) -> int:
    model, _, data = args.model.partition(":")
    inputs = np.load(data)["x"]
    chosen = inputs[:: max(1, len(inputs) // args.samples)][: args.samples]
    chosen = chosen.astype(np.int16) - 128 if chosen.dtype == np.uint8 else chosen
    found = counts(Path(model), chosen, args.frame)
    took = np.array([count for _, count in found]) / 1e6
    sizes = sorted({size for size, _ in found})
    row = [Path(model).stem, f"{sizes[0]}–{sizes[-1]}", *(f"{v:.2f} M" for v in (took.min(), took.mean(), took.max()))]
    print(table(["model", "frame, B", "least", "mean", "most"], [row]))
    return 0
