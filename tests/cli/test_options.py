"""What the command line is given that it cannot use: told before anything is computed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from models import golden

import edgexai
from edgexai.cli import VERBS, main, parser_of

MODEL = golden("cnn")[0]
X = np.random.default_rng(0).normal(size=(30, 12, 12, 3)).astype(np.float32)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, its explainer, and samples without classes; its name is no plain one."""
    folder = tmp_path / "ein Ordner, größer"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("m.tflite").write_bytes(MODEL.read_bytes())
    edgexai.save(edgexai.attach("m.tflite", "epsilon"), "e.tflite")
    np.savez("x.npz", x=X)
    return folder


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    """Exit code, and the last line on standard error."""
    try:
        code = main(list(argv))
    except SystemExit as end:
        code = int(end.code or 0)
    return code, (capsys.readouterr().err.strip().splitlines() or [""])[-1]


@pytest.mark.parametrize("count", ["0", "-3", "x", "1.5", "99999999999", "²"])
@pytest.mark.parametrize(
    "verb",
    [
        ["explain", "e.tflite", "--data", "x.npz"],
        ["basis", "e.tflite", "--data", "x.npz", "-o", "b"],
        ["bench", "faithfulness", "m.tflite", "--data", "x.npz"],
        ["demo"],
    ],
    ids=lambda verb: verb[0],
)
def test_a_number_of_samples_is_at_least_one(
    here: Path, capsys: pytest.CaptureFixture[str], verb: list[str], count: str
) -> None:
    code, line = said(capsys, *verb, "--samples", count)
    assert code == 2
    assert f"argument --samples: give a whole number from 1 to 1,000,000,000, not '{count}'" in line


@pytest.mark.parametrize("target", ["no/such/file.png", "folder.png", "", "a" * 300 + ".png"])
@pytest.mark.parametrize(
    "verb",
    [
        ["attach", "no.tflite", "-o"],
        ["explain", "no.tflite", "--data", "no.npz", "--picture"],
        ["cost", "no.tflite", "--plot"],
        ["profile", "no.tflite", "--data", "no.npz", "-o"],
        ["prune", "no.tflite", "--data", "no.npz", "-o"],
        ["quantize", "no.tflite", "--data", "no.npz", "-o"],
        ["compress", "no.tflite", "--data", "no.npz", "-o", "out", "--transit"],
        ["compress", "no.tflite", "--data", "no.npz", "-o", "out", "--report"],
        ["compress", "no.tflite", "--data", "no.npz", "-o"],
        ["basis", "no.tflite", "--data", "no.npz", "-o"],
        ["restore", "no.exq", "-o"],
        ["audit", "no.tflite", "-o"],
        ["audit", "no.tflite", "--json"],
        ["agent", "run", "--to"],
        ["fleet", "export", "--csv"],
    ],
    ids=" ".join,
)
def test_an_output_is_checked_before_an_input_is_read(
    here: Path, capsys: pytest.CaptureFixture[str], verb: list[str], target: str
) -> None:
    Path("folder.png").mkdir()
    code, line = said(capsys, *verb, target)
    assert code == 1
    assert "no.tflite does not exist" not in line
    assert any(
        reason in line for reason in ("there is no folder", "is a folder", "is empty", "cannot be opened", "PNG")
    )


def test_every_option_that_writes_is_checked() -> None:
    from importlib import import_module

    names = {"output", "picture", "plot", "transit", "report", "pdf", "to", "out", "log_file"} | {
        "parquet",
        "csv",
        "hdf5",
        "virelay",
    }
    for verb in VERBS:
        parser = parser_of(verb, import_module(f"edgexai.cli.{verb}"))
        parsers = [parser]
        for action in parser._actions:
            if isinstance(action.choices, dict):
                parsers += action.choices.values()
        for one in parsers:
            for action in one._actions:
                if action.dest in names and not isinstance(action.default, bool):
                    assert getattr(action.type, "__name__", "").startswith("new_"), (one.prog, action.dest)
                if action.dest == "samples" and action.default is not None:
                    assert getattr(action.type, "__name__", "") == "count", (one.prog, action.dest)


def test_a_model_that_explains_nothing_is_told_what_to_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in ([], ["--trusted"]):
        code, line = said(capsys, "explain", "m.tflite", "--data", "x.npz", *more)
        assert code == 1
        assert line.endswith("m.tflite explains nothing: it has no relevance pass; run `edgexai attach m.tflite` first")


def test_a_test_without_classes_is_told_before_the_work(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in (["prune", "m.tflite", "--keep", "0.8"], ["quantize", "m.tflite"]):
        code, line = said(capsys, *verb, "--data", "x.npz", "-o", "o.tflite", "--test", "x.npz")
        assert code == 1
        assert "x.npz has no classes (y)" in line
        assert not Path("o.tflite").exists()


def test_a_device_is_written_to_and_not_replaced(here: Path) -> None:
    os.mkfifo("pipe")
    reader = subprocess.Popen(["cat", "pipe"], stdout=subprocess.PIPE)
    assert main(["attach", "m.tflite", "-o", "pipe"]) == 0
    assert reader.communicate()[0][4:8] == b"TFL3"
    assert not Path("pipe").is_file()


def test_the_greeting_of_the_runtime_is_not_heard_and_errors_are(here: Path) -> None:
    argv = [sys.executable, "-m", "edgexai", "profile", "m.tflite", "--data", "x.npz", "-o", "p"]
    done = subprocess.run(
        argv, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": str(MODEL.parents[3])}
    )
    assert b"INFO" not in done.stderr
    code = (
        "import os, edgexai.quiet\n"
        "with edgexai.quiet.ungreeted():\n"
        "    os.write(2, edgexai.quiet.GREETING + b'\\nERROR: it is broken\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=MODEL.parents[3])
    assert done.stderr == b"ERROR: it is broken\n"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["fleet", "analyse", "--store", "."], "there is no store in ."),
        (["fleet", "analyse", "--store", "s", "--since", "nan"], "there is no store in s"),
        (["fleet", "import", "no.frames", "--store", "s"], "no.frames does not exist; check the path"),
        (["fleet", "serve", "--store", "m.tflite"], "a file is where a folder should be"),
        (["audit", "m.tflite", "--test", "x.npz", "--store", "."], ". is no store"),
        (["audit", "m.tflite", "--test", "x.npz", "--against", "no.tflite"], "no.tflite does not exist"),
        (["agent", "--config", "a.toml"], "a.toml: fleet stands in no section; put it under one"),
        (["attach", "m.tflite", "-o", "o.tflite", "--target", "²"], "target '²' is not known"),
        (["convert", "m.tflite", "-o", "o.tflite"], "m.tflite is a .tflite already"),
        (["quantize", "e.tflite", "--data", "x.npz", "-o", "o.tflite"], "the model is an explainer already"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_a_mistake_is_one_sentence(here: Path, capsys: pytest.CaptureFixture[str], argv: list[str], told: str) -> None:
    Path("a.toml").write_text("fleet = 'line3'\n")
    before = sorted(here.iterdir())
    code, line = said(capsys, *argv)
    assert code == 1
    assert told in line
    assert sorted(here.iterdir()) == before
