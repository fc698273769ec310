"""Generated C explains in integers as the explainer file does in float on the same integer kernels."""

from pathlib import Path

import numpy as np
import pytest
from explained_networks import mobilenet, network
from explaining import Both, samples
from native import needs
from shared import SHARED, needs_shared

from converters.c99 import Explaining, write
from edgexai.errors import ConfigError, UnsupportedOperator

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
