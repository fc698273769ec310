"""Small networks of the families that run on the edge, as the converter writes them, float and int8.

LRP-ε is gradient × input wherever an activation hands relevance on, a gate takes none and a product gives half to each
side: TensorFlow's own gradient of the same network, with those three written by `stop_gradient`, is the reference.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgexai
from edgexai.graph import serialize
from edgexai.runtime.interpreter import Interpreter

tf = pytest.importorskip("tensorflow", reason="TensorFlow makes the networks")
L = tf.keras.layers


class Real:
    """What the networks are made of, as it is deployed."""

    swish = staticmethod(tf.nn.swish)
    hard_swish = staticmethod(lambda x: x * tf.nn.relu6(x + 3) / 6)
    gelu = staticmethod(tf.nn.gelu)
    gate = staticmethod(tf.nn.sigmoid)
    product = staticmethod(tf.matmul)

    @staticmethod
    def norm(x: Any) -> Any:
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-3)


class Linear(Real):
    """The same values, with the gradients that LRP-ε means."""

    @staticmethod
    def _passed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda x: x * tf.stop_gradient(f(x) / x)

    swish = _passed(Real.swish)
    hard_swish = _passed(Real.hard_swish)
    gelu = _passed(Real.gelu)
    gate = staticmethod(lambda x: tf.stop_gradient(tf.nn.sigmoid(x)))

    @staticmethod
    def product(a: Any, b: Any) -> Any:
        return 0.5 * (tf.matmul(a, tf.stop_gradient(b)) + tf.matmul(tf.stop_gradient(a), b))

    @staticmethod
    def norm(x: Any) -> Any:
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        return (x - mean) * tf.stop_gradient(tf.math.rsqrt(variance + 1e-3))


def do(f: Callable[..., Any], *xs: Any) -> Any:
    return L.Lambda(lambda t: f(*t) if len(xs) > 1 else f(t))(list(xs) if len(xs) > 1 else xs[0])


def conv(x: Any, channels: int, size: int = 3, stride: int = 1) -> Any:
    x = L.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
    return L.BatchNormalization()(x)


def inverted_residual(x: Any, f: type[Real]) -> Any:
    """MobileNet V2 and V3: expansion, depthwise, squeeze and excite, a linear bottleneck, a shortcut."""
    x = do(f.hard_swish, conv(x, 8, stride=2))
    y = do(f.hard_swish, conv(x, 24, 1))
    y = L.ReLU()(L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)))
    s = L.Conv2D(24, 1)(L.Conv2D(6, 1, activation="relu")(L.GlobalAveragePooling2D(keepdims=True)(y)))
    y = conv(L.Multiply()([y, do(f.gate, s)]), 8, 1)
    x = L.Add()([x, y])
    return L.Dense(5)(L.GlobalAveragePooling2D()(x))


def residual(x: Any, f: type[Real]) -> Any:
    """ResNet V2: activation first, strided shortcuts, a padded pool."""
    x = L.MaxPool2D(3, 2, padding="same")(L.Conv2D(8, 5, padding="same")(x))
    y = L.ReLU()(L.BatchNormalization()(x))
    x = L.Add()([L.Conv2D(12, 1, strides=2)(y), L.Conv2D(12, 3, padding="same")(L.ReLU()(conv(y, 6, stride=2)))])
    return L.Dense(5)(L.GlobalMaxPooling2D()(L.ReLU()(L.BatchNormalization()(x))))


def dense_block(x: Any, f: type[Real]) -> Any:
    """DenseNet: every layer sees all before it, and groups as in ShuffleNet."""
    x = L.Conv2D(8, 3, padding="same")(x)
    for _ in range(2):
        x = L.Concatenate()([x, L.Conv2D(4, 3, padding="same", groups=2)(L.ReLU()(L.BatchNormalization()(x)))])
    x = L.Reshape((16, 16, 2, 8))(x)
    x = L.Reshape((16, 16, 16))(L.Permute((1, 2, 4, 3))(x))
    x = L.AveragePooling2D(2)(L.Conv2D(6, 1)(x))
    return L.Dense(5)(L.Flatten()(x))


def unet(x: Any, f: type[Real]) -> Any:
    """An output a pixel, by transposed convolution, resizing and skips."""
    a = L.ReLU()(conv(x, 6))
    b = L.ReLU()(conv(L.MaxPool2D()(a), 8))
    c = L.ReLU()(conv(L.MaxPool2D()(b), 10))
    b = L.ReLU()(conv(L.Concatenate()([L.Conv2DTranspose(8, 2, 2)(c), b]), 8))
    a = L.Concatenate()([L.UpSampling2D(interpolation="bilinear")(b), a])
    return L.Conv2D(2, 1)(L.ReLU()(conv(a, 6)))


def sequence(x: Any, f: type[Real]) -> Any:
    """One-dimensional: causal, dilated, separable, depthwise with a multiplier, pooled."""
    x = L.Reshape((64, 12))(x)
    x = L.ReLU()(L.Conv1D(8, 5, strides=2, padding="same")(x))
    x = L.ReLU()(L.BatchNormalization()(L.Conv1D(8, 3, dilation_rate=4, padding="causal")(x)))
    x = L.LeakyReLU(negative_slope=0.1)(L.SeparableConv1D(8, 3, depth_multiplier=2)(x))
    x = L.AveragePooling1D(3, 2)(L.DepthwiseConv1D(3, padding="same")(x))
    return L.Dense(5)(L.GlobalMaxPooling1D()(L.PReLU()(x)))


def conformer(x: Any, f: type[Real]) -> Any:
    """Half a feed-forward, attention, a gated convolution, half a feed-forward, each normalized."""
    x = L.Dense(12)(L.Reshape((16, 48))(x))

    def forward(x: Any) -> Any:
        y = L.Dense(12)(do(f.swish, L.Dense(20)(do(f.norm, x))))
        return L.Add()([x, L.Rescaling(0.5)(y)])

    x = forward(x)
    y = do(f.norm, x)
    q, k, v = (L.Dense(12)(y) for _ in range(3))
    scores = do(lambda q, k: f.product(q / 12**0.5, tf.transpose(k, (0, 2, 1))), q, k)
    x = L.Add()([x, L.Dense(12)(do(f.product, L.Softmax()(scores), v))])
    y = do(f.norm, x)
    y = L.Multiply()([L.Dense(12)(y), do(f.gate, L.Dense(12)(y))])
    y = do(f.swish, L.BatchNormalization()(L.DepthwiseConv1D(5, padding="same")(y)))
    x = forward(L.Add()([x, L.Dense(12)(y)]))
    return L.Dense(5)(L.GlobalAveragePooling1D()(do(f.gelu, x)))


NETWORKS = (inverted_residual, residual, dense_block, unet, sequence, conformer)
SHAPE = (16, 16, 3)
SAMPLES = np.random.default_rng(1).normal(size=(32, *SHAPE)).astype(np.float32)


@cache
def built(network: Callable[[Any, type[Real]], Any]) -> tuple[Any, Any]:
    """The network as deployed and its linear twin, of the same random weights."""
    models = []
    for kind in (Real, Linear):
        x = tf.keras.Input(SHAPE)
        models.append(tf.keras.Model(x, network(x, kind)))
    tf.keras.utils.set_random_seed(0)
    random = np.random.default_rng(2)
    weights = []
    for w in models[0].weights:
        value = random.normal(size=w.shape) / np.sqrt(max(1, np.prod(w.shape[:-1])))
        one = w.path.endswith(("gamma", "variance"))
        weights.append(random.uniform(0.7, 1.3, w.shape) if one else value)
    for model in models:
        model.set_weights(weights)
    return models[0], models[1]


@cache
def converted(network: Callable[[Any, type[Real]], Any], int8: bool) -> bytes:
    from converters import from_keras

    return from_keras(built(network)[0], SAMPLES if int8 else None, int8)


class Asked:
    """An explainer that takes weights over the outputs."""

    def __init__(self, model: bytes, composite: str) -> None:
        graph = edgexai.load(model)
        self.outputs = int(np.prod(graph.tensors[graph.outputs[0]].shape))
        self.inner = edgexai.Explainer(serialize(edgexai.attach(graph, composite, target="input", channels="keep")))

    def run(self, x: NDArray[Any], wanted: NDArray[Any]) -> Any:
        return self.inner(x, wanted)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda f: f.__name__)
def test_epsilon_is_gradient_times_input_of_the_linear_twin(network: Callable[..., Any]) -> None:
    model, twin = converted(network, False), built(network)[1]
    explainer, source = Asked(model, "epsilon(1e-9)"), Interpreter(model)
    at = explainer.outputs // 2
    wanted = (np.arange(explainer.outputs) == at).astype(np.float32)
    for x in SAMPLES[:3]:
        e = explainer.run(x, wanted)
        with tf.GradientTape() as tape:
            given = tf.constant(x[None])
            tape.watch(given)
            score = tf.reshape(twin(given, training=False), (-1,))[at]
        expected = (tape.gradient(score, given) * given)[0].numpy()
        assert np.array_equal(e.outputs[0], source.run(x)[0])
        assert e.score == pytest.approx(float(score), rel=1e-3, abs=1e-4)
        assert np.abs(e.relevance - expected).max() <= 2e-3 * np.abs(expected).max()


@pytest.mark.parametrize("network", NETWORKS, ids=lambda f: f.__name__)
def test_the_integer_network_predicts_as_before_and_explains_alike(network: Callable[..., Any]) -> None:
    integer, source = Asked(converted(network, True), "edge"), Interpreter(converted(network, True))
    original = Asked(converted(network, False), "edge")
    wanted = (np.arange(integer.outputs) == integer.outputs // 2).astype(np.float32)
    correlation = []
    for x in SAMPLES[:12]:
        ours, theirs = integer.run(x, wanted), original.run(x, wanted)
        assert np.array_equal(ours.outputs[0], source.run(x)[0])
        correlation.append(np.corrcoef(ours.relevance.ravel(), theirs.relevance.ravel())[0, 1])
    assert np.median(correlation) >= 0.9
