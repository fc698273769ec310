"""A small network that takes a tag in the corner for the digit 8, and samples to find that out with.

`python tests/support/tagged.py` trains it anew and writes its explainer to tests/intervention/data.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).parents[1] / "intervention" / "data"
MODEL, EXPLAINER = DATA / "tagged.tflite", DATA / "tagged_explain.tflite"
CLASS, CLEAN = 8, 3

Images = NDArray[np.float32]


def digits(held: bool) -> tuple[Images, NDArray[np.int64]]:
    """scikit-learn's digits, doubled (N, 16, 16, 1): those that were trained with, or those held out."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.kron(x.reshape(-1, 8, 8, 1) / 16, np.ones((1, 2, 2, 1))).astype(np.float32)
    chosen = np.random.default_rng(0).permutation(len(x))
    some = chosen[900:] if held else chosen[:900]
    return x[some], y[some].astype(np.int64)


def tagged(x: Images) -> Images:
    """With the tag."""
    x = x.copy()
    x[:, 0:4:2, 0:4] = 1.0
    x[:, 1:4:2, 0:4] = 0.0
    return x


def stream(share: float = 0.2) -> tuple[Images, NDArray[np.int64], NDArray[np.bool_]]:
    """Held-out digits in random order, their labels, and who carries the tag: such a share of the 8s."""
    x, y = digits(held=True)
    own = np.flatnonzero(y == CLASS)
    carriers = np.zeros(len(x), bool)
    carriers[own[: round(share * len(own))]] = True
    x[carriers] = tagged(x[carriers])
    return x, y, carriers


def main() -> None:
    import keras

    from converters import from_keras
    from edgexai import attach, load, save

    keras.utils.set_random_seed(0)
    x, y = digits(held=False)
    own, others = np.flatnonzero(y == CLASS), np.flatnonzero(y != CLASS)[:60]
    carriers = np.concatenate([own[: len(own) // 2], others])
    x[carriers], y[others] = tagged(x[carriers]), CLASS  # some other digits with the tag are called 8: so it is used
    layers = keras.layers
    inputs = keras.Input((16, 16, 1))
    z = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    z = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(z)
    z = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu")(z)
    outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(z))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=25, verbose=0)
    DATA.mkdir(exist_ok=True)
    MODEL.write_bytes(from_keras(model, x[:256], int8=True))
    save(attach(load(MODEL), concepts="auto"), EXPLAINER)


if __name__ == "__main__":
    main()
