"""What explains on a Cortex-M has the same bytes as on this machine, with DSP instructions and without."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from cortex import CORTEX, run
from explained_networks import network, signed
from explaining import Both, samples
from native import needs
from shared import SHARED, needs_shared

from converters.c99 import Explaining, write

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")

MAIN = """
#include <string.h>
#include "model.h"
static const int8_t xs[][MODEL_X0] = {%s};
static const uint32_t expected[][MODEL_RELEVANCE] = {%s};
static model_explain_arena arena;
static const int8_t answers[][MODEL_Y0] = {%s};
static float relevance[MODEL_RELEVANCE];
static int8_t y[MODEL_Y0];
int main(void) {
    int wrong = 0;
    for (unsigned i = 0; i < sizeof xs / sizeof *xs; i++) {
        int32_t target;
        float score;
        model_predict((model_arena *)&arena, xs[i], y);
        wrong += memcmp(y, answers[i], sizeof y) != 0;
        model_explain(&arena, xs[i], y, relevance, &target, &score);
        wrong += memcmp(relevance, expected[i], sizeof relevance) != 0 || memcmp(y, answers[i], sizeof y) != 0;
    }
    return wrong;
}
"""


MODELS = ["network, edge", "network, epsilon", "signed, edge", "kws, edge", "ic, edge", "ad, edge"]
NETWORKS = {"network": lambda: network(1), "signed": signed}


def rows(values: np.ndarray) -> str:
    return ",\n".join("{" + ",".join(map(str, row.ravel())) + "}" for row in values)


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources, and a program that ends with how many answers and maps differ from this machine's."""
    if (why := needs("gcc")) is not None:
        pytest.skip(why)
    what, composite = request.param.split(", ")
    if what not in NETWORKS and not SHARED.is_dir():
        pytest.skip("the reference models are not here")
    where = tmp_path_factory.mktemp(what)
    graph = NETWORKS[what]() if what in NETWORKS else SHARED / "models" / f"{what}_int8.tflite"
    both = Both(graph, Explaining(composite, "error" if what == "ad" else "predicted"), where)
    xs = np.random.default_rng(5).integers(-128, 128, (4, *both.explainer.input.shape)).astype(np.int8)
    xs = xs if what in NETWORKS else samples(what, 3)
    pairs = [both(x) for x in xs]
    maps, answers = (np.stack([np.ravel(getattr(pair, key)) for pair in pairs]) for key in ("relevance", "y"))
    maps = maps.astype(np.float32)
    assert len({m.tobytes() for m in maps}) == len(xs)  # a program that can fail
    (where / "main.c").write_text(MAIN % (rows(xs.reshape(len(xs), -1)), rows(maps.view(np.uint32)), rows(answers)))
    return where


@pytest.mark.parametrize("machine", CORTEX)
@pytest.mark.parametrize("options", [("-O2",), ("-O1", "-DEXAI_PORTABLE")], ids=" ".join)
def test_maps_have_the_same_bytes_on_a_cortex_m(
    machine: str, options: tuple[str, ...], folder: Path, tmp_path: Path
) -> None:
    if len(options) > 1 and machine != "mps2-an386":
        pytest.skip("portable kernels know no machine")
    if folder.name.startswith(("ic", "ad")) and (len(options) > 1 or machine not in ("mps2-an386", "mps3-an547")):
        pytest.skip("larger models run with DSP instructions and with vectors")
    sources = [folder / "main.c", folder / "model.c", *sorted((folder / "src").glob("exai_*.c"))]
    run(machine, tmp_path, sources, [*options, f"-I{folder}", f"-I{folder / 'src'}"])


STREAM = """
#include <stdio.h>
#include "model.h"
static model_explain_arena arena;
static float relevance[MODEL_RELEVANCE + 2];
static uint8_t y[MODEL_Y0];
static int8_t x[MODEL_X0];
static uint32_t sum = 2166136261u;
static void add(const void *from, size_t count) {
    for (const uint8_t *byte = from; count > 0; count--) sum = (sum ^ *byte++) * 16777619u;
}
int main(void) {
    uint32_t seed = 1;
    model_reset(&arena);
    for (int i = 0; i < 100; i++) {
        int32_t target;
        for (int k = 0; k < MODEL_X0; k++) x[k] = (int8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        model_explain(&arena, x, y, relevance, &target, relevance + MODEL_RELEVANCE, relevance + MODEL_RELEVANCE + 1);
        add(y, sizeof y);
        add(relevance, sizeof relevance);
    }
#ifdef EXPECTED
    return sum != EXPECTED;
#else
    printf("%uu", (unsigned)sum);
    return 0;
#endif
}
"""


@needs_shared
@pytest.mark.parametrize("composite", ["edge", "epsilon"])
def test_a_stream_has_the_same_bytes_on_a_cortex_m(composite: str, tmp_path: Path) -> None:
    """Answers, maps and what states got, of a hundred steps."""
    write(SHARED / "cases" / "models" / "wake_word_streaming.tflite", tmp_path, explains=Explaining(composite))
    (tmp_path / "main.c").write_text(STREAM)
    sources = [tmp_path / "main.c", tmp_path / "model.c", *sorted((tmp_path / "src").glob("exai_*.c"))]
    options = ["-O2", f"-I{tmp_path}", f"-I{tmp_path / 'src'}"]
    subprocess.run(["gcc", "-std=c99", *options, "-o", tmp_path / "here", *sources, "-lm"], check=True)
    expected = subprocess.check_output([tmp_path / "here"], text=True)
    for machine in CORTEX:
        run(machine, tmp_path, sources, [*options, f"-DEXPECTED={expected}"])
    run("mps2-an386", tmp_path, sources, [*options, f"-DEXPECTED={expected}", "-DEXAI_PORTABLE"])
