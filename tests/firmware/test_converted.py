"""What TensorFlow's converter makes of Keras' layers in int8: attention and normalization, a U-net, unit vectors, a GRU
and a residual network of RELU6."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from explaining import Both
from native import needs
from numpy.typing import NDArray

from converters.c99 import Explaining
from edgexai.graph import OpKind, load

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


def transformer():
    layers = tf.keras.layers
    x = given = tf.keras.Input((16, 12), batch_size=1)
    x = layers.Dense(16)(x)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(16, activation="relu")(x))
    return tf.keras.Model(given, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


def unet():
    layers = tf.keras.layers
    given = tf.keras.Input((16, 16, 3), batch_size=1)
    near = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(given)
    far = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(near)
    both = layers.Concatenate()([near, layers.UpSampling2D(2, interpolation="bilinear")(far)])
    return tf.keras.Model(given, layers.Dense(4)(layers.Flatten()(layers.Conv2D(4, 1)(both))))


def recurrent():
    layers = tf.keras.layers
    given = tf.keras.Input((4, 6), batch_size=1)
    return tf.keras.Model(given, layers.Dense(4)(layers.GRU(8, unroll=True)(given)))


def residual():
    """A block that RELU6 ends, a pool behind which it stands, and a gate of channels."""
    layers = tf.keras.layers
    given = tf.keras.Input((12, 12, 3), batch_size=1)
    x = layers.Conv2D(8, 3, padding="same", activation="relu6")(given)
    x = layers.ReLU(6)(x + layers.Conv2D(8, 3, padding="same")(x))
    x = layers.ReLU(6)(layers.MaxPooling2D(2)(layers.Conv2D(8, 1)(x)))
    gate = layers.Conv2D(8, 1, activation="hard_sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.ReLU(6)(layers.AveragePooling2D(2)(layers.Conv2D(8, 1)(x * gate)))
    return tf.keras.Model(given, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def unit_vectors():
    layers = tf.keras.layers
    given = tf.keras.Input((24,), batch_size=1)
    return tf.keras.Model(given, layers.Dense(4)(layers.UnitNormalization()(layers.Dense(16)(given))))


def converted(model) -> bytes:
    """The model in int8, its ports too."""
    random, shape = np.random.default_rng(0), model.inputs[0].shape

    def samples() -> Iterator[list[NDArray[np.float32]]]:
        yield from ([random.normal(size=shape).astype(np.float32)] for _ in range(20))

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (transformer, OpKind.BATCH_MATMUL),
        (unet, OpKind.RESIZE_BILINEAR),
        (unit_vectors, OpKind.RSQRT),
        (recurrent, OpKind.SPLIT),
        (residual, OpKind.AVERAGE_POOL_2D),
    ],
)
def test_a_converted_model_is_predicted_and_explained(make: Callable, kind: OpKind, tmp_path: Path) -> None:
    tf.keras.utils.set_random_seed(0)
    path = tmp_path / "model.tflite"
    path.write_bytes(converted(make()))
    graph = load(path)
    assert any(op.kind == kind for op in graph.ops)
    shape = graph.tensors[graph.inputs[0]].shape
    for composite in ("epsilon", "edge"):
        both = Both(graph, Explaining(composite), tmp_path / composite)
        random = np.random.default_rng(1)
        pairs = [both(random.integers(-128, 128, shape).astype(np.int8)) for _ in range(5)]
        assert all(np.array_equal(p.y, p.theirs.outputs[0]) and p.target == p.theirs.target for p in pairs)
        found = [p.correlation for p in pairs]
        assert np.median(found) >= 0.9995, found
        assert min(found) >= 0.998, found  # a noisy input of a network that learned nothing
