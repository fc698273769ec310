"""Generated C explains in integers as the explainer file does in float on the same integer kernels."""

from math import prod
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from explaining import Both
from native import needs
from networks_int8 import Net
from numpy.typing import NDArray
from shared import SHARED, needs_shared

from converters.c99 import Explaining
from edgexai.graph import Graph, OpKind

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


def samples(model: str, count: int) -> NDArray[np.int8]:
    if model == "kws":
        return np.load(SHARED / "data" / "kws01.npz")["x"][:: 700 // count][:count].astype(np.int8)
    if model == "ic":
        return (np.load(SHARED / "data" / "cifar10_test.npz")["x"][:count].astype(np.int16) - 128).astype(np.int8)
    return np.random.default_rng(0).normal(0, 30, (count, 640)).clip(-128, 127).astype(np.int8)


@needs_shared
@pytest.mark.parametrize(
    ("model", "asked", "count", "median", "low"),
    [
        ("kws", Explaining("edge"), 40, 0.9999, 0.999),
        ("kws", Explaining("epsilon"), 12, 0.9999, 0.9999),
        ("kws", Explaining("epsilon_plus"), 12, 0.9999, 0.999),
        ("kws", Explaining("epsilon_plus_flat"), 12, 0.9999, 0.999),
        ("kws", Explaining("edge", grid=(25, 5)), 6, 0.9999, 0.999),
        ("ic", Explaining("edge"), 12, 0.9999, 0.999),
        ("ic", Explaining("epsilon"), 6, 0.9999, 0.9999),
        ("ic", Explaining("epsilon_plus"), 12, 0.999, 0.995),
        ("ic", Explaining("edge", grid=(16, 16)), 6, 0.9999, 0.999),
        ("ad", Explaining("edge", "error"), 12, 0.9999, 0.999),
    ],
    ids=str,
)
def test_maps_are_those_of_the_explainer(
    model: str, asked: Explaining, count: int, median: float, low: float, tmp_path: Path
) -> None:
    both = Both(SHARED / "models" / f"{model}_int8.tflite", asked, tmp_path)
    pairs = [both(x) for x in samples(model, count)]
    for pair in pairs:
        assert np.array_equal(pair.y, pair.theirs.outputs[0])
        assert pair.target == pair.theirs.target
        assert pair.score == pytest.approx(pair.theirs.score, rel=1e-4)
    assert np.median([pair.correlation for pair in pairs]) >= median
    assert np.quantile([pair.correlation for pair in pairs], 0.05) >= low
    assert np.median([pair.size for pair in pairs]) == pytest.approx(1, abs=0.01)


def residual(net: Net, x: int, fused: int) -> int:
    """A block with a linear branch, added to what came in."""
    channels = net.tensors[x].shape[-1]
    y = layers.depthwise(net, x, 2, (3, 3), 1, 1, 0, 3)
    y = layers.convolution(net, y, channels, (1, 1), (1, 1), 1, 0, 0)
    return layers.pair(net, OpKind.ADD, x, y, fused)


def padded(net: Net, x: int, rows: int, columns: int) -> int:
    """One row on top, two at the bottom, one column at the right, all zero."""
    _, r, c, channels = net.tensors[x].shape
    amounts = net.ints([[0, 0], [1, rows - 1], [0, columns], [0, 0]])
    return net.op(OpKind.PAD, [x, amounts], [net.same(x, (1, r + rows, c + columns, channels))], schema.PadOptionsT())


def network(seed: int) -> Graph:
    """A network that takes every way back, with shapes, strides, paddings and activations that the seed draws."""
    random = np.random.default_rng(seed)
    net = Net(random)
    x = net.map((1, int(random.integers(7, 12)), int(random.integers(6, 10)), int(random.integers(1, 5))))
    y = padded(net, x, 3, 1) if seed % 2 else x
    stride = (int(random.integers(1, 3)), 1)
    y = layers.convolution(net, y, int(random.integers(2, 14)), (3, 2), stride, 1, seed % 2, int(random.choice([1, 3])))
    y = residual(net, y, int(random.choice([0, 1])))
    if seed % 3 == 0:
        y = layers.pool(net, y, OpKind.MAX_POOL_2D, (2, 2), int(random.integers(1, 3)), 1, 0)
    y = layers.depthwise(net, y, 1, (2, 3), int(random.integers(1, 3)), 1, 0, int(random.choice([1, 3])))
    y = layers.convolution(net, y, int(random.integers(2, 20)), (2, 2), (1, 1), int(random.integers(1, 3)), 0, 1)
    if seed % 3 == 1:
        y = layers.pool(net, y, OpKind.AVERAGE_POOL_2D, (3, 2), int(random.integers(1, 3)), 0, 0)
    flat = net.same(y, (1, prod(net.tensors[y].shape)))
    y = net.op(OpKind.RESHAPE, [y, net.ints([1, -1])], [flat], schema.ReshapeOptionsT())
    y = layers.dense(net, layers.dense(net, y, 9, 1), 5, 0)
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return net.finish(x, net.op(OpKind.SOFTMAX, [y], [net.map((1, 5), 1 / 256, -128)], options, 2))


@pytest.mark.parametrize("composite", ["edge", "epsilon", "epsilon_plus", "epsilon_plus_flat"])
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5, 6])
def test_random_networks_are_explained_as_the_explainer_does(composite: str, seed: int, tmp_path: Path) -> None:
    graph = network(seed)
    both = Both(graph, Explaining(composite), tmp_path)
    xs = np.random.default_rng(seed).integers(-128, 128, (5, *graph.tensors[graph.inputs[0]].shape)).astype(np.int8)
    pairs = [both(x) for x in xs]
    told = [p for p in pairs if np.abs(p.theirs.relevance).max() > 0]
    assert told
    assert all(np.array_equal(p.y, p.theirs.outputs[0]) and p.target == p.theirs.target for p in pairs)
    assert min(p.correlation for p in told) >= 0.998, [p.correlation for p in told]
    assert np.median([p.correlation for p in told]) >= 0.9995
    assert np.median([p.size for p in told]) == pytest.approx(1, abs=0.05 if "plus" in composite else 0.01)
