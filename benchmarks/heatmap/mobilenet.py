"""The small network for 96×96 pictures, and small pictures enlarged for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 96

Array = NDArray[Any]


def enlarged(x: Array, side: int = SIDE) -> NDArray[np.float32]:
    """Pictures (N, rows, columns, 3) of 0 … 255 as (N, side, side, 3) of 0 … 1, bilinear."""
    import tensorflow as tf

    return np.asarray(tf.image.resize(x.astype(np.float32) / 255, (side, side)).numpy(), np.float32)


def mobilenet(classes: int, side: int = SIDE, skips: bool = False) -> Any:
    """MobileNetV1 (Howard et al. 2017) of width 0.25, softmax at the end.

    With ``skips`` a block's input is added to its output where both have one shape.
    """
    import keras

    layers = keras.layers

    def block(x: Any, width: int, stride: int) -> Any:
        before = x
        x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Conv2D(width, 1, use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        return layers.Add()([before, x]) if skips and before.shape == x.shape else x

    x = inputs = keras.Input((side, side, 3), batch_size=None)
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)))
    for width, stride in (
        ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)) + ((128, 1),) * 5 + ((256, 2), (256, 1))
    ):
        x = block(x, width, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))
