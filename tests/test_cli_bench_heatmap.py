"""`edgexai bench heatmap` on a small real model, and its tables and plots."""

import json
from pathlib import Path

import pytest

from edgexai.cli import main

GOLDEN = Path(__file__).parent / "golden" / "cnn"
ON = ["--on", str(GOLDEN / "model.tflite"), str(GOLDEN / "golden.npz"), "--samples", "4"]


def test_rows_say_bytes_likeness_and_faithfulness_and_become_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    only = ["--only", "cosine", "bytes", "faithfulness", "--budgets", "32", "200"]
    assert main(["bench", "heatmap", *ON, *only, "-o", str(file), "--json"]) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    likeness = next(r for r in rows if r["what"] == "cosine")["median"]
    assert likeness == sorted(likeness)
    assert likeness[-1] > 0.999
    sizes = next(r for r in rows if r["what"] == "bytes")["median"]
    assert 8 < sizes[0] < sizes[1] < sizes[2] < 200
    overlaps = [r["overlap"] for r in rows if r["what"] == "faithfulness"]
    assert overlaps[0] <= overlaps[1]
    assert overlaps[1] > 0.9
    capsys.readouterr()
    assert main(["bench", "heatmap", "--show", str(file), "--plot", str(tmp_path)]) == 0
    assert "edgexai" in capsys.readouterr().out
    assert (tmp_path / "heatmap-rate.png").stat().st_size > 1000
    assert (tmp_path / "heatmap-faithful.png").stat().st_size > 1000


def test_without_a_model_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "heatmap"]) != 0
    assert "--on" in capsys.readouterr().err
