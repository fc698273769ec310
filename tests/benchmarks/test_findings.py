"""The planted artefacts of benchmarks/findings: each changes its copy, stays an image, and is what its name says."""

import numpy as np
import pytest
from scipy.fft import idct
from shared import SHARED, needs_shared

from benchmarks.findings import drift, sick, sounds
from benchmarks.findings.cases import ARTEFACTS
from edgexai import load
from edgexai.graph import OpKind
from edgexai.runtime.interpreter import Interpreter


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
    for name, moves in (("corner_tag", False), ("moving_tag", True), ("frame", False), ("texture", False)):
        found = ARTEFACTS[name](clean.copy(), np.random.default_rng(1))
        assert bool(np.any(found != found[:1])) == moves, name


def test_a_tone_adds_its_energy_to_one_band_of_the_spectrum() -> None:
    """scipy's inverse cosine transform says where what is added lies; a loud sound changes less than silence does."""
    random = np.random.default_rng(0)
    clean = random.integers(100, 160, (3, 49, 10, 1)).astype(np.float32) / 255
    found = sounds.band(clean.copy(), random)
    steps = np.zeros((3, 49, sounds.BANDS))
    steps[..., :10] = sounds.STEP * 255 * (found - clean)[..., 0]
    steps[..., 0] *= np.sqrt(2)  # scipy's first coefficient is scaled so that the transform is orthogonal
    spectrum = idct(steps, norm="ortho")
    assert np.all(np.abs(spectrum.mean((0, 1)).argmax() - sounds.PITCH) <= 1)
    quiet, loud = np.full((1, 49, 10, 1), (128 + sounds.ZERO) / 255, np.float32), clean[:1].copy()
    quiet[..., 0, 0], loud[..., 0, 0] = 0.0, 1.0
    change = [float(np.abs(sounds.band(x.copy(), random) - x)[:, :, 1:].max()) for x in (quiet, loud)]
    assert change[0] > 0.01
    assert change[1] < 0.25 * change[0]


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


@needs_shared
def test_the_network_of_sounds_begins_with_what_the_given_model_has_learned() -> None:
    """With the given model's own last layer in place of the new one, it gives that model's probabilities."""
    graph = load(SHARED / "models/kws_float.tflite")
    last = next(op for op in graph.ops if op.kind is OpKind.FULLY_CONNECTED)
    weights, bias = (graph.tensors[i].real for i in last.inputs[1:3])
    model = sounds.network(SHARED, 0, len(bias))
    model.layers[-1].set_weights([weights.T, bias])
    x = np.random.default_rng(0).integers(0, 256, (8, 49, 10, 1)).astype(np.float32) / 255
    given = Interpreter((SHARED / "models/kws_float.tflite").read_bytes())
    coefficients = sounds.STEP * (255 * x - 128 - sounds.ZERO)
    expected = np.stack([given.run(one)[0].reshape(-1) for one in coefficients])
    assert np.allclose(model.predict(x, verbose=0), expected, atol=0.05)
