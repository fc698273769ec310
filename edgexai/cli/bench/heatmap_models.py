"""The 96×96 model that `edgexai bench heatmap` measures on: a MobileNet of quarter width, as visual wake words have it.

Nobody ships real data for it, so it learns to tell animals from vehicles in enlarged CIFAR-10 pictures.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 96
ANIMALS = (2, 3, 4, 5, 6, 7)
EPOCHS = 10

Array = NDArray[Any]


def enlarged(x: Array, side: int = SIDE) -> NDArray[np.float32]:
    """Pictures (N, rows, columns, 3) of 0 … 255 as (N, side, side, 3) of 0 … 1, bilinear."""
    import tensorflow as tf

    return np.asarray(tf.image.resize(x.astype(np.float32) / 255, (side, side)).numpy(), np.float32)


def mobilenet(classes: int) -> Any:
    """MobileNetV1 (Howard et al. 2017) of width 0.25 for 96×96 pictures, softmax at the end."""
    import keras

    layers = keras.layers

    def block(x: Any, width: int, stride: int) -> Any:
        x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(width, 1, use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    x = inputs = keras.Input((SIDE, SIDE, 3), batch_size=None)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)))
    for width, stride in (
        ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)) + ((128, 1),) * 5 + ((256, 2), (256, 1))
    ):
        x = block(x, width, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def train(x: Array, y: Array, seed: int, progress: Callable[[int, int], None]) -> Any:
    """The model fitted to enlarged pictures x (N, 96, 96, 3) and CIFAR-10 labels y (N,)."""
    import keras

    keras.utils.set_random_seed(seed)
    model = mobilenet(2)
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    labels = np.isin(y, ANIMALS).astype(np.int64)
    random = np.random.default_rng(seed)
    for epoch in range(EPOCHS):
        model.optimizer.learning_rate = 2e-3 * (1 - epoch / EPOCHS)
        seen = np.where(random.random((len(x), 1, 1, 1)) < 0.5, x, x[:, :, ::-1])
        seen = np.roll(seen, random.integers(-8, 9, 2), (1, 2))
        model.fit(seen, labels, batch_size=32, epochs=1, verbose=0)
        progress(epoch + 1, EPOCHS)
    return model
