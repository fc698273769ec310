"""composite="auto": what is chosen among what was tried, and the table that the command prints."""

from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.cli import main
from edgexai.compress.measure.best_composite import Tried, best_composite, chosen
from edgexai.errors import ConfigError, DataError


def tried(name: str, gain: float, conservation: float, time: float) -> Tried:
    return Tried(name, "float32", gain, 0.04, conservation, time)


def test_the_most_faithful_of_the_quick_ones_is_chosen() -> None:
    rows = [tried("slow", 0.9, 1, 9), tried("good", 0.7, 0.5, 3), tried("poor", 0.2, 1, 2)]
    assert chosen(rows).composite == "good"
    assert [t.composite for t in chosen(rows).tried] == ["slow", "good", "poor"]
    assert chosen(rows, slowest=10).composite == "slow"
    assert chosen(rows, slowest=1).composite == "poor"  # all are too slow: the fastest


def test_of_equally_faithful_ones_the_one_that_adds_up() -> None:
    rows = [tried("a", 0.700, 0.1, 3), tried("b", 0.695, 0.98, 3), tried("c", 0.5, 1, 3)]
    assert chosen(rows).composite == "b"


def test_auto_measures_on_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, known = golden("cnn")
    x = np.concatenate([known["x"].reshape(-1, *known["x"].shape[-3:])] * 2)
    choice = best_composite(edgexai.load(path), x)
    assert choice.composite in {t.composite for t in choice.tried}
    assert {"edge", "epsilon", "gamma"} <= {t.composite for t in choice.tried}
    assert all(np.isfinite([t.gain, t.conservation, t.time]).all() for t in choice.tried)
    np.savez(tmp_path / "x.npz", x=x)
    out = tmp_path / "best.tflite"
    assert main(["attach", str(path), "-o", str(out), "--composite", "auto", "--data", str(tmp_path / "x.npz")]) == 0
    assert "(taken)" in capsys.readouterr().out
    assert edgexai.Explainer(out).metadata.composite in {t.composite for t in choice.tried}


def test_auto_without_samples_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = golden("cnn")
    assert main(["attach", str(path), "-o", str(tmp_path / "e"), "--composite", "auto"]) == 1
    assert "--data" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="best_composite"):
        edgexai.attach(edgexai.load(path), "auto")
    with pytest.raises(DataError, match="2 samples"):
        best_composite(edgexai.load(path), np.zeros((1, *edgexai.load(path).tensors[0].shape[1:]), np.float32))
