"""`--float`: networks in float32 predict as LiteRT does, and give the explainer's maps."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from float_networks import in_float, mixed
from native import SANITIZED, SEVERAL, STRICT, kernels, needs
from numpy.typing import NDArray
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import Explaining, Firmware, write
from converters.c99.covered import rows
from edgexai.errors import UnsupportedOperator
from edgexai.graph import Builder, Graph, OpKind, load, serialize
from edgexai.runtime.interpreter import Interpreter

pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
Floats = NDArray[np.float32]


class Compiled:
    """A float32 model's C, under UBSan."""

    def __init__(self, graph: Graph, folder: Path, explains: Explaining | None = None) -> None:
        self.firmware: Firmware = write(graph, folder, explains=explains, floats=True)
        options = ["-O1", "-shared", "-fPIC", *STRICT, SEVERAL, *SANITIZED, f"-I{folder}", f"-I{folder / 'src'}"]
        built = [str(folder / "model.c"), *kernels("gcc", SANITIZED), "-o", str(folder / "model.so")]
        subprocess.run(["gcc", *options, *built], check=True)
        self.library = ctypes.CDLL(str(folder / "model.so"))

    def call(self, name: str, *arrays: NDArray) -> None:
        arena = np.full(max(self.firmware.arena, self.firmware.explain_arena or 0) // 8 + 9, -1, np.int64)
        getattr(self.library, name)(*(ctypes.c_void_p(array.ctypes.data) for array in (arena, *arrays)))
        assert np.all(arena[-8:] == -1), "the arena is too small"


@needs_shared
@pytest.mark.parametrize(
    ("model", "composite", "target"),
    [
        ("models/ad_float", "edge", "error"),
        ("models/kws_float", "edge", "predicted"),
        ("models/kws_float", "gamma", "predicted"),
        ("models/ic_float", "epsilon_plus", "predicted"),
        ("cases/models/tcn_float", "edge", "predicted"),
    ],
)
def test_models_predict_and_explain(model: str, composite: str, target: str, tmp_path: Path) -> None:
    graph = in_float(load(SHARED / f"{model}.tflite"))
    ours = Compiled(graph, tmp_path, Explaining(composite, target))
    theirs = edgexai.Explainer(serialize(edgexai.attach(graph, composite, target)))
    random = np.random.default_rng(0)
    for _ in range(3):
        x = random.normal(0, 1, theirs.input.shape).astype(np.float32)
        found = theirs(x)
        right = found.outputs[0]
        again, y, relevance = (np.zeros(a.shape, np.float32) for a in (right, right, found.relevance))
        where, score = np.zeros(1, np.int32), np.zeros(1, np.float32)
        ours.call("model_predict", x, again)
        ours.call("model_explain", x, y, relevance, where, score)
        for answer in (y, again):
            np.testing.assert_allclose(answer, right, rtol=1e-5, atol=1e-5 * max(1, np.abs(right).max()))
        assert where[0] == found.target
        assert score[0] == pytest.approx(found.score, rel=1e-4)
        assert np.corrcoef(relevance.ravel(), found.relevance.ravel())[0, 1] >= 0.9999


def test_operators_agree_with_litert(tmp_path: Path) -> None:
    graph = mixed()
    ours, theirs = Compiled(graph, tmp_path), Interpreter(serialize(graph))
    random = np.random.default_rng(4)
    for size in (0.1, 1.0, 4.0):
        x = random.normal(0, size, (1, 6, 8, 4)).astype(np.float32)
        y = np.zeros((1, 200), np.float32)
        ours.call("model_predict", x, y)
        np.testing.assert_allclose(y, theirs.run(x)[0], rtol=2e-5, atol=1e-6)


def test_what_has_no_float_kernel_is_refused_by_number_and_name(tmp_path: Path) -> None:
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 4))
    graph = build.finish([build.op(OpKind.COS, [x], (1, 4))])
    with pytest.raises(UnsupportedOperator, match=r"COS \(operator 0"):
        write(graph, tmp_path, floats=True)


def test_the_table_of_operators_is_that_of_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "firmware.md"
    assert "\n".join(rows()) in page.read_text("utf-8")
