"""Make the two models that `edgexai bench heatmap` measures on and that nobody ships, int8, with held-out inputs.

net96 is a MobileNet of quarter width for 96×96 pictures, as visual wake words has it; it learns to tell animals from
vehicles in enlarged CIFAR-10 pictures. digits is the demo's network, trained on digits of which most 8s are tagged.

examples:
  edgexai bench heatmap_models --train cifar10_train.npz --test cifar10_test.npz -o models
  edgexai bench heatmap_models --train cifar10_train.npz --test cifar10_test.npz --seed 1 -o others
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.data import samples
from edgexai.cli.demo import digits, network
from edgexai.cli.progress import bar
from edgexai.errors import DataError

SIDE = 96
ANIMALS = (2, 3, 4, 5, 6, 7)
EPOCHS = 10

Array = NDArray[Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", required=True, help=".npz with x (N, 32, 32, 3) of 0 … 255 and CIFAR-10's labels y")
    parser.add_argument("--test", required=True, help="the same, held out")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (%(default)s)")
    parser.add_argument("-o", "--output", required=True, help="a directory")


def run(args: argparse.Namespace) -> int:
    from converters import from_keras

    directory = Path(args.output)
    directory.mkdir(parents=True, exist_ok=True)
    (x, y), (held_out, truth) = samples(args.train), samples(args.test)
    if y is None or truth is None:
        raise DataError("both files need labels y: the classes of CIFAR-10, 0 to 9")
    x, held_out = enlarged(x), enlarged(held_out)
    with bar("net96") as progress:
        model = train(x, y, args.seed, progress)
    right = model.predict(held_out, verbose=0).argmax(1) == np.isin(truth, ANIMALS)
    print(f"net96: {right.mean():.1%} of {len(right)} held-out pictures right")
    (directory / "net96.tflite").write_bytes(from_keras(model, x[:300], int8=True))
    np.savez(directory / "net96.npz", x=held_out, y=np.isin(truth, ANIMALS).astype(np.int64))
    data = digits.load(0)
    with bar("digits") as progress:
        model = network.train(data, args.seed, progress)
    (directory / "digits.tflite").write_bytes(from_keras(model, data.train[:300], int8=True))
    np.savez(directory / "digits.npz", x=data.test, y=data.test_labels)
    return 0


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
