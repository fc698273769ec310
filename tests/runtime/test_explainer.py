"""The explainer as a node runs it: numpy and a TFLite runtime, no flatbuffers, no TensorFlow.

`data/cnn_explain.tflite` and `data/dscnn_explain.tflite` were made by `edgexai attach --channels keep` with
epsilon_plus_flat from the golden models; `tests/test_relevance_node.py` holds that they are up to date.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgexai
from edgexai.errors import DataError, Error, ModelError
from edgexai.runtime.interpreter import Interpreter
from edgexai.runtime.metadata import metadata

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
NETWORKS = ("cnn", "dscnn")


@pytest.mark.parametrize("network", NETWORKS)
def test_relevance_and_prediction_on_this_runtime(network: str) -> None:
    explainer = edgexai.Explainer(HERE / "data" / f"{network}_explain.tflite")
    source = Interpreter(GOLDEN / network / "model.tflite")
    with np.load(GOLDEN / network / "golden.npz") as known:
        for x, target, theirs in zip(known["x"], known["target"], known["R_epsilon_plus_flat"], strict=True):
            e = explainer(x)
            assert e.target == target
            assert np.array_equal(e.outputs[0], source.run(x)[0])
            assert np.abs(e.relevance - theirs).max() <= 1e-4 * np.abs(theirs).max()
            assert e.conservation == pytest.approx(theirs.sum() / e.score, rel=1e-3)


def test_metadata_says_what_the_file_is() -> None:
    about = edgexai.Explainer(HERE / "data" / "cnn_explain.tflite").metadata
    assert (about.composite, about.target, about.grid, about.channels) == (
        "epsilon_plus_flat",
        "predicted",
        None,
        "keep",
    )
    assert len(about.source) == 64


def test_a_model_without_relevance_is_refused() -> None:
    with pytest.raises(ModelError, match=r"explains nothing.*run `edgexai attach "):
        edgexai.Explainer(GOLDEN / "cnn" / "model.tflite")


def test_axes_of_length_one_do_not_matter() -> None:
    explainer = edgexai.Explainer(HERE / "data" / "dscnn_explain.tflite")
    x = np.random.default_rng(0).normal(size=explainer.input.shape).astype(np.float32)
    for same in (x[0], x[..., None]):
        assert np.array_equal(explainer(same).relevance, explainer(x).relevance)


def test_samples_that_do_not_fit_are_refused() -> None:
    explainer = edgexai.Explainer(HERE / "data" / "cnn_explain.tflite")
    with pytest.raises(DataError, match="takes shape"):
        explainer(np.zeros((3, 3), np.float32))
    with pytest.raises(DataError, match="takes shape"):
        explainer(np.zeros((0, *explainer.input.shape[1:]), np.float32))
    bad = np.zeros(explainer.input.shape, np.float32)
    bad[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        explainer(bad)


def test_broken_metadata_is_an_error_and_never_a_crash() -> None:
    """Every byte of the file's structure, changed one at a time: an answer or our own error."""
    data = (HERE / "data" / "cnn_explain.tflite").read_bytes()
    random = np.random.default_rng(0)
    for at in random.integers(0, len(data), 3000):
        changed = bytearray(data)
        changed[at] = int(random.integers(0, 256))
        try:
            metadata(bytes(changed), "edgexai")
        except Error:
            continue
    for length in (0, 4, 8, 20, len(data) // 2):
        try:
            metadata(data[:length], "edgexai")
        except Error:
            continue


def test_tensorflow_is_never_imported() -> None:
    path = HERE / "data" / "cnn_explain.tflite"
    code = f"""
import sys, numpy, edgexai
e = edgexai.Explainer({str(path)!r})
e(numpy.zeros(e.input.shape, numpy.float32))
print([m for m in ("tensorflow", "keras", "edgexai.graph", "edgexai.relevance") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
