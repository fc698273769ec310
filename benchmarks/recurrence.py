"""Does relevance find a planted bump in networks that remember, and alike in int8 and float?

A GRU and an LSTM (16 units, 40 steps of noise) learn which of three channels has a bump of four steps; in int8 the
converter unrolls them. Prints the share of positive relevance within a step of the bump and the maps' correlation.

examples:
  python -m benchmarks recurrence
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgexai.cli.table import show
from edgexai.compress.measure.explained import explained
from edgexai.graph import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--composite", nargs="+", default=["edge", "epsilon"], help="which (edge, epsilon)")
    parser.add_argument("--epochs", type=int, default=45, help="of training (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    from converters.keras import from_keras

    rows = []
    for name, model, data in trained(args.epochs):
        right = model.evaluate(data.x[500:], data.y[500:], verbose=0)[1]
        graphs = [load(from_keras(model)), load(from_keras(model, data.x[:200], int8=True))]
        for composite in args.composite:
            maps = [explained(g, data.x[TRIED], composite).maps.reshape(60, 40, -1).sum(-1) for g in graphs]
            row = {"network": name, "right": right, "composite": composite, "correlation": alike(*maps)}
            rows.append(row | {k: at_the_bump(m, data.at[TRIED]) for k, m in zip(("float", "int8"), maps, strict=True)})
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    names = [f"{r['network']} ({r['right']:.0%} right), {r['composite']}" for r in rows]
    figures = [[f"{r['float']:.2f}", f"{r['int8']:.2f}", f"{r['correlation']:.4f}"] for r in rows]
    head = ["network, composite", "at the bump, float", "int8", "correlation"]
    show(head, [[n, *f] for n, f in zip(names, figures, strict=True)])
    return 0


@dataclass(frozen=True)
class Bumps:
    """Series x (600, 40, 3), the channel y of their bumps and the step at which these begin."""

    x: Any
    y: Any
    at: Any


TRIED = slice(540, 600)
"""What is explained; the first 500 are learnt from."""


def trained(epochs: int) -> Iterator[tuple[str, Any, Bumps]]:
    """Names, trained networks and their data."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(0, 0.3, (600, 40, 3)).astype(np.float32)
    y, at = random.integers(0, 3, 600), random.integers(2, 35, 600)
    for i in range(600):
        x[i, at[i] : at[i] + 4, y[i]] += 2
    first = layers.Conv1D(8, 3, activation="relu", padding="same")
    networks: dict[str, list[Any]] = {"GRU": [first, layers.GRU(16), layers.Dropout(0.2)], "LSTM": [layers.LSTM(16)]}
    for name, body in networks.items():
        model = keras.Sequential([keras.Input((40, 3)), *body, layers.Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x[:500], y[:500], epochs=epochs, verbose=0)
        yield name, model, Bumps(x, y, at)


def at_the_bump(maps: Any, at: Any) -> float:
    """The share of positive relevance within a step of the bump, median over maps (N, steps)."""
    return float(np.median([_share(m, a) for m, a in zip(maps, at, strict=True)]))


def alike(maps: Any, others: Any) -> float:
    """The median correlation of maps (N, steps)."""
    return float(np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(maps, others, strict=True)]))


def _share(heatmap: Any, at: int) -> float:
    positive = np.maximum(heatmap, 0)
    return float(positive[at - 1 : at + 5].sum() / max(positive.sum(), 1e-30))
