"""SVDF keeps features of the steps before, as TensorFlow Lite Micro does; the rest of what it says is this step's."""

from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import needs
from networks_int8 import Net
from product_networks import svdf
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import Explaining, write
from edgexai.graph import Graph, load, serialize
from edgexai.runtime.micro import MicroInterpreter

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
KEYWORD = SHARED / "cases" / "models" / "keyword_svdf_int8.tflite"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def network(net: Net, rank: int, fused: int, wide: bool) -> Graph:
    x = net.map((1, int(net.random.integers(3, 30))), 0.05)
    y = svdf(net, x, int(net.random.integers(2, 9)), rank, int(net.random.integers(1, 6)), fused, wide)
    y = svdf(net, y, 6, 1, 4, 1, wide)
    return net.finish(x, layers.dense(net, y, 4, 0))


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), rank=st.integers(1, 3), fused=st.sampled_from([0, 1]), wide=st.booleans())
def test_a_stream_is_predicted_and_explained(
    seed: int, rank: int, fused: int, wide: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    graph = network(Net(np.random.default_rng(seed)), rank, fused, wide)
    micro, folder = MicroInterpreter(serialize(graph)), tmp_path_factory.mktemp("svdf")
    write(graph, folder, "model", explains=Explaining("epsilon"))
    ours = edgexai.Explainer(folder, runtime="c99")
    theirs = edgexai.Explainer(serialize(edgexai.attach(graph, "epsilon")), runtime="micro")
    random = np.random.default_rng(seed)
    maps, states = [], []
    for _ in range(12):
        x = random.integers(-128, 128, micro.inputs[0].shape).astype(np.int8)
        one, two = ours(x), theirs(x)
        assert np.array_equal(one.outputs[0], micro.run(x)[0])
        assert np.array_equal(one.outputs[0], two.outputs[0])
        maps.append((one.relevance.ravel(), two.relevance.ravel()))
        states.append((one.state, two.state))
    a, b = (np.concatenate(m) for m in zip(*maps, strict=True))
    assert np.corrcoef(a, b)[0, 1] >= 0.999
    np.testing.assert_allclose(*np.transpose(states), atol=0.01 * np.abs(states).max())


@needs_shared
def test_a_public_keyword_spotter_that_ends_in_int16(tmp_path: Path) -> None:
    graph = load(KEYWORD)
    write(graph, tmp_path / "c", "keyword", explains=Explaining("edge"))
    micro, ours = MicroInterpreter(KEYWORD), edgexai.Explainer(tmp_path / "c", runtime="c99")
    theirs = edgexai.Explainer(serialize(edgexai.attach(graph, "edge")), runtime="micro")
    random = np.random.default_rng(0)
    maps, states = [], []
    for _ in range(60):
        x = random.normal(3000, 4000, micro.inputs[0].shape).clip(0, 20000).astype(np.int16)
        one, two = ours(x), theirs(x)
        assert np.array_equal(one.outputs[0], micro.run(x)[0])
        maps.append((one.relevance.ravel(), two.relevance.ravel()))
        states.append((one.state, two.state))
    a, b = (np.concatenate(m) for m in zip(*maps, strict=True))
    assert np.corrcoef(a, b)[0, 1] >= 0.999
    np.testing.assert_allclose(*np.transpose(states), atol=0.01 * np.abs(states).max())
