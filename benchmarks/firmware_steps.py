"""What each step of generated firmware takes on a Cortex-M4F: instructions by QEMU for a unit of its work.

    python -m benchmarks firmware_steps kws_int8.tflite:kws01.npz ic_int8.tflite:cifar10_test.npz ad_int8.tflite \
        wake_word_streaming.tflite:predict wake_word_streaming.tflite:predicted speech_lstm_int8.tflite:predicted \
        kws_float.tflite:predicted ad_float.tflite tcn_float.tflite:predicted

writes `converters/c99/rates.py`: of each kind of step, instructions over work, all models together (the mean of real
inputs where an .npz is given: explaining skips units that were zero), and the bytes of code of each kernel file. Prints
how far the sum of a model's steps, priced at these rates, is from its own count.
"""

import argparse
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import converters.c99
from benchmarks.firmware import CORES, STARTUP
from converters.c99 import Explaining, write
from converters.c99.schedule import Schedule
from converters.c99.work import kind, work
from edgexai.graph import DType, load

MARK = """
#include <stdio.h>
#include "model.h"
#include "samples.h"
%(memory)s
static %(y)s y[MODEL_Y0];
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010;
void mark(void);
void mark(void) {
    printf("%%u\\n", 40 * (unsigned)((0xFFFFFF - systick[2]) %% 0xFFFFFF)); /* just reset, it still reads 0 */
    systick[2] = 0;
}
int main(void) {
    systick[1] = 0xFFFFFF;
    systick[0] = 5;
    for (int i = 0; i < SAMPLES; i++) {
        systick[2] = 0;
        %(call)s
    }
    return 0;
}
"""
EXPLAINING = {
    "memory": "static model_explain_arena arena;static float relevance[MODEL_RELEVANCE], score, state;"
    "static int32_t target;",
    "call": "model_explain(&arena, samples + i * MODEL_X0, y, relevance, &target, &score%(state)s);",
}
PREDICTING = {
    "memory": "static model_arena arena;",
    "call": "model_predict(&arena, samples + i * MODEL_X0, y);",
}
SAMPLES = 4
MACHINE, CORE = CORES["M4F"]
OPTIONS = ("arm-none-eabi-gcc", "-std=c99", "-O2", *CORE, "-mthumb")


def counts(path: Path, samples: NDArray[np.generic] | None, asked: Explaining | None) -> tuple[Schedule, list[float]]:
    """The schedule of explaining, or of predicting if nothing is asked, and the mean count of each of its steps."""
    graph = load(path)
    port, out = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    is_float = port.dtype == DType.FLOAT32
    count = int(np.prod(port.shape))
    if samples is None:
        drawn = np.random.default_rng(0).integers(-128, 128, (SAMPLES, count))
        samples = drawn.astype(np.float32) if is_float else drawn
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = write(graph, folder, explains=asked, floats=is_float)
        plan = made.explanation or made.schedule
        function = "model_predict(" if asked is None else "model_explain("
        words = ",".join(str(v) for v in samples[:SAMPLES].reshape(-1))
        kind_of_x = "float" if is_float else "int8_t"
        (folder / "samples.h").write_text(
            f"#define SAMPLES {SAMPLES}\nstatic const {kind_of_x} samples[{SAMPLES * count}] = {{{words}}};\n"
        )
        kind_of_y = {DType.FLOAT32: "float", DType.UINT8: "uint8_t"}.get(out.dtype, "int8_t")
        text = MARK % {"y": kind_of_y, **(PREDICTING if asked is None else EXPLAINING)}
        state = ", &state" if "float *state" in (folder / "model.h").read_text() else ""
        (folder / "main.c").write_text(text.replace("%(state)s", state))
        (folder / "startup.c").write_text(STARTUP)
        head, _, body = (folder / "model.c").read_text().partition(f"void {function}")
        lines = [line + (" mark();" if line.endswith("*/") else "") for line in body.splitlines()]
        (folder / "model.c").write_text("extern void mark(void);\n" + head + f"void {function}" + "\n".join(lines))
        build = [*OPTIONS, "-I.", "-Isrc", "--specs=rdimon.specs", "-Wl,--section-start=.vectors=0", "-o", "t.elf"]
        sources = ["main.c", "startup.c", "model.c", *(f"src/{p.name}" for p in (folder / "src").glob("*.c")), "-lm"]
        subprocess.run([*build, "-Wl,--undefined=vectors", "-Wl,-Tdata=0x20000000", *sources], check=True, cwd=folder)
        run = ["qemu-system-arm", "-M", MACHINE, "-nographic", "-monitor", "none", "-serial", "none", "-icount"]
        run += ["shift=0", "-semihosting-config", "enable=on,target=native", "-kernel", "t.elf"]
        done = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    found = np.array([int(word) for word in (done.stdout + done.stderr).split()]).reshape(SAMPLES, len(plan.steps))
    return plan, found.mean(0).tolist()


