"""Small graphs for tests, and the twin of a runtime: run a graph, get its outputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.graph import Builder, Graph, serialize
from edgexai.runtime.interpreter import Interpreter

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORKS = ("bottleneck", "cnn", "conv1d", "dscnn", "mlp", "resnet")


def golden(name: str) -> tuple[Path, dict[str, NDArray[Any]]]:
    """The model file of a golden network, and its arrays."""
    with np.load(GOLDEN / name / "golden.npz") as arrays:
        return GOLDEN / name / "model.tflite", dict(arrays)


def single(shape: tuple[int, ...], layer: Callable[[Builder, int], int]) -> Graph:
    """A float model of one input and what ``layer`` appends to it."""
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", shape)
    return build.finish([layer(build, x)])


def run(graph: Graph, *xs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Outputs of a graph on the installed runtime."""
    return Interpreter(serialize(graph)).run(*xs)
