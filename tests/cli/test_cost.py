"""Costs with the explanation are summed by part, and the parts add up."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

import edgexai
from edgexai.cli import main
from edgexai.compress.measure.cost import cost
from edgexai.graph import serialize
from edgexai.runtime.micro import MicroInterpreter

MODEL = Path(__file__).parents[1] / "golden" / "cnn" / "model.tflite"


def test_parts_of_an_explanation_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", str(MODEL), "--board", "nucleo_l4r5zi", "--explain", "edge", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["cost", str(MODEL), "--board", "nucleo_l4r5zi", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    parts = found["parts"]
    assert parts["predict"]["macs"] == alone["macs"]
    assert parts["predict"]["latency_ms"] == pytest.approx(alone["latency_ms"])
    inner = [sums for name, sums in parts.items() if name.startswith("explain:")]
    for key in ("operators", "macs", "latency_ms"):
        assert sum(sums[key] for sums in inner) == pytest.approx(parts["explain, all"][key])
    assert parts["predict"]["latency_ms"] + parts["explain, all"]["latency_ms"] == pytest.approx(found["latency_ms"])
    assert "parts" not in alone


def columns(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["cost", str(MODEL), *options]) == 0
    return capsys.readouterr().out


def test_there_are_no_empty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for explained in ([], ["--explain", "edge"], ["--explain", "edge", "--layers"]):
        assert " ms" not in columns(capsys, *explained)
        with_time = columns(capsys, *explained, "--board", "nrf5340_dk")  # nobody has published its power
        assert " ms" in with_time
        assert "µJ" not in with_time
        assert "µJ" in columns(capsys, *explained, "--board", "nucleo_l4r5zi")


def test_an_explanation_is_summed_up_unless_every_operator_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    short = columns(capsys, "--explain", "edge")
    assert len(short.splitlines()) < 12
    assert [line.split("|")[1].strip() for line in short.splitlines()][2] == "predict"
    assert len(columns(capsys, "--explain", "edge", "--layers").splitlines()) > 40


def test_an_explainer_of_a_file_is_split_as_one_made_on_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edgexai.save(edgexai.attach(str(MODEL), "edge"), tmp_path / "explain.tflite")
    on_the_way = columns(capsys, "--explain", "edge")
    assert main(["cost", str(tmp_path / "explain.tflite")]) == 0
    assert capsys.readouterr().out == on_the_way


@pytest.mark.parametrize("explained", [[], ["--explain", "edge"]])
def test_the_ram_is_the_arena_that_tflite_micro_takes(explained: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tflite_micro", reason="the tflite-micro wheel is not installed")
    graph = edgexai.load(MODEL)
    file = serialize(edgexai.attach(graph, "edge") if explained else graph)
    assert main(["cost", str(MODEL), "--board", "nucleo_l4r5zi", "--json", *explained]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["arena_by"] == "TFLite Micro"
    assert found["arena"] == MicroInterpreter(file).arena
    assert found["arena"] > found["ram"]


def test_a_model_that_needs_more_than_the_board_has_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As much RAM as all maps alive need, and not the runtime's own tables."""
    board = files("firmware_profiles").joinpath("nucleo_l4r5zi.toml").read_text("utf-8")
    alive = cost(edgexai.load(MODEL)).ram
    (tmp_path / "tight.toml").write_text(board.replace("ram_kb = 640", f"ram_kb = {alive / 1024 + 0.5:.1f}"))
    said = columns(capsys, "--board", str(tmp_path / "tight.toml"))
    assert "does not fit" in said


def test_without_the_wheel_the_arena_is_an_estimate_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgexai.compress.measure.plan.arena", lambda file: None)
    said = columns(capsys, "--board", "nucleo_l4r5zi")
    assert "(estimated" in said
