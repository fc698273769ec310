"""The command: its verbs end to end, and what it says when the user is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import golden

from edgexai.cli import main
from edgexai.runtime.explainer import Explainer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "samples.npz"
    with np.load(golden("cnn")[0].parent / "golden.npz") as known:
        np.savez(file, x=known["x"], y=known["target"])
    return file


def test_attach_then_explain(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, picture = tmp_path / "explainer.tflite", tmp_path / "heatmaps.png"
    assert main(["attach", str(golden("cnn")[0]), "-o", str(out), "--composite", "epsilon(0.25)"]) == 0
    assert Explainer(out).metadata.composite == "epsilon(0.25)"
    capsys.readouterr()
    assert main(["explain", str(out), "--data", str(data), "--samples", "2", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["sample"] for line in lines] == [0, 1]
    assert [line["target"] for line in lines] == [line["label"] for line in lines]
    assert main(["explain", str(out), "--data", str(data), "--samples", "2", "--picture", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_list_grids_says_what_each_costs(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(golden("cnn")[0])
    assert main(["attach", model, "--list-grids"]) == 0
    assert "| 12x12 |" in capsys.readouterr().out
    assert main(["attach", model, "--list-grids", "--composite", "epsilon_plus", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[-1]["grid"] is None
    assert rows[-1]["share"] == 1
    for what in ("macs", "bytes"):
        found = [row[what] for row in rows]
        assert found == sorted(found)
        assert found[0] < found[-1]


def test_every_listed_grid_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = str(golden("resnet")[0]), tmp_path / "e.tflite"
    assert main(["attach", model, "--list-grids", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for row in rows[:-1]:
        assert main(["attach", model, "-o", str(out), "--grid", "x".join(map(str, row["grid"]))]) == 0
        assert Explainer(out).metadata.grid == tuple(row["grid"])
        assert out.stat().st_size == row["bytes"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["attach", "missing.tflite", "-o", "x"], "missing.tflite"),
        (["attach", __file__, "-o", "x"], "not a TensorFlow Lite file"),
        (["attach", "MODEL"], "add -o"),
        (["attach", "MODEL", "-o", "x", "--composite", "epsilom"], "epsilom"),
        (["attach", "MODEL", "-o", "x", "--grid", "12"], "ROWSxCOLUMNS"),
        (["attach", "MODEL", "-o", "x", "--target", "99"], "99"),
        (["explain", "MODEL", "--data", "DATA"], "edgexai attach"),
        (["demo", "--model", "MODEL"], "--data"),
        (["demo", "--nodes", "2"], "at least 4"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    arguments: list[str], says: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"MODEL": str(golden("cnn")[0]), "DATA": str(data)}
    assert main([names.get(a, a) for a in arguments]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1
    assert said.startswith(f"edgexai {arguments[0]}: ")


def test_every_verb_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    from edgexai.cli import VERBS

    for verb in VERBS:
        with pytest.raises(SystemExit) as ended:
            main([verb, "--help"])
        assert ended.value.code == 0
        assert f"\n  edgexai {verb} " in capsys.readouterr().out, verb


def test_an_unknown_verb_is_refused_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explane"]) == 2
    assert "explain" in capsys.readouterr().err
