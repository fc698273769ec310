"""Does the relevance of an autoencoder's error find what is anomalous?

Two autoencoders of 8×8 digits (one of dense layers, one of convolutions and transposed convolutions) learn digits
without anomalies, in float and int8; then a patch of 2×2 pixels is inverted. Prints, for target ``error``, the share of
positive relevance within a pixel of the patch, that of the squared error itself, and how much the maps in int8 resemble
the float ones.

examples:
  python -m benchmarks autoencoder
"""

import argparse
import json
from typing import Any

import numpy as np

from edgexai.cli.table import show
from edgexai.compress.measure.explained import explained
from edgexai.errors import Error
from edgexai.graph import load

SIDE, PATCH, TESTED = 8, 2, 100


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--composite", nargs="+", default=["edge", "epsilon", "epsilon(0.25)"], help="which")
    parser.add_argument("--epochs", type=int, default=60, help="of training (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    import keras
    from keras import layers
    from sklearn.datasets import load_digits

    from converters.keras import from_keras

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    images = (load_digits().images / 16).astype(np.float32)[random.permutation(1797)]
    x, test = images[:-TESTED], images[-TESTED:].copy()
    corners = random.integers(0, SIDE - PATCH + 1, (TESTED, 2))
    for image, (row, column) in zip(test, corners, strict=True):
        image[row : row + PATCH, column : column + PATCH] = 1 - image[row : row + PATCH, column : column + PATCH]
    networks = {
        "dense": [layers.Dense(32, "relu"), layers.Dense(12, "relu"), layers.Dense(32, "relu"), layers.Dense(64)],
        "convolutions": [
            *(layers.Conv2D(n, 3, strides=2, padding="same", activation="relu") for n in (16, 8)),
            *(layers.Conv2DTranspose(n, 3, strides=2, padding="same", activation="relu") for n in (16, 16)),
            layers.Conv2D(1, 3, padding="same"),
        ],
    }
    rows: list[dict[str, Any]] = []
    for name, body in networks.items():
        shape = (64,) if name == "dense" else (SIDE, SIDE, 1)
        model = keras.Sequential([keras.Input(shape), *body])
        model.compile("adam", "mse")
        given, planted = x.reshape(-1, *shape), test.reshape(-1, *shape)
        model.fit(given, given, epochs=args.epochs, verbose=0)
        error = np.square(model.predict(planted, verbose=0) - planted).reshape(-1, SIDE, SIDE)
        rows.append({"network": name, "composite": "the error itself", "float": _found(error, corners)})
        graphs = [load(from_keras(model)), load(from_keras(model, given[:200], int8=True))]
        for composite in args.composite:
            try:
                maps = [explained(g, planted, composite, "error").maps.reshape(-1, SIDE, SIDE) for g in graphs]
            except Error as refused:
                rows.append({"network": name, "composite": composite, "refused": str(refused)})
                continue
            alike = float(np.median([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*maps, strict=True)]))
            shares = dict(zip(("float", "int8"), (_found(m, corners) for m in maps), strict=True))
            rows.append({"network": name, "composite": composite, **shares, "correlation": alike})
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    show(
        ["autoencoder, composite", "at the patch, float", "int8", "correlation"],
        [
            [f"{r['network']}, {r['composite']}", *(_text(r.get(key)) for key in ("float", "int8", "correlation"))]
            for r in rows
        ],
    )
    for row in rows:
        if "refused" in row:
            print(f"{row['network']}, {row['composite']}: {row['refused']}")
    return 0


def _found(maps: Any, corners: Any) -> float:
    """The median share of positive relevance within a pixel of the patch."""
    shares = []
    for one, (row, column) in zip(np.maximum(maps, 0), corners, strict=True):
        there = one[max(0, row - 1) : row + PATCH + 1, max(0, column - 1) : column + PATCH + 1]
        shares.append(there.sum() / max(one.sum(), 1e-30))
    return float(np.median(shares))


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
