"""bench compress: points as lines, continued where a file ends, and a picture of them."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from models import golden

from benchmarks.__main__ import main
from edgexai.compress.measure.accuracy import predictions
from edgexai.graph import load


def test_points_are_measured_once_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, _ = golden("mlp")
    x = np.random.default_rng(0).normal(size=(60, 20)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=predictions(load(model), x))
    out = tmp_path / "points.jsonl"
    command = ["compress", str(model), "--data", str(tmp_path / "d.npz"), "--hold-out", "20", "-o", str(out)]
    command += ["--keep", "0.5", "0.8", "--criterion", "relevance", "--maps", "5"]
    assert main([*command, "--seeds", "1"]) == 0
    assert main([*command, "--seeds", "1"]) == 0
    assert main([*command, "--seeds", "2", "--repair", "least_squares"]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    found = [(row["repair"], row["seed"], row["keep"]) for row in rows]
    wanted = [("none", 0, k) for k in (0.8, 0.5)] + [("least_squares", s, k) for s in (0, 1) for k in (0.8, 0.5)]
    assert found == wanted
    assert all(row["macs"] <= row["keep"] and row["base"] == 1 for row in rows)
    if find_spec("matplotlib"):
        assert main(["compress", "--show", str(out), "--plot", str(tmp_path / "p.png")]) == 0
        assert (tmp_path / "p.png").stat().st_size > 5000
    assert "least_squares, relevance" in capsys.readouterr().out
