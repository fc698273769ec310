"""`--float` on a Cortex-M4F and M7 in QEMU: LiteRT's answers and the explainer's maps."""

from pathlib import Path

import numpy as np
import pytest
from cortex import FLOATING, run
from float_networks import in_float, mixed
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import Explaining, write
from edgexai.graph import load, serialize
from edgexai.runtime.interpreter import Interpreter

WITHIN = 1e-5
"""Of the largest value: how far a core's answer and map may be from LiteRT's."""
CHECK = """
#include <math.h>
#include "model.h"
static int far(const float *a, const float *b, int count) {
    float most = 0, size = 1e-30f;
    for (int i = 0; i < count; i++) most = fmaxf(most, fabsf(a[i] - b[i])), size = fmaxf(size, fabsf(b[i]));
    return !(most <= WITHIN * size); /* what is not a number is far too */
}
"""
PREDICT = """
static model_arena arena;
static float y[MODEL_Y0];
int main(void) {
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        model_predict(&arena, xs[i], y);
        wrong += far(y, answers[i], MODEL_Y0);
    }
    return wrong;
}
"""
EXPLAIN = """
static model_explain_arena arena;
static float y[MODEL_Y0], relevance[MODEL_RELEVANCE];
int main(void) {
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        int32_t target;
        float score;
        model_explain(&arena, xs[i], y, relevance, &target, &score);
        wrong += far(y, answers[i], MODEL_Y0) + far(relevance, maps[i], MODEL_RELEVANCE);
    }
    return wrong;
}
"""


def table(name: str, size: str, values: np.ndarray) -> str:
    rows = ",\n".join("{" + ",".join(f"{float(v).hex()}f" for v in row.ravel()) + "}" for row in values)
    return f"static const float {name}[][{size}] = {{{rows}}};\n"


def program(folder: Path, body: str, within: float = WITHIN, **tables: tuple[str, np.ndarray]) -> list[Path | str]:
    count = len(next(iter(tables.values()))[1])
    text = f"#define COUNT {count}\n#define WITHIN {within}f\n{CHECK}"
    (folder / "main.c").write_text(text + "".join(table(name, *given) for name, given in tables.items()) + body)
    return [folder / "main.c", folder / "model.c", *sorted((folder / "src").glob("*.c")), "-lm"]


@pytest.mark.parametrize("machine", FLOATING)
def test_operators_agree_with_litert(machine: str, tmp_path: Path) -> None:
    graph = mixed()
    write(graph, tmp_path, floats=True)
    theirs, random = Interpreter(serialize(graph)), np.random.default_rng(4)
    xs = np.stack([random.normal(0, size, (1, 6, 8, 4)).astype(np.float32) for size in (0.1, 1.0, 4.0)])
    answers = np.stack([theirs.run(x)[0] for x in xs])
    options = ["-O2", f"-I{tmp_path}", f"-I{tmp_path / 'src'}"]
    sources = program(tmp_path, PREDICT, 2e-5, xs=("MODEL_X0", xs), answers=("MODEL_Y0", answers))
    run(machine, tmp_path, sources, options, FLOATING[machine])
    other = program(tmp_path, PREDICT, 2e-5, xs=("MODEL_X0", xs), answers=("MODEL_Y0", answers[::-1]))
    with pytest.raises(AssertionError):  # a program that can fail
        run(machine, tmp_path, other, options, FLOATING[machine])


@needs_shared
@pytest.mark.parametrize(
    ("machine", "model", "target"),
    [("mps2-an386", "kws_float", "predicted"), ("mps2-an500", "ad_float", "error")],
)
def test_models_predict_and_explain(machine: str, model: str, target: str, tmp_path: Path) -> None:
    graph = in_float(load(SHARED / "models" / f"{model}.tflite"))
    write(graph, tmp_path, explains=Explaining("edge", target), floats=True)
    theirs = edgexai.Explainer(serialize(edgexai.attach(graph, "edge", target)))
    xs = np.random.default_rng(0).normal(0, 1, (2, *theirs.input.shape)).astype(np.float32)
    found = [theirs(x) for x in xs]
    answers, maps = np.stack([e.outputs[0] for e in found]), np.stack([e.relevance for e in found])
    given = {"xs": ("MODEL_X0", xs), "answers": ("MODEL_Y0", answers), "maps": ("MODEL_RELEVANCE", maps)}
    options = ["-O2", f"-I{tmp_path}", f"-I{tmp_path / 'src'}"]
    run(machine, tmp_path, program(tmp_path, EXPLAIN, **given), options, FLOATING[machine])
