"""Make the models that `python -m benchmarks heatmap` measures on and that nobody ships, int8, with held-out inputs.

net96 is a MobileNet of quarter width for 96×96 pictures, as visual wake words has it; it learns to tell animals from
vehicles in enlarged CIFAR-10 pictures. digits is the demo's network, trained on digits of which most 8s are tagged.
net96_ten is net96 for all ten classes, with skips; it learns the answers of a network for 32×32 pictures (--teacher).

examples:
  python -m benchmarks heatmap.models --train train.npz --test test.npz --teacher ic_int8.tflite -o models
  python -m benchmarks heatmap.models --train train.npz --test test.npz --seed 1 -o others
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap import ten as heatmap_ten
from benchmarks.heatmap.mobilenet import enlarged, mobilenet
from edgexai.cli.demo import digits, network
from edgexai.cli.progress import bar
from edgexai.data import read
from edgexai.errors import DataError
from edgexai.graph import load

ANIMALS = (2, 3, 4, 5, 6, 7)
EPOCHS = 10

Array = NDArray[Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", required=True, help=".npz with x (N, 32, 32, 3) of 0 … 255 and CIFAR-10's labels y")
    parser.add_argument("--test", required=True, help="the same, held out")
    parser.add_argument("--teacher", help=".tflite that takes pictures as --train has them; without it no net96_ten")
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches (%(default)s)")
    parser.add_argument("-o", "--output", required=True, help="a directory")


def run(args: argparse.Namespace) -> int:
    directory = Path(args.output)
    directory.mkdir(parents=True, exist_ok=True)
    train_on, tested = read(args.train), read(args.test)
    y, truth = train_on.y, tested.y
    if y is None or truth is None:
        raise DataError("both files need labels y: the classes of CIFAR-10, 0 to 9")
    x, held_out = enlarged(train_on.x), enlarged(tested.x)
    with bar("net96") as progress:
        model = train(x, y, args.seed, progress)
    keep(directory / "net96", model, x, held_out, np.isin(truth, ANIMALS).astype(np.int64))
    if args.teacher:
        with bar("net96_ten") as progress:
            model = heatmap_ten.train(train_on.x, load(args.teacher), args.seed, progress)
        keep(directory / "net96_ten", model, x, held_out, truth)
    data = digits.load(0)
    with bar("digits") as progress:
        model = network.train(data, args.seed, progress)
    keep(directory / "digits", model, data.train, data.test, data.test_labels)
    return 0


def keep(path: Path, model: Any, seen: Array, x: Array, y: Array) -> None:
    """Write the model as int8, calibrated on ``seen``, and held-out x and y beside it; say how many it gets right."""
    from converters import from_keras

    right = model.predict(x, verbose=0).argmax(1) == y
    print(f"{path.name}: {right.mean():.1%} of {len(right)} held-out samples right")
    path.with_suffix(".tflite").write_bytes(from_keras(model, seen[:300], int8=True))
    np.savez(path.with_suffix(".npz"), x=x, y=y)


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
