"""Generated C explains in integers as the explainer file does in float on the same integer kernels."""

from pathlib import Path

import numpy as np
import pytest
from explaining import Both
from native import needs
from numpy.typing import NDArray
from shared import SHARED, needs_shared

from converters.c99 import Explaining

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
    assert np.median([pair.size for pair in pairs]) == pytest.approx(1, abs=0.005)
