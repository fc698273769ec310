"""Generated C explains as the explainer file does on the same integer kernels."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from native import STRICT, kernels, needs
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import write
from edgexai.graph import load, serialize

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


@needs_shared
@pytest.mark.parametrize("model", ["kws", "ic"])
def test_maps_of_epsilon_are_those_of_the_explainer(model: str, tmp_path: Path) -> None:
    path = SHARED / "models" / f"{model}_int8.tflite"
    explainer = edgexai.Explainer(serialize(edgexai.attach(load(path), "epsilon")), runtime="micro")
    write(path, tmp_path, explains=True)
    options = ["-O1", "-shared", "-fPIC", *STRICT, f"-I{tmp_path}", f"-I{tmp_path / 'src'}"]
    objects = kernels("gcc", ("-fsanitize=undefined",))
    command = ["gcc", *options, "-fsanitize=undefined", str(tmp_path / "model.c"), *objects]
    subprocess.run([*command, "-o", str(tmp_path / "m.so")], check=True)
    explain = ctypes.CDLL(str(tmp_path / "m.so")).model_explain
    if model == "kws":
        xs = np.load(SHARED / "data" / "kws01.npz")["x"][::35]
    else:
        xs = np.load(SHARED / "data" / "cifar10_test.npz")["x"][:12].astype(np.int16) - 128
    for x in xs.astype(np.int8).reshape(len(xs), *explainer.input.shape):
        theirs = explainer(x)
        arena, y = np.full(1 << 17, 0x5A5A5A5A, np.int64), np.empty(theirs.outputs[0].shape, np.int8)
        relevance, target = np.empty(theirs.relevance.shape, np.float32), np.empty(1, np.int32)
        score = np.empty(1, np.float32)
        explain(*(ctypes.c_void_p(v.ctypes.data) for v in (arena, x, y, relevance, target, score)))
        assert np.array_equal(y, theirs.outputs[0])
        assert target[0] == theirs.target
        assert score[0] == pytest.approx(theirs.score, rel=1e-5)
        assert np.corrcoef(relevance.ravel(), theirs.relevance.ravel())[0, 1] > 0.9999
        assert np.abs(relevance - theirs.relevance).max() <= 1e-3 * np.abs(theirs.relevance).max()
