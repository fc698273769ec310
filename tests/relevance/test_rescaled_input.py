"""A model that rescales its input itself has the map of one whose input was rescaled in front of it."""

from functools import cache
from typing import Any

import numpy as np
import pytest

import edgexai
from edgexai.graph import serialize

tf = pytest.importorskip("tensorflow", reason="TensorFlow makes the networks")
L = tf.keras.layers
FIRST = {
    "rescaling": (lambda: L.Rescaling(1 / 127.5, offset=-1.0), lambda x: x / 127.5 - 1),
    "normalization": (
        lambda: L.Normalization(mean=[127.0, 90.0, 100.0], variance=[2500.0, 900.0, 400.0]),
        lambda x: (x - [127.0, 90.0, 100.0]) / [50.0, 30.0, 20.0],
    ),
}


@cache
def models(first: str) -> tuple[bytes, bytes]:
    """A network behind its rescaling, and alone; windows that are padded keep the converter from folding the sum."""
    tf.keras.utils.set_random_seed(3)
    body = tf.keras.Sequential(
        [
            L.Conv2D(8, 3, padding="same", activation="relu"),
            L.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            L.GlobalAveragePooling2D(),
            L.Dense(4),
        ]
    )
    inside, alone = L.Input((12, 12, 3)), L.Input((12, 12, 3))
    nets = tf.keras.Model(inside, body(FIRST[first][0]()(inside))), tf.keras.Model(alone, body(alone))
    return tuple(tf.lite.TFLiteConverter.from_keras_model(net).convert() for net in nets)


@pytest.mark.parametrize("composite", ["edge", "epsilon", "epsilon_plus", "gamma"])
@pytest.mark.parametrize("first", list(FIRST))
def test_a_map_does_not_depend_on_where_the_input_is_rescaled(first: str, composite: str) -> None:
    inside, alone = (_explainer(model, composite) for model in models(first))
    random = np.random.default_rng(0)
    grey = np.full((1, 12, 12, 3), 127.0)  # where the sum that is rescaled is zero, or nearly
    for x in (grey, random.integers(0, 256, (1, 12, 12, 3)), random.integers(125, 130, (1, 12, 12, 3))):
        one, two = inside(x.astype(np.float32)), alone(FIRST[first][1](x).astype(np.float32))
        assert one.score == pytest.approx(two.score, rel=1e-4)
        np.testing.assert_allclose(one.relevance, two.relevance, rtol=1e-3, atol=2e-4 * np.abs(two.relevance).max())


def _explainer(model: bytes, composite: str) -> Any:
    graph = edgexai.load(model)
    return edgexai.Explainer(serialize(edgexai.attach(graph, composite)))
