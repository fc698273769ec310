"""Trains two of the networks of docs/edge-composite.md: a MobileNet V1 ×0.25 at 96×96, and one of linear bottlenecks.

Both learn CIFAR-10 from .npz files with x (N, 32, 32, 3) and y (N,): `mobilenet` says animal or vehicle of images that
are three times enlarged, `bottlenecks` (inverted residual blocks, as in MobileNet V2) one of the ten classes. Writes
NAME_int8.tflite, and NAME.npz of the test images in the model's own unit.

examples:
  python -m benchmarks edge_networks cifar10_train.npz cifar10_test.npz -o networks
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ANIMALS = (2, 3, 4, 5, 6, 7)
Array = NDArray[Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("train", help=".npz to learn from")
    parser.add_argument("test", help=".npz that is held out")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of models and samples")
    parser.add_argument("--epochs", type=int, help="instead of 14 (mobilenet) and 25 (bottlenecks)")


def run(args: argparse.Namespace) -> int:
    args.output.mkdir(parents=True, exist_ok=True)
    (x, y), (test, labels) = _read(args.train), _read(args.test)
    large = [np.repeat(np.repeat(v, 3, 1), 3, 2) for v in (x, test)]
    is_animal = [np.isin(v, ANIMALS).astype(int) for v in (y, labels)]
    _fit("mobilenet", mobilenet(), (large[0], is_animal[0]), (large[1], is_animal[1]), args.epochs or 14, args.output)
    _fit("bottlenecks", bottlenecks(), (x, y), (test, labels), args.epochs or 25, args.output)
    return 0


def mobilenet() -> Any:
    """MobileNet V1 ×0.25 for 96×96, as in MLPerf Tiny's visual wake words."""
    from keras import Input, Model, layers

    given = Input((96, 96, 3))
    x = _normed(layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(given))
    widths = (1, 16), (2, 32), (1, 32), (2, 64), (1, 64), (2, 128), *[(1, 128)] * 5, (2, 256), (1, 256)
    for stride, width in widths:
        x = _normed(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x))
        x = _normed(layers.Conv2D(width, 1, use_bias=False)(x))
    return Model(given, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def bottlenecks() -> Any:
    """Inverted residual blocks with linear ends, for 32×32."""
    from keras import Input, Model, layers

    given = Input((32, 32, 3))
    x = _normed(layers.Conv2D(16, 3, padding="same", use_bias=False)(given), 6)
    for stride, width in (1, 16), (2, 24), (1, 24), (2, 32), (1, 32), (1, 32), (2, 64), (1, 64):
        h = _normed(layers.Conv2D(x.shape[-1] * 4, 1, use_bias=False)(x), 6)
        h = _normed(layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(h), 6)
        h = layers.BatchNormalization()(layers.Conv2D(width, 1, use_bias=False)(h))
        x = layers.Add()([x, h]) if stride == 1 and width == x.shape[-1] else h
    x = _normed(layers.Conv2D(128, 1, use_bias=False)(x), 6)
    return Model(given, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _normed(x: Any, most: float | None = None) -> Any:
    from keras import layers

    return layers.ReLU(most)(layers.BatchNormalization()(x))


def _fit(name: str, model: Any, train: tuple[Array, Array], test: tuple[Array, Array], epochs: int, out: Path) -> None:
    import keras
    from keras import layers

    from converters.keras import from_keras

    keras.utils.set_random_seed(1)
    shifted = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomTranslation(0.1, 0.1)])
    given = keras.Input(train[0].shape[1:])
    whole = keras.Model(given, model(shifted(given)))
    rate = keras.optimizers.schedules.CosineDecay(3e-3, len(train[0]) * epochs // 64)
    whole.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    whole.fit(*train, batch_size=64, epochs=epochs, verbose=2)
    print(f"{name}: {whole.evaluate(*test, verbose=0)[1]:.3f} of the test images are right")
    (out / f"{name}_int8.tflite").write_bytes(from_keras(model, train[0][:200], int8=True))
    np.savez(out / f"{name}.npz", x=test[0], y=test[1])


def _read(path: str) -> tuple[Array, Array]:
    with np.load(path) as data:
        return data["x"].astype(np.float32) / 255, data["y"].reshape(-1)
