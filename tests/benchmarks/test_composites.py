"""The table of composites: every measure with its interval, and nothing for what is no classifier."""

import argparse
from pathlib import Path

import numpy as np
import pytest
from models import golden

from benchmarks import composites
from benchmarks.results import read


@pytest.fixture
def rows(tmp_path: Path) -> list[dict]:
    parser = argparse.ArgumentParser()
    composites.arguments(parser)
    model, out = golden("cnn")[0], tmp_path / "rows.jsonl"
    assert composites.run(parser.parse_args([str(model), "-n", "3", "-o", str(out)])) == 0
    return read([out])


def test_every_composite_has_every_measure_within_its_interval(rows: list[dict]) -> None:
    assert [row["composite"] for row in rows] == list(composites.COMPOSITES)
    for row in rows:
        for measure in composites.MEASURES:
            mean, low, high = row[measure]
            assert mean is None or low - 1e-3 <= mean <= high + 1e-3
    table = composites.render(rows)
    assert table.count("**") == 2  # the best gain of the one model


def test_samples_of_a_model_are_in_its_type_and_range() -> None:
    random = np.random.default_rng(0)
    whole = composites.smooth((16, 8), 5, random, np.dtype(np.uint8))
    assert whole.dtype == np.uint8
    assert 90 < whole.mean() < 165
    assert abs(composites.smooth((16, 8), 5, random, np.dtype(np.float32)).std() - 1) < 1e-3
