"""Inputs and outputs of other types than int8: bit for bit TensorFlow Lite Micro's answers, and an explainer's maps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from explaining import Both
from native import needs
from networks_int8 import Net
from operator_networks import table
from rewritten_networks import PORTS, drawn, from_the_end, rescaled, tiled

import edgexai
from converters.c99 import Explaining, write
from edgexai.errors import ModelError, UnsupportedOperator
from edgexai.graph import DType, Graph, OpKind, serialize
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
FINER = {"int16": 0.999, "PAD of float32": 0.999}
"""Inputs that are rounded before firmware sees them."""


@pytest.mark.parametrize("name", PORTS)
def test_a_port_of_another_type_is_taken_and_explained(name: str, tmp_path: Path) -> None:
    for composite, seed in (("epsilon", 0), ("edge", 1)):
        random = np.random.default_rng(seed)
        graph = PORTS[name](Net(random))
        (tmp_path / composite).mkdir()
        both = Both(graph, Explaining(composite), tmp_path / composite)
        micro = MicroInterpreter(serialize(graph))
        for _ in range(6):
            x = drawn(graph, random)
            pair = both(x)
            assert np.array_equal(pair.y, micro.run(x)[0])
            assert pair.target == pair.theirs.target
            assert pair.relevance.shape == pair.theirs.relevance.shape
            assert pair.correlation >= FINER.get(name, 0.9999), (composite, pair.correlation)
            assert pair.size == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["uint8, also out", "GATHER", "int16"])
def test_the_shared_library_takes_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(3)
    graph = PORTS[name](Net(random))
    write(graph, tmp_path / "c", explains=Explaining())
    ours = edgexai.Explainer(tmp_path / "c", runtime="c99")
    theirs = edgexai.Explainer(serialize(edgexai.attach(graph)), runtime="micro")
    for _ in range(4):
        x = drawn(graph, random)
        one, two = ours(x), theirs(x)
        assert np.array_equal(one.outputs[0], two.outputs[0])
        assert np.corrcoef(one.relevance.ravel(), two.relevance.ravel())[0, 1] >= 0.9999


def test_numbers_beyond_a_table_read_nothing_beyond_it(tmp_path: Path) -> None:
    graph = PORTS["GATHER"](Net(np.random.default_rng(0)))
    both = Both(graph, Explaining("epsilon"), tmp_path)
    ends = both(np.array([[0, 19, 0, 19, 18, 19]], np.int32))
    beyond = both.answer(np.array([[-20, 20, -(1 << 31), (1 << 31) - 1, -2, -1]], np.int32), ends.theirs)
    assert np.array_equal(beyond.y, ends.y)
    assert np.array_equal(beyond.relevance, ends.relevance)


@pytest.mark.parametrize("made", [from_the_end, tiled])
def test_what_only_litert_runs(made: Callable[[Net], Graph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    random = np.random.default_rng(3)
    graph = made(Net(random))
    tensor = graph.tensors[graph.inputs[0]]
    write(graph, tmp_path / "c", explains=Explaining("epsilon"))
    ours = edgexai.Explainer(tmp_path / "c", runtime="c99")
    theirs = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon")))
    least, most = (-20, 19) if tensor.dtype == DType.INT32 else (-128, 127)
    for _ in range(6):
        x = random.integers(least, most, tensor.shape, endpoint=True).astype("i4" if least == -20 else "i1")
        one, two = ours(x), theirs(x)
        assert np.array_equal(one.outputs[0], two.outputs[0])
        assert np.corrcoef(one.relevance.ravel(), two.relevance.ravel())[0, 1] >= 0.999


def test_the_flat_rule_behind_what_rescales_the_input(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for composite in ("edge_flat", "epsilon_plus_flat"):
        graph = rescaled(Net(random))
        (tmp_path / composite).mkdir()
        both = Both(graph, Explaining(composite), tmp_path / composite)
        for _ in range(4):
            pair = both(random.integers(-128, 128, (1, 9, 8, 3)).astype(np.int8))
            assert np.array_equal(pair.y, pair.theirs.outputs[0])
            assert pair.correlation >= 0.999, composite


def test_the_error_of_an_autoencoder_that_ends_in_a_function(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    net = Net(random)
    x = net.map((1, 6, 5, 2), 1 / 256, -128)
    y = layers.convolution(net, layers.convolution(net, x, 6, (3, 3), (1, 1), 1, 0, 1), 2, (3, 3), (1, 1), 1, 0, 0)
    q = net.tensors[y].quantization
    assert q is not None
    q.scale[0] = 0.05
    both = Both(net.finish(x, table(net, y, OpKind.LOGISTIC)), Explaining("epsilon", "error"), tmp_path)
    for _ in range(4):
        pair = both(random.integers(-128, 128, (1, 6, 5, 2)).astype(np.int8))
        assert np.array_equal(pair.y, pair.theirs.outputs[0])
        assert pair.score == pytest.approx(pair.theirs.score, rel=1e-3)
        assert pair.correlation >= 0.999
        assert pair.size == pytest.approx(1, abs=0.01)


def test_what_is_no_port_is_refused_by_name(tmp_path: Path) -> None:
    graph = PORTS["uint8"](Net(np.random.default_rng(0)))
    layer = next(op for op in graph.ops if op.kind == OpKind.CONV_2D)
    assert graph.tensors[layer.inputs[0]].dtype == DType.INT8
    for dtype, error, says in (
        (DType.UINT8, UnsupportedOperator, r"CONV_2D \(operator 0.*UINT8, not int8"),
        (DType.INT64, ModelError, "INT64; firmware takes int8"),
    ):
        net = Net(np.random.default_rng(0), list(graph.tensors), list(graph.ops[1:]))
        net.tensors[layer.inputs[0]] = replace(net.tensors[layer.inputs[0]], dtype=dtype)
        with pytest.raises(error, match=says):
            write(net.finish(layer.inputs[0], graph.outputs[0]), tmp_path)
