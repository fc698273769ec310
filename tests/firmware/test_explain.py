"""Generated C explains in integers as the explainer file does in float on the same integer kernels."""

from pathlib import Path

import networks_int8 as layers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from explained_networks import mobilenet, network
from explaining import Both, samples
from native import needs
from networks_int8 import Net
from operator_networks import flat
from shared import SHARED, needs_shared

from converters.c99 import Explaining, write
from edgexai.errors import ConfigError, UnsupportedOperator
from edgexai.graph import DType, Graph, OpKind

pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
pytestmark = pytest.mark.skipif(needs("gcc") is not None, reason=str(needs("gcc")))


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


def test_a_mobilenet_for_person_detection_is_explained(tmp_path: Path) -> None:
    graph = mobilenet()
    both = Both(graph, Explaining("edge"), tmp_path)
    pairs = [both(x) for x in np.random.default_rng(2).integers(-128, 128, (4, 96, 96, 3)).astype(np.int8)]
    assert all(np.array_equal(p.y, p.theirs.outputs[0]) for p in pairs)
    assert min(p.correlation for p in pairs) >= 0.999


@pytest.mark.parametrize(
    ("asked", "refusal", "why"),
    [
        (Explaining("gamma"), UnsupportedOperator, r"FULLY_CONNECTED \(operator \d+.*Gamma has no integer form; use"),
        (Explaining("epsilon(0.25)"), UnsupportedOperator, "stabilizer of 0.25 is no small part"),
        (Explaining("edge", "error"), ConfigError, "returns as many values as it takes"),
        (Explaining("edge", "second"), ConfigError, "not known to firmware"),
        (Explaining("edge", "error", (3, 3)), ConfigError, "leave grid out"),
    ],
    ids=str,
)
def test_what_has_no_integer_form_is_refused(
    asked: Explaining, refusal: type[Exception], why: str, tmp_path: Path
) -> None:
    with pytest.raises(refusal, match=why):
        write(network(1), tmp_path, explains=asked)
    assert not any(tmp_path.iterdir())


def test_a_logit_of_one_step_below_zero_is_explained(tmp_path: Path) -> None:
    """-1 has no size as a mantissa, and as what relevance starts from it is all that there is."""
    net = Net(np.random.default_rng(0))
    x = net.map((1, 6), 0.05, 0)
    w = net.constant(np.full((2, 6), 1, np.int8), DType.INT8, np.array([0.01], np.float32))
    b = net.constant(np.array([-60, -9000], np.int32), DType.INT32, np.array([0.0005], np.float32))
    options = schema.FullyConnectedOptionsT()
    y = net.op(OpKind.FULLY_CONNECTED, [x, w, b], [net.map((1, 2), 0.03, 5)], options, 4)
    whole = tmp_path / "zplus.toml"
    whole.write_text('[[line]]\nrule = "zplus"\n')
    both = Both(net.finish(x, y), Explaining(str(whole)), tmp_path)
    pair = both(np.array([[1, 2, 3, -4, 5, -6]], np.int8))
    assert int(pair.y[0, 0]) - 5 == -1
    assert np.abs(pair.theirs.relevance).max() > 0
    assert np.allclose(pair.relevance, pair.theirs.relevance, rtol=0.01)


def behind(kind: OpKind, fused: int) -> Graph:
    """A layer whose rule is flat under `edge_flat`, as its window is a small part of the map, behind a sum of two."""
    net = Net(np.random.default_rng(0))
    x = net.map((1, 8, 6, 1), 0.04, -128)
    a, b = layers.depthwise(net, x, 1, (3, 3), 1, 1, 0, 0), layers.convolution(net, x, 1, (1, 1), (1, 1), 1, 0, 1)
    y = layers.convolution(net, layers.pair(net, kind, a, b, fused), 8, (1, 1), (1, 1), 1, 0, 3)
    return net.finish(x, layers.dense(net, flat(net, y), 5, 0))


@pytest.mark.parametrize("fused", [0, 1])
def test_a_flat_rule_gives_to_a_difference_that_is_cut_off(fused: int, tmp_path: Path) -> None:
    """What is zero there has summands that are not: maps were sixty times too large."""
    both = Both(behind(OpKind.SUB, fused), Explaining("edge_flat"), tmp_path)
    for x in np.random.default_rng(0).integers(-128, 128, (3, 1, 8, 6, 1)).astype(np.int8):
        pair = both(x)
        assert pair.correlation > 0.9999
        assert pair.size == pytest.approx(1, abs=0.01)


def test_a_flat_rule_behind_a_sum_by_sign_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperator, match=r"ADD \(operator 2, .*cuts off what the flat rule behind it"):
        write(behind(OpKind.ADD, 1), tmp_path, explains=Explaining("edge_flat"))


def test_a_flat_rule_gives_to_the_largest_of_a_window_whatever_its_value(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(4))
    x = net.map((1, 9, 8, 3), 0.05, 100)
    pooled = layers.pool(net, x, OpKind.MAX_POOL_2D, (2, 2), 2, 1, 0)
    y = layers.convolution(net, pooled, 6, (2, 2), (1, 1), 1, 0, 1)
    graph = net.finish(x, layers.dense(net, flat(net, y), 5, 0))
    both = Both(graph, Explaining("epsilon_plus_flat"), tmp_path)
    for values in np.random.default_rng(0).integers(92, 101, (3, 1, 9, 8, 3)).astype(np.int8):
        pair = both(values)
        assert pair.correlation > 0.9999
        assert pair.size == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("composite", ["edge", "epsilon"])
def test_logits_that_a_relu_cuts_off_hand_nothing_on(composite: str, tmp_path: Path) -> None:
    net = Net(np.random.default_rng(5))
    x = net.map((1, 6, 5, 2))
    y = layers.convolution(net, x, 6, (2, 2), (1, 1), 1, 0, 1)
    both = Both(net.finish(x, layers.dense(net, flat(net, y), 9, 1)), Explaining(composite), tmp_path)
    for values in np.random.default_rng(0).integers(-128, 128, (4, 1, 6, 5, 2)).astype(np.int8):
        pair = both(values)
        assert (pair.y == -128).any()
        assert (pair.y > -128).any()
        assert pair.correlation > 0.9999
        assert pair.size == pytest.approx(1, abs=0.01)


def test_sharing_by_sign_is_for_sums_alone(tmp_path: Path) -> None:
    """A composite may name it for a pool, which averages all the same: maps were thirteen times too large."""
    net = Net(np.random.default_rng(2))
    x = net.map((1, 8, 6, 2))
    y = layers.pool(
        net, layers.convolution(net, x, 5, (3, 3), (1, 1), 1, 0, 1), OpKind.AVERAGE_POOL_2D, (3, 3), 2, 0, 0
    )
    graph = net.finish(x, layers.dense(net, flat(net, y), 4, 0))
    named = tmp_path / "named.toml"
    named.write_text('[[line]]\nrule = "norm_plus"\nkinds = ["AVERAGE_POOL_2D"]\n[[line]]\nrule = "epsilon"\n')
    both = Both(graph, Explaining(str(named)), tmp_path)
    pair = both(np.random.default_rng(0).integers(-128, 128, (1, 8, 6, 2)).astype(np.int8))
    assert pair.correlation > 0.9999
    assert pair.size == pytest.approx(1, abs=0.01)
