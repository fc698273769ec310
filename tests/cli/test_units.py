"""Commands refuse samples in another unit, and calibrate on what codes stand for."""

from pathlib import Path

import numpy as np
import pytest

from edgexai.cli import main
from edgexai.compress.measure.accuracy import agreement
from edgexai.compress.measure.execute import quantized, real
from edgexai.compress.quantize.int8 import quantize
from edgexai.graph import Graph, load, save

GOLDEN = Path(__file__).parents[1] / "golden" / "cnn"


@pytest.fixture(scope="module")
def integer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Graph, np.ndarray]:
    """An int8 model of inputs from about -3 to 3, and samples for it as real numbers."""
    folder = tmp_path_factory.mktemp("units")
    x = np.random.default_rng(0).normal(size=(64, *np.load(GOLDEN / "golden.npz")["x"].shape[1:])).astype(np.float32)
    graph = quantize(load(GOLDEN / "model.tflite"), x)
    save(graph, folder / "int8.tflite")
    np.savez(folder / "codes.npz", x=quantized(graph, x), y=np.zeros(64, np.int64))
    np.savez(folder / "pixels.npz", x=np.clip(x * 40 + 127, 0, 255).astype(np.uint8))
    return folder, graph, x


def test_quantizing_an_int8_model_with_its_own_codes_keeps_its_predictions(
    integer: tuple[Path, Graph, np.ndarray],
) -> None:
    folder, graph, x = integer
    codes = str(folder / "codes.npz")
    assert main(["quantize", str(folder / "int8.tflite"), "-o", str(folder / "again.tflite"), "--data", codes]) == 0
    assert agreement(graph, load(folder / "again.tflite"), real(graph, graph.inputs[0], quantized(graph, x))) > 0.9


@pytest.mark.parametrize("verb", ["quantize", "prune", "profile", "compress"])
def test_every_verb_refuses_pixels_for_a_model_of_small_numbers(
    integer: tuple[Path, Graph, np.ndarray], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, _ = integer
    how = {"prune": ["--keep", "0.5"], "compress": ["--macs", "50%"]}.get(verb, [])
    where = ["-o", str(folder / "out"), "--data", str(folder / "pixels.npz")]
    assert main([verb, str(folder / "int8.tflite"), *where, *how]) == 1
    told = capsys.readouterr().err
    assert "pixels.npz holds values from" in told
    assert "--mean" in told
    assert not (folder / "out").exists()
