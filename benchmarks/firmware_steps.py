"""What each step of generated firmware takes on a Cortex-M4F: instructions by QEMU for units of its work.

    python -m benchmarks firmware_steps kws_int8.tflite:kws01.npz ic_int8.tflite:cifar10_test.npz ad_int8.tflite \
        wake_word_streaming.tflite:predict wake_word_streaming.tflite:predicted speech_lstm_int8.tflite:predicted \
        keyword_svdf_int8.tflite:predicted keyword_spotting_small_maps.tflite:predicted \
        kws_float.tflite:predicted ad_float.tflite tcn_float.tflite:predicted ic_float.tflite:predicted

writes `converters/c99/rates.py`: of each kind of step, instructions for each unit of work (`converters.c99.work`), all
models and some small networks together (on real inputs where an .npz is given: explaining skips units that were zero),
by least squares without a rate below zero; and the bytes of code of each kernel file. Prints how far the sum of a
model's steps, priced at these rates, is from its own count, and at rates that were fitted without that model.
"""

import argparse
import subprocess
import tempfile
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import converters.c99
from benchmarks.firmware import CORES, STARTUP
from benchmarks.firmware_small import NETWORKS, PREDICTED
from converters.c99 import Explaining, write
from converters.c99.hand_written import kernels
from converters.c99.lowering import PORT_TYPES
from converters.c99.schedule import Schedule
from converters.c99.work import kind, work
from edgexai.graph import DType, Graph, OpKind, load
from edgexai.graph.ir import NUMPY

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


RIDGE = 1e-4
"""How much a fit gives up so that no unit of work stands for all."""
FIXED = 2000
"""Instructions of a call that no unit of its work explains, at most."""
Runs = list[tuple[str, Schedule, list[float]]]
Rates = dict[str, dict[str, float]]


def counts(graph: Graph, samples: NDArray[np.generic] | None, asked: Explaining | None) -> tuple[Schedule, list[float]]:
    """The schedule of explaining, or of predicting if nothing is asked, and the mean count of each of its steps."""
    port, out = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    is_float = _is_float(graph)
    count = int(np.prod(port.shape))
    if samples is None:
        drawn = np.random.default_rng(0).integers(-128, 128, (SAMPLES, count))
        if any(op.kind == OpKind.CAST for op in graph.ops):
            drawn %= 60  # numbers of rows
        samples = (100 * drawn if port.dtype == DType.INT16 else drawn).astype(NUMPY[port.dtype])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = write(graph, folder, explains=asked, floats=is_float)
        plan = made.explanation or made.schedule
        function = "model_predict(" if asked is None else "model_explain("
        words = ",".join(str(v) for v in samples[:SAMPLES].reshape(-1))
        kind_of_x = PORT_TYPES[port.dtype]
        (folder / "samples.h").write_text(
            f"#define SAMPLES {SAMPLES}\nstatic const {kind_of_x} samples[{SAMPLES * count}] = {{{words}}};\n"
        )
        kind_of_y = PORT_TYPES[out.dtype]
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


def _is_float(graph: Graph) -> bool:
    return all(t.dtype != DType.INT8 or t.is_constant for t in graph.tensors)


def code() -> dict[str, int]:
    """Bytes of code and tables of each kernel file."""
    sizes = {}
    heatmap = files("edgexai.heatmap").joinpath("c")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in [*kernels().values(), *heatmap.iterdir()]:
            (folder / file.name).write_bytes(file.read_bytes())
        for source in [*sorted(folder.glob("exai_*.c")), folder / "edgexai_heatmap.c"]:
            subprocess.run([*OPTIONS, "-DEXAI_SEVERAL_MODELS", "-c", str(source), "-o", "t.o"], check=True, cwd=name)
            listed = subprocess.check_output(["arm-none-eabi-size", "t.o"], cwd=name, text=True).splitlines()
            sizes[source.name] = int(listed[1].split()[0])
    return sizes


