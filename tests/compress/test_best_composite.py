"""composite="auto": what is chosen among what was tried, and the table that the command prints."""

from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.cli import main
from edgexai.compress.measure.best_composite import Tried, best_composite, chosen, effort
from edgexai.compress.measure.faithfulness import curves, probabilities
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Builder, Graph


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


def network(shape: tuple[int, ...]) -> Graph:
    """A classifier that looks at the second place along its first axis alone."""
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, *shape))
    flat = build.reshape(x, (1, int(np.prod(shape))))
    kernel = np.zeros((2, int(np.prod(shape))), np.float32).reshape(2, *shape)
    kernel[0, 1], kernel[1, 1] = 1, -1
    return build.finish([build.dense(flat, build.const(kernel.reshape(2, -1)), build.const(np.zeros(2, np.float32)))])


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 4, 2)])
def test_gain_is_of_columns_steps_and_pixels(shape: tuple[int, ...]) -> None:
    graph, random = network(shape), np.random.default_rng(0)
    x = (random.normal(size=(20, *shape)) + 2 * random.choice([-1, 1], size=(20, *[1] * len(shape)))).astype(np.float32)
    fill, targets = x.mean(0), probabilities(graph, x).argmax(1)
    right = np.zeros((20, *shape[: 1 if len(shape) == 1 else len(shape) - 1]))
    right[:, 1] = 1
    good, bad = (np.subtract(*curves(graph, x, fill, m, targets)[::-1]).mean() for m in (right, -right))
    assert good > 0.3
    assert bad < -0.3
    choice = best_composite(graph, x)
    assert choice.tried[0].gain > 0.3


def test_large_models_are_measured_on_fewer_samples_and_steps() -> None:
    assert effort(2_656_768, 9) == (100, 20)  # KWS
    assert effort(12_501_632, 9) == (100, 10) or effort(12_501_632, 9) == (100, 20)
    samples, steps = effort(300_000_000, 9)  # MobileNet at 224×224
    assert 12 <= samples < 50
    assert steps == 10
    assert effort(0, 9) == (100, 20)


def test_a_large_input_is_measured() -> None:
    build = Builder(Graph((), (), (), ()), prefix="model")
    random = np.random.default_rng(0)
    x = build.input("x", (1, 96, 96, 3))
    kernel = build.const(random.normal(size=(8, 3, 3, 3)).astype(np.float32))
    y = build.conv(x, kernel, build.const(np.zeros(8, np.float32)), (4, 4), activation="RELU")
    dense = build.const(random.normal(size=(3, 8)).astype(np.float32))
    graph = build.finish([build.dense(build.sum(y, (1, 2)), dense, build.const(np.zeros(3, np.float32)))])
    choice = best_composite(graph, random.normal(size=(6, 96, 96, 3)).astype(np.float32))
    assert len(choice.tried) >= 8


def test_a_model_without_classes_is_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match="probability of a class"):
        best_composite(golden_autoencoder(), np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32))


def golden_autoencoder() -> Graph:
    build = Builder(Graph((), (), (), ()), prefix="model")
    x = build.input("x", (1, 8))
    return build.finish(
        [build.dense(x, build.const(np.eye(8, dtype=np.float32)), build.const(np.zeros(8, np.float32)))]
    )
