"""How often a model is right, and how often two agree."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.compress.measure.execute import Samples, fed, forward
from edgexai.errors import DataError
from edgexai.graph import Graph


def predictions(graph: Graph, x: Samples) -> NDArray[np.int64]:
    """The index of the largest value of the first output for each sample (N, …), shape (N,)."""
    out = forward(graph, x, graph.outputs[:1])[0]
    return np.asarray(out.reshape(len(out), -1).argmax(axis=1), np.int64)


def accuracy(graph: Graph, x: Samples, y: NDArray[Any]) -> float:
    """Share of samples (N, …) whose prediction is the label (N,), 0 … 1; DataError if they do not pair up."""
    count = len(fed(graph, x)[0])
    if count != len(y):
        raise DataError(f"{count} samples with {len(y)} labels give no accuracy; give one label a sample")
    return float(np.mean(predictions(graph, x) == y))


def agreement(one: Graph, other: Graph, x: Samples) -> float:
    """Share of samples for which two models predict the same class, 0 … 1."""
    return float(np.mean(predictions(one, x) == predictions(other, x)))
