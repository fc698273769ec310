"""Every operator that firmware predicts is explained as the explainer file does in float on the same kernels."""

import subprocess
from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from explaining import Both
from native import STRICT, needs
from networks_int8 import Net
from operator_networks import PARTS as PLAIN
from operator_networks import flat, mean, network, reshaped
from product_networks import PARTS as PRODUCTS
from rewritten_networks import PARTS as REWRITTEN
from shared import SHARED, needs_shared

import edgexai
from converters.c99 import Explaining, write
from edgexai.graph import OpKind, load, serialize

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))
PARTS = PLAIN | REWRITTEN | PRODUCTS
WAKE = SHARED / "cases" / "models" / "wake_word_streaming.tflite"
ROUNDED = {"TRANSPOSE_CONV, SAME": 0.999, "TRANSPOSE_CONV, VALID": 0.99}
"""Under `edge`: where windows see one input alone, next to nothing may be what a unit's relevance is divided by."""
REAL = {f"{kind} of float32": 0.999 for kind in ("ELU", "EXP", "NEG", "SQRT")}
"""Whose explainer takes values before they are rounded."""
CUT = {"ADD, RELU6": 0.999}
"""Factors of sums of which one is small beside others of its pixel."""
NORMALIZED = {"RSQRT and SQUARED_DIFFERENCE": 0.99}
"""A map less its mean, as above, under every composite."""


@pytest.mark.parametrize("name", PARTS)
def test_an_operator_is_explained(name: str, tmp_path: Path) -> None:
    for composite, seed in (("epsilon", 0), ("edge", 1)):
        graph = network(PARTS[name], seed)
        (tmp_path / composite).mkdir()
        both = Both(graph, Explaining(composite), tmp_path / composite)
        xs = np.random.default_rng(seed).integers(-128, 128, (4, *graph.tensors[graph.inputs[0]].shape)).astype(np.int8)
        pairs = [both(x) for x in xs]
        assert all(np.array_equal(p.y, p.theirs.outputs[0]) and p.target == p.theirs.target for p in pairs)
        assert max(np.abs(p.theirs.relevance).max() for p in pairs) > 0
        least = ((REAL if composite == "epsilon" else ROUNDED | REAL) | NORMALIZED | CUT).get(name, 0.9999)
        assert min(p.correlation for p in pairs) >= least, [p.correlation for p in pairs]
        assert np.median([p.size for p in pairs]) == pytest.approx(1, abs=0.01 if least > 0.99 else 0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_flat_rule_of_a_dense_layer_reaches_every_pixel(channels: int, tmp_path: Path) -> None:
    """Of a map that a RESHAPE made one row only the first pixel was written, and the rest is the caller's memory."""
    net = Net(np.random.default_rng(1))
    x = net.map((1, 6, 5, channels))
    graph = net.finish(x, layers.dense(net, layers.dense(net, flat(net, x), 9, 1), 5, 0))
    both = Both(graph, Explaining("epsilon_plus_flat"), tmp_path)
    pair = both(np.random.default_rng(0).integers(-128, 128, (1, 6, 5, channels)).astype(np.int8))
    assert np.abs(pair.theirs.relevance).max() > 0
    assert np.allclose(pair.relevance, pair.theirs.relevance, rtol=0.01)


@pytest.mark.parametrize("shape", [(1, 3, 2, 12), (1, 6, 12, 1), (1, 1, 1, 72), (1, 2, 12, 3), (1, 24, 1, 3)])
def test_the_flat_rule_of_a_layer_whose_positions_are_no_pixels_of_the_map(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    """A RESHAPE may join several pixels of the map to one position of the first layer, or cut them."""
    net = Net(np.random.default_rng(1))
    x = net.map((1, 6, 4, 3))
    y = layers.convolution(net, reshaped(net, x, shape), 7, (1, 1), (1, 1), 1, 0, 1)
    graph = net.finish(x, layers.dense(net, flat(net, y), 5, 0))
    both = Both(graph, Explaining("epsilon_plus_flat"), tmp_path)
    pair = both(np.random.default_rng(0).integers(-128, 128, (1, 6, 4, 3)).astype(np.int8))
    assert np.abs(pair.theirs.relevance).max() > 0
    assert np.allclose(pair.relevance, pair.theirs.relevance, rtol=0.01)


@pytest.mark.parametrize("size", [3, 5, 9])
def test_a_peak_that_is_the_largest_of_many_windows_gets_the_sum_of_what_they_carry(size: int, tmp_path: Path) -> None:
    """One pixel of 9, 25 and 81 windows, all with the largest factor there is: their sum was beyond 32 bits."""
    net = Net(np.random.default_rng(2))
    x = net.map((1, 11, 11, 1), 0.05, -128)
    inner = layers.convolution(net, x, 3, (1, 1), (1, 1), 1, 0, 1)
    pooled = layers.pool(net, inner, OpKind.MAX_POOL_2D, (size, size), 1, 0, 0)
    graph = net.finish(x, layers.dense(net, flat(net, mean(net, pooled, [1, 2])), 4, 0))
    both = Both(graph, Explaining("epsilon"), tmp_path)
    peak = np.full((1, 11, 11, 1), -128, np.int8)
    peak[0, 5, 5, 0] = 127
    pair = both(peak)
    assert np.abs(pair.theirs.relevance).max() > 0
    assert pair.correlation >= 0.9999
    assert pair.size == pytest.approx(1, abs=0.01)


@needs_shared
@pytest.mark.parametrize("composite", ["edge", "epsilon"])
def test_a_stream_is_explained_and_what_states_got_is_said(
    composite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = write(WAKE, tmp_path / "c", "wake", explains=Explaining(composite))
    assert made.explain_arena is not None
    theirs = edgexai.Explainer(serialize(edgexai.attach(load(WAKE), composite)), runtime="micro")
    ours = edgexai.Explainer(tmp_path / "c", runtime="c99")
    random = np.random.default_rng(0)
    maps, states = [], []
    for _ in range(120):
        x = np.clip(random.normal(-60, 50, (1, 1, 40)), -128, 127).astype(np.int8)
        one, two = ours(x), theirs(x)
        assert np.array_equal(one.outputs[0], two.outputs[0])
        assert one.score == pytest.approx(two.score, rel=1e-5)
        maps.append((one.relevance.sum(), two.relevance.sum()))
        states.append((one.state, two.state))
    assert np.corrcoef(np.transpose(maps))[0, 1] >= 0.9999
    np.testing.assert_allclose(*np.transpose(states), atol=2e-3)
    assert np.abs(states).max() > 5  # most of what such a model says is about the steps before


@needs_shared
def test_sources_that_explain_a_stream_compile_without_a_warning(tmp_path: Path) -> None:
    write(WAKE, tmp_path, "wake", explains=Explaining())
    command = ["gcc", *STRICT, "-O1", f"-I{tmp_path}", f"-I{tmp_path / 'src'}", "-c", str(tmp_path / "wake.c")]
    subprocess.run([*command, "-o", str(tmp_path / "wake.o")], check=True)


@needs_shared
def test_predicting_and_explaining_go_on_with_one_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(WAKE, tmp_path / "c", "wake", explains=Explaining())
    mixed, steady = (edgexai.Explainer(tmp_path / "c", runtime="c99") for _ in range(2))
    random = np.random.default_rng(3)
    for i in range(60):
        x = np.clip(random.normal(-60, 50, (1, 1, 40)), -128, 127).astype(np.int8)
        answer = mixed.predict(x)[0] if i % 3 else mixed(x).outputs[0]
        assert np.array_equal(answer, steady(x).outputs[0])
