"""The right value of every reported case of relevance, by an independent float64 reference where it knows operators.

`cases/reference.py` of the shared folder is the judge: it computes every operator's map anew with TensorFlow and shares
no code with the project. Cases of bytes, memory and hints are in `test_bytes`, `test_hostile` and `test_ends`.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared import SHARED, needs_shared

import edgexai
from edgexai.graph import serialize
from edgexai.relevance import Composite, Epsilon, Flat, Line, ZPlus
from edgexai.relevance.composite import CONVOLUTIONS
from edgexai.runtime.interpreter import Interpreter

pytestmark = needs_shared
CASES = SHARED / "cases"
SMALL = (
    *("anomaly_detection", "audio_classifier_waveform", "keyword_spotting_small_maps", "mobilenet_v1_025_uint8"),
    *("tcn_float", "mnist_lstm_int8", "speech_lstm_int8", "three_inputs", "wake_word_streaming", "movenet_ptq"),
)
"""Of the public models those that explain in well under a second."""
REFUSED = {  # what the reference has no map of, or says otherwise, and why
    "audio_classifier_waveform": "GATHER's gradient",
    "mnist_lstm_int8": "fused LSTMs",
    "speech_lstm_int8": "fused LSTMs",
    "three_inputs": "one input alone",
    "wake_word_streaming": "variables",
    "movenet_ptq": "indices that are computed",
}


@pytest.fixture(scope="module")
def judge() -> Any:
    if not (CASES / "reference.py").exists():
        pytest.skip("the float64 reference of the shared folder is missing")
    pytest.importorskip("tensorflow")
    sys.path.insert(0, str(CASES))
    try:
        return import_module("reference")
    finally:
        sys.path.remove(str(CASES))


def sample(file: bytes, seed: int = 0) -> list[Any]:
    random, found = np.random.default_rng(seed), []
    for port in Interpreter(file).inputs:
        if port.dtype == np.float32:
            found.append(random.normal(size=port.shape).astype(np.float32))
        else:
            limits = np.iinfo(port.dtype)
            found.append(random.integers(limits.min, limits.max + 1, port.shape).astype(port.dtype))
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_public_model_is_explained_as_the_reference_does(name: str, judge: Any) -> None:
    path = CASES / "models" / f"{name}.tflite"
    file = path.read_bytes()
    explain = serialize(edgexai.attach(edgexai.load(path), "epsilon", channels="keep"))
    x = sample(file)
    found = edgexai.Explainer(explain)(x[0] if len(x) == 1 else tuple(x))
    for ours, theirs in zip(found.outputs, Interpreter(file).run(*x), strict=True):
        assert np.array_equal(ours, theirs)
    assert np.isfinite(found.relevance).all()
    if name in REFUSED:
        return
    plain = edgexai.Explainer(explain)
    plain._interpreter = Interpreter(explain, 1, plain=True)  # the reference's values are those of plain kernels
    relevance = plain(*x)
    right, _, _, _, _ = judge.relevance(str(path), x[0], "epsilon", target=relevance.target)
    assert np.abs(right.ravel() - relevance.relevance.ravel()).max() < 1e-3 * np.abs(right).max()


Net = Callable[[Any, Any], Any]
random = np.random.default_rng(3)


def weights(*shape: int) -> Any:
    return (random.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32)


A, B, C, D = weights(3, 3, 3, 8), weights(3, 3, 8, 8), weights(1, 1, 8, 2), weights(8, 4)
BIAS = (random.normal(size=8) * 0.3).astype(np.float32)


def head(tf: Any, h: Any) -> Any:
    return tf.matmul(tf.reduce_mean(h, (1, 2)), D)


def scaled_behind(tf: Any, x: Any) -> Any:
    """Convolution, MUL, ADD and activation are one layer."""
    h = tf.nn.relu(tf.nn.conv2d(x, A, 1, "SAME") * np.float32(1.7) + BIAS)
    return head(tf, tf.nn.relu(tf.nn.conv2d(tf.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]]), B, 1, "VALID") + BIAS))


def larger_than_its_map(tf: Any, x: Any) -> Any:
    h = tf.nn.relu(tf.nn.conv2d(x, A, 4, "SAME") + BIAS)
    return head(tf, tf.nn.relu(tf.nn.conv2d(h, weights(5, 5, 8, 8), 1, "SAME") + BIAS))


def softmax_behind_a_reshape(tf: Any, x: Any) -> Any:
    return tf.nn.softmax(tf.reshape(tf.nn.conv2d(x, A, 2, "SAME"), (1, -1, 8)))


def shuffled(tf: Any, x: Any) -> Any:
    h = tf.nn.relu(tf.nn.conv2d(x, A, 2, "SAME") + BIAS)
    h = tf.reshape(tf.transpose(tf.reshape(h, (1, 4, 4, 2, 4)), (0, 1, 2, 4, 3)), (1, 4, 4, 8))
    return head(tf, tf.nn.relu(tf.nn.conv2d(h, B, 1, "SAME") + BIAS))


def mirrored(tf: Any, x: Any) -> Any:
    h = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT")
    return head(tf, tf.nn.relu(tf.nn.conv2d(tf.reverse(h, [1])[:, ::2], A, 1, "SAME") + BIAS))


def squeezed_and_excited(tf: Any, x: Any) -> Any:
    h = tf.nn.relu(tf.nn.conv2d(x, A, 1, "SAME") + BIAS)
    return head(tf, tf.nn.conv2d(h * tf.sigmoid(tf.reduce_mean(h, (1, 2), keepdims=True)), B, 1, "SAME"))


NETWORKS: dict[str, Net] = {
    f.__name__: f
    for f in (
        *(scaled_behind, larger_than_its_map, softmax_behind_a_reshape, shuffled, mirrored),
        squeezed_and_excited,
    )
}


def converted(function: Callable[..., Any], shape: tuple[int, ...], path: Path) -> Path:
    tf = import_module("tensorflow")
    spec = tf.TensorSpec(shape, tf.float32)
    concrete = tf.function(function, autograph=False).get_concrete_function(spec)
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    return path


AS_IT_WAS = Composite(
    "edge",
    (
        Line(Flat(), CONVOLUTIONS, first=True, window=0.02),
        Line(ZPlus(stabilizer=1.0), CONVOLUTIONS),
        Line(Epsilon()),
    ),
)
"""The reference's `edge` is that of the day it was written: z+ with the bias, and a stabilizer of 1."""


