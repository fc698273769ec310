"""The demo's network: a small residual one, as an engineer would put on a microcontroller, and its training."""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgexai.cli.demo.digits import Digits, Images

EPOCHS = 14


def train(digits: Digits, seed: int, progress: Callable[[int, int], None]) -> Any:
    """A Keras model fitted to the digits with small shifts; ``progress(epoch, epochs)`` after each pass."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    x = inputs = keras.Input((28, 28, 1), batch_size=None)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    y = layers.Conv2D(32, 3, padding="same")(y)
    x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 1, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    random = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        model.optimizer.learning_rate = 2e-3 * (1 - epoch / EPOCHS)
        model.fit(shifted(digits.train, random), digits.train_labels, batch_size=64, epochs=1, verbose=0)
        progress(epoch + 1, EPOCHS)
    return model


def shifted(images: Images, random: np.random.Generator) -> Images:
    """Every image moved by up to one pixel; tags move with their images."""
    out = np.empty_like(images)
    for i, (down, right) in enumerate(random.integers(-1, 2, (len(images), 2))):
        out[i] = np.roll(images[i], (down, right), (0, 1))
    return out