def fitted(runs: Runs) -> Rates:
    """Of each kind of step, instructions for a unit of each sort of work."""
    rows: dict[str, list[tuple[dict[str, int], float, float]]] = defaultdict(list)
    for _, plan, found in runs:
        for step, count in zip(plan.steps, found, strict=True):
            rows[kind(step)].append((work(step, plan), count, (sum(found) * max(count, 1.0)) ** -0.5))
    rates: Rates = {}
    for name in sorted(rows):
        units = sorted({unit for units, _, _ in rows[name] for unit in units})
        a = np.array([[units_of.get(unit, 0) * weight for unit in units] for units_of, _, weight in rows[name]])
        b = np.array([count * weight for _, count, weight in rows[name]])
        solved = _least_squares(a, b, np.array([FIXED if unit == "call" else np.inf for unit in units]))
        rates[name] = {unit: round(float(rate), 3) for unit, rate in zip(units, solved, strict=True) if rate >= 5e-4}
    return rates


def _least_squares(a: NDArray[np.float64], b: NDArray[np.float64], most: NDArray[np.float64]) -> NDArray[np.float64]:
    """x between 0 and ``most`` with a x ≈ b, by coordinates; what several columns explain alike, they share."""
    size = np.sqrt((a**2).sum(0))
    size[size == 0] = 1
    a, x = a / size, np.zeros(a.shape[1])
    gram = a.T @ a + RIDGE * np.eye(len(x))
    for _ in range(1000):
        for k in range(len(x)):
            x[k] = min(max(0.0, x[k] + (a[:, k] @ b - gram[k] @ x) / gram[k, k]), most[k] * size[k])
    return np.asarray(x / size)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help=".tflite; behind it :DATA.npz, :predicted, or :predict alone")


def measured(models: list[str]) -> Runs:
    """Every model, explained under two composites, and the small networks."""
    runs = []
    asked: list[tuple[str, Graph, str]] = []
    for argument in models:
        model, _, data = argument.partition(":")
        asked.append((Path(model).stem, load(model), data))
    asked += [(name, made(), "predict" if name in PREDICTED else "predicted") for name, made in NETWORKS.items()]
    for name, graph, data in asked:
        samples = None
        if data not in ("", "predict", "predicted"):
            samples = np.load(data)["x"][:: 97 if "kws" in data else 1]
            samples = samples.astype(np.int16) - 128 if samples.dtype == np.uint8 else samples.astype(np.int16)
        ways: list[Explaining | None] = [None]
        if data != "predict":
            ways = [Explaining(composite, "predicted" if data else "error") for composite in ("edge", "epsilon")]
        if _is_float(graph):
            ways = ways[:1]  # the explainer graph itself, whose operators are the same
        for way in ways:
            runs.append((f"{name}, {'predicting' if way is None else way.composite}", *counts(graph, samples, way)))
    return runs


def priced(plan: Schedule, rates: Rates) -> float:
    """Instructions of a schedule at these rates."""
    return sum(rates.get(kind(s), {}).get(unit, 0.0) * n for s in plan.steps for unit, n in work(s, plan).items())


def run(args: argparse.Namespace) -> int:
    """Write the rates, print how they fit."""
    runs = measured(args.model)
    rates = fitted(runs)
    text = '"""Instructions of each kernel a unit of work, and bytes of code of each file.\n\n'
    text += 'Written by `python -m benchmarks firmware_steps`: a Cortex-M4F, arm-none-eabi-gcc -O2.\n"""\n\n'
    text += "RATES: dict[str, dict[str, float]] = {\n"
    for name, units in rates.items():
        text += f'    "{name}": {{{", ".join(f"{chr(34)}{unit}{chr(34)}: {rate}" for unit, rate in units.items())}}},\n'
    text += "}\n\nCODE = {\n" + "".join(f'    "{name}": {size},\n' for name, size in code().items()) + "}\n"
    (Path(converters.c99.__file__).parent / "rates.py").write_text(text)
    for name, plan, found in runs:
        others = fitted([one for one in runs if one[0].partition(",")[0] != name.partition(",")[0]])
        here, without = priced(plan, rates), priced(plan, others)
        line = f"{name}: {sum(found) / 1e6:.3f} M counted, {here / 1e6:.3f} M at these rates"
        print(f"{line} ({here / sum(found):.2f}), {without / sum(found):.2f} of it at those without it")
    return 0