@pytest.mark.parametrize("composite", ["epsilon", AS_IT_WAS], ids=["epsilon", "z+"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_case_has_the_references_map(name: str, composite: str | Composite, judge: Any, tmp_path: Path) -> None:
    tf = import_module("tensorflow")
    path = converted(lambda x: NETWORKS[name](tf, x), (1, 8, 8, 3), tmp_path / "case.tflite")
    (x,) = sample(path.read_bytes())
    found = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(path), composite, channels="keep")))(x)
    known = composite if isinstance(composite, str) else composite.name
    right, score, _, _, _ = judge.relevance(str(path), x, known)
    assert found.score == pytest.approx(score, rel=1e-4)
    assert np.abs(right.ravel() - found.relevance.ravel()).max() < 1e-3 * np.abs(right).max()


@pytest.mark.parametrize("shape", [(1600,), (16, 20, 3), (2, 16, 20, 3)])
def test_an_input_without_a_batch_of_one_has_a_whole_map(shape: tuple[int, ...], judge: Any, tmp_path: Path) -> None:
    tf = import_module("tensorflow")
    wave = weights(16, 1, 8)

    def net(x: Any) -> Any:
        if len(shape) == 1:
            return tf.matmul(tf.reduce_mean(tf.nn.relu(tf.nn.conv1d(tf.reshape(x, (1, -1, 1)), wave, 4, "SAME")), 1), D)
        x = x if len(shape) == 4 else x[None]
        return tf.matmul(tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, A, 1, "SAME")), (1, 2)), D)

    path = converted(net, shape, tmp_path / "case.tflite")
    (x,) = sample(path.read_bytes())
    found = edgexai.Explainer(serialize(edgexai.attach(edgexai.load(path), "epsilon", channels="keep")))(x)
    right, *_ = judge.relevance(str(path), x, "epsilon", target=found.target)
    assert found.relevance.shape == shape
    assert np.abs(right.ravel() - found.relevance.ravel()).max() < 1e-3 * np.abs(right).max()


def test_a_softmax_written_out_is_looked_through(tmp_path: Path) -> None:
    tf = import_module("tensorflow")

    def logits(x: Any) -> Any:
        return tf.nn.conv2d(tf.nn.relu(tf.nn.conv2d(x, A, 1, "VALID")), C, 1, "SAME")

    def written(x: Any) -> Any:
        z = logits(x)
        e = tf.exp(z - tf.reduce_max(z, axis=-1, keepdims=True))
        return e / (tf.reduce_sum(e, axis=-1, keepdims=True) * 1.0000001)

    files = [
        converted(f, (1, 8, 8, 3), tmp_path / f"{n}.tflite")
        for n, f in enumerate((written, lambda x: tf.nn.softmax(logits(x))))
    ]
    (x,) = sample(files[0].read_bytes())
    ours, theirs = (
        edgexai.Explainer(serialize(edgexai.attach(edgexai.load(f), "epsilon", target=5)))(x) for f in files
    )
    assert ours.score == pytest.approx(theirs.score, rel=1e-4)
    assert np.abs(ours.relevance - theirs.relevance).max() < 1e-3 * np.abs(theirs.relevance).max()
