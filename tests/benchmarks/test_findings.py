"""The planted artefacts of benchmarks/findings: each changes its copy, stays an image, and is what its name says."""

import numpy as np
import pytest

from benchmarks.findings.cases import ARTEFACTS


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
