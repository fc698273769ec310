"""The zoo: every file under a folder is a row, whatever it does."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from models import golden, run, single

import edgexai
from benchmarks import zoo
from benchmarks.__main__ import main
from edgexai.graph import Builder, OpKind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that is accepted, under two names; one that is refused; one that is no model."""
    models = tmp_path / "models"
    models.mkdir()
    for name in ("a.tflite", "b.tflite"):
        shutil.copy(golden("cnn")[0], models / name)

    def layer(build: Builder, x: int) -> int:
        return build.dense(build.op(OpKind.ROUND, [x], (1, 4)), build.const(np.ones((2, 4), np.float32)))

    edgexai.save(single((1, 4), layer), models / "refused.tflite")
    (models / "broken.tflite").write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(40))
    return models


def test_every_model_is_a_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", str(folder), "--inputs", "2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"\| models \| 3 \|", said)
    assert "accepted of the latter | 1 (50.0 %) |" in said
    assert "bit-exact | 1 of 1 |" in said
    assert "ended in an exception that is not ours, or died | 0 |" in said
    assert "no relevance reaches the input" in said
    assert main(["zoo", str(folder / "a.tflite"), "--inputs", "1", "--json"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["exact"]


def test_a_death_and_a_hang_are_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "a.tflite"
    row = zoo._in_a_child(path, "edge", 1, timeout=0.01)
    assert row["died"] == "took more than 0 s"
    monkeypatch.setattr(sys, "executable", "/bin/false")
    row = zoo._in_a_child(path, "edge", 1, timeout=10)
    assert row["died"] == "exit code 1"
    assert "exit code 1" in zoo.refused([row])


def test_scaling_a_layer_leaves_the_prediction() -> None:
    path, known = golden("cnn")
    graph = edgexai.load(path)
    scaled = zoo._scaled(graph)
    assert scaled is not None
    for x in known["x"]:
        assert np.array_equal(run(graph, x)[0], run(scaled, x)[0])  # a power of two moves exponents alone


def test_what_concepts_add_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["concepts", str(golden("cnn")[0]), "--rounds", "2"]) == 0
    said = capsys.readouterr().out
    assert "with concepts" in said
    assert "model" in said