def code() -> dict[str, int]:
    """Bytes of code and tables of each kernel file."""
    sizes = {}
    kernels = Path(converters.c99.__file__).parent / "kernels"
    encoder = kernels.parents[2] / "edgexai" / "heatmap" / "c" / "edgexai_heatmap.c"
    for source in [*sorted(kernels.glob("*.c")), encoder]:
        with tempfile.TemporaryDirectory() as name:
            subprocess.run([*OPTIONS, "-DEXAI_SEVERAL_MODELS", "-c", str(source), "-o", "t.o"], check=True, cwd=name)
            listed = subprocess.check_output(["arm-none-eabi-size", "t.o"], cwd=name, text=True).splitlines()
            sizes[source.name] = int(listed[1].split()[0])
    return sizes


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help=".tflite; behind it :DATA.npz, :predicted, or :predict alone")


def run(args: argparse.Namespace) -> int:
    """Write the rates, print how they fit."""
    did: dict[str, float] = defaultdict(float)
    asked: dict[str, float] = defaultdict(float)
    runs = []
    for argument in args.model:
        model, _, data = argument.partition(":")
        samples = None
        if data not in ("", "predict", "predicted"):
            samples = np.load(data)["x"][:: 97 if "kws" in data else 1]
            samples = samples.astype(np.int16) - 128 if samples.dtype == np.uint8 else samples.astype(np.int16)
        ways: list[Explaining | None] = [None]
        if data != "predict":
            ways = [Explaining(composite, "predicted" if data else "error") for composite in ("edge", "epsilon")]
        if load(model).tensors[load(model).inputs[0]].dtype == DType.FLOAT32:
            ways = ways[:1]  # the explainer graph itself, whose operators are the same
        for way in ways:
            plan, found = counts(Path(model), samples, way)
            runs.append((f"{Path(model).stem}, {'predicting' if way is None else way.composite}", plan, found))
            for step, count in zip(plan.steps, found, strict=True):
                did[kind(step)] += count
                asked[kind(step)] += work(step, plan)
    rates = {name: round(did[name] / asked[name], 3) for name in sorted(did)}
    text = '"""Instructions of each kernel a unit of work, and bytes of code of each file.\n\n'
    text += 'Written by `python -m benchmarks firmware_steps`: a Cortex-M4F, arm-none-eabi-gcc -O2.\n"""\n\nRATES = {\n'
    text += "".join(f'    "{name}": {rate},\n' for name, rate in rates.items()) + "}\n\nCODE = {\n"
    text += "".join(f'    "{name}": {size},\n' for name, size in code().items()) + "}\n"
    (Path(converters.c99.__file__).parent / "rates.py").write_text(text)
    for name, plan, found in runs:
        priced = sum(rates[kind(step)] * work(step, plan) for step in plan.steps)
        print(f"{name}: {sum(found) / 1e6:.2f} M counted, {priced / 1e6:.2f} M at these rates")
    return 0
