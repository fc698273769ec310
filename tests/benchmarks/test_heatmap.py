"""`python -m benchmarks heatmap` on a small real model, and its tables and plots."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.heatmap import CHOICES

GOLDEN = Path(__file__).parents[1] / "golden" / "cnn"
ON = ["--on", str(GOLDEN / "model.tflite"), str(GOLDEN / "golden.npz")]


def test_rows_say_bytes_likeness_and_faithfulness_and_become_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    only = ["--only", "cosine", "bytes", "faithfulness", "--budgets", "32", "200"]
    assert main(["heatmap", *ON, "--samples", "4", *only, "-o", str(file), "--json"]) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    likeness = next(r for r in rows if r["what"] == "cosine")["median"]
    assert likeness == sorted(likeness)
    assert likeness[-1] > 0.999
    sizes = next(r for r in rows if r["what"] == "bytes")["median"]
    assert 8 < sizes[0] < sizes[1] < sizes[2] < 200
    coarse, fine = (r for r in rows if r["what"] == "faithfulness")
    assert coarse["overlap"] <= fine["overlap"]
    assert coarse["cosine"] < fine["cosine"]
    assert fine["overlap"] > 0.9
    assert fine["bounds"][0] <= fine["share"] <= fine["bounds"][1]
    capsys.readouterr()
    assert main(["heatmap", "--show", str(file), "--plot", str(tmp_path)]) == 0
    assert "edgexai" in capsys.readouterr().out
    assert (tmp_path / "heatmap-rate.png").stat().st_size > 1000
    assert (tmp_path / "heatmap-faithful.png").stat().st_size > 1000


def test_what_was_compared_comes_from_the_same_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    only = ["--only", *CHOICES, "--budgets", "40"]
    teacher = ["--teacher", str(GOLDEN / "model.tflite"), str(GOLDEN / "golden.npz")]
    assert main(["heatmap", *ON, "--samples", "2", *only, *teacher, "-o", str(file)]) == 0
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert {r["what"] for r in rows} == {kind.replace("_", " ") for kind in CHOICES}
    for row in rows:
        if row["what"] == "bound":
            assert row["signs"] < row["known"] < row["stream"] < row["frame"]
            assert row["adaptive"] == pytest.approx(row["stream"], abs=1.5)
        if row["what"] == "references":
            assert all(w <= p for w, p in zip(row["with"], row["without"], strict=True))
        if row["what"] == "basis":
            assert all(w <= p for w, p in zip(row["median"], row["without"], strict=True))
        if row["what"] == "order":
            assert row["cosine"] > 0.8
    printed = capsys.readouterr().out
    assert "wavelet 5/3" in printed
    assert "of another network" in printed


def test_references_need_samples_that_are_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heatmap", *ON, "--only", "references"]) != 0
    assert "lower --samples" in capsys.readouterr().err


def test_without_a_model_it_says_what_to_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heatmap"]) != 0
    assert "--on" in capsys.readouterr().err
