"""Keras and SavedModel to .tflite, against what Keras itself computes."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import converters
from converters.tensorflow import tensorflow
from edgexai import graph as ir
from edgexai.cli import main
from edgexai.errors import DataError, ModelError
from edgexai.runtime.interpreter import Interpreter

pytestmark = pytest.mark.skipif(find_spec("tensorflow") is None, reason="the convert extra is not installed")


@pytest.fixture(scope="module")
def network() -> Any:
    tf = tensorflow()
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((12, 12, 2)),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu"),
            layers.MaxPool2D(2),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def samples() -> Any:
    return np.random.default_rng(0).normal(size=(40, 12, 12, 2)).astype(np.float32)


def test_float_file_computes_what_keras_computes(network: Any, samples: Any) -> None:
    node = Interpreter(converters.from_keras(network))
    ours = np.concatenate([node.run(x[None])[0] for x in samples])
    np.testing.assert_allclose(ours, network.predict(samples, verbose=0), atol=1e-5)


def test_int8_file_is_integer_throughout_and_close(network: Any, samples: Any) -> None:
    model = converters.from_keras(network, samples, int8=True)
    graph = ir.load(model)
    maps = {graph.tensors[t].dtype for op in graph.ops for t in (op.inputs[0], op.outputs[0])}
    assert maps == {ir.DType.INT8}
    node = Interpreter(model)
    ours = np.concatenate([(node.run(x[None])[0].astype(np.float32) + 128) / 256 for x in samples])
    assert np.mean(ours.argmax(1) == network.predict(samples, verbose=0).argmax(1)) >= 0.85


def test_batch_is_one_and_no_shape_is_computed(network: Any) -> None:
    graph = ir.load(converters.from_keras(network))
    assert graph.tensors[graph.inputs[0]].shape == (1, 12, 12, 2)
    assert ir.OpKind.SHAPE not in {op.kind for op in graph.ops}


def test_keras_file_and_saved_model_give_the_same_outputs(network: Any, samples: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "n.keras")
    network.export(str(tmp_path / "saved"), verbose=False)
    wanted = Interpreter(converters.from_keras(network)).run(samples[:1])[0]
    for model in (converters.from_keras(tmp_path / "n.keras"), converters.from_saved_model(tmp_path / "saved")):
        np.testing.assert_allclose(Interpreter(model).run(samples[:1])[0], wanted, atol=1e-6)


def test_command_reports_both_accuracies(
    network: Any, samples: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network.save(tmp_path / "n.keras")
    np.savez(tmp_path / "d.npz", x=samples, y=network.predict(samples, verbose=0).argmax(1))
    out = tmp_path / "n.tflite"
    assert (
        main(["convert", str(tmp_path / "n.keras"), "-o", str(out), "--int8", "--data", str(tmp_path / "d.npz")]) == 0
    )
    assert "float 100.00%, int8" in capsys.readouterr().out
    assert ir.load(out).tensors[0].dtype == ir.DType.INT8


def test_int8_without_samples_says_what_to_give(network: Any) -> None:
    with pytest.raises(DataError, match="representative samples"):
        converters.from_keras(network, int8=True)


def test_samples_of_another_shape_are_refused(network: Any) -> None:
    with pytest.raises(DataError, match=r"\(12, 12, 2\)"):
        converters.from_keras(network, np.zeros((3, 10, 10, 2), np.float32), int8=True)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.keras").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be read as a Keras model"):
        converters.from_keras(tmp_path / "x.keras")
    with pytest.raises(ModelError, match="not a SavedModel"):
        converters.from_saved_model(tmp_path)


def test_a_recurrent_model_becomes_integer_by_unrolling() -> None:
    """TensorFlow's quantizer ends the process on a loop, so that its steps are written out."""
    tf = tensorflow()
    tf.keras.utils.set_random_seed(1)
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.Input((6, 4)),
            layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
            layers.GRU(4),
            layers.Dense(3),
        ]
    )
    samples = np.random.default_rng(0).normal(size=(30, 6, 4)).astype(np.float32)
    file = converters.from_keras(model, samples, int8=True)
    assert ir.OpKind.WHILE not in {op.kind for op in ir.load(file).ops}
    node = Interpreter(file)
    port = node.outputs[0]
    ours = np.concatenate([(node.run(x)[0].astype(np.float32) - port.zero_point) * port.scale for x in samples])
    assert np.corrcoef(ours.ravel(), model.predict(samples, verbose=0).ravel())[0, 1] > 0.97


def test_an_operator_that_tflite_lacks_is_named() -> None:
    tf = tensorflow()
    model = tf.keras.Sequential([tf.keras.layers.Input((4, 4, 4, 1)), tf.keras.layers.MaxPool3D(2)])
    with pytest.raises(ModelError, match="TFLite has no operator for MaxPool3D; build the model without"):
        converters.from_keras(model)
