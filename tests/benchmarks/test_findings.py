"""The planted artefacts of benchmarks/findings: each changes its copy, stays an image, and is what its name says."""

import numpy as np
import pytest

from benchmarks.findings import drift, sick
from benchmarks.findings.cases import ARTEFACTS, band


@pytest.mark.parametrize("name", ARTEFACTS)
@pytest.mark.parametrize("shape", [(16, 16, 1), (32, 32, 3)])
def test_every_artefact_changes_every_image_within_bounds(name: str, shape: tuple[int, ...]) -> None:
    clean = np.random.default_rng(0).uniform(0, 0.5, (6, *shape)).astype(np.float32)
    found = ARTEFACTS[name](clean.copy(), np.random.default_rng(1))
    assert found.shape == clean.shape
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.all(np.abs(found - clean).reshape(6, -1).max(1) > 0.1)


def test_what_moves_moves_and_what_stands_stands() -> None:
    clean = np.zeros((8, 28, 28, 1), np.float32)
    for name, moves in (("corner_tag", False), ("moving_tag", True), ("frame", False), ("texture", True)):
        found = ARTEFACTS[name](clean.copy(), np.random.default_rng(1))
        assert bool(np.any(found != found[:1])) == moves, name


def test_a_tone_adds_the_same_to_every_row_of_cepstra() -> None:
    clean = np.random.default_rng(0).uniform(0.3, 0.6, (3, 49, 10, 1)).astype(np.float32)
    added = band(clean.copy(), np.random.default_rng(1)) - clean
    assert np.allclose(added, added[:1, :1], atol=1e-6)
    assert np.abs(added).max() > 0.1


@pytest.mark.parametrize("name", sick.SICKNESSES)
def test_a_sick_sensor_changes_what_it_sees_and_gives_images(name: str) -> None:
    clean = np.random.default_rng(0).uniform(0, 1, (4, 28, 28, 1)).astype(np.float32)
    before = clean.copy()
    found = sick.SICKNESSES[name](clean, np.random.default_rng(1))
    assert np.array_equal(clean, before)
    assert found.shape == clean.shape
    assert 0 <= found.min() <= found.max() <= 1
    assert np.abs(found - clean).max() > 0.2


def test_f1_counts_alarms_before_the_shift_as_false() -> None:
    def row(shifted: bool, alarm: int | None) -> dict[str, object]:
        return {"shifted": shifted, "begin": 500, "relevance": alarm, "input": None, "score": alarm}

    found = drift.judged([row(True, 600), row(True, 480), row(True, None), row(False, None), row(False, 400)])[0]
    assert (found.found, found.missed, found.false, found.delay) == (1, 1, 2, 100)
    assert found.f1 == pytest.approx(0.4)
