"""Costs with the explanation are summed by part, and the parts add up."""

import json
from pathlib import Path

import pytest

from edgexai.cli import main

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
