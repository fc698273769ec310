"""Parts of a verb: each has its own help with its own options, and one is meant where none is named."""

from importlib import import_module
from typing import Any

import pytest

from edgexai.cli import main


def helped(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*argv, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_of_a_part_shows_its_options_alone(capsys: pytest.CaptureFixture[str]) -> None:
    enrol = helped(capsys, "fleet", "enrol")
    assert "--lock-out" in enrol
    assert "--hosts" in enrol
    assert not [option for option in ("--store", "--share", "--signing", "--broker") if option in enrol]
    command = helped(capsys, "fleet", "command")
    assert "--signing" in command
    assert "--store" not in command
    assert "--board" not in helped(capsys, "agent", "init")


@pytest.mark.parametrize(("verb", "part"), [("fleet", "serve"), ("agent", "run")])
def test_help_of_the_verb_lists_parts_and_what_the_verb_alone_takes(
    capsys: pytest.CaptureFixture[str], verb: str, part: str
) -> None:
    told = helped(capsys, verb)
    assert f"usage: edgexai {verb} {part}" in told
    assert "--broker" in told


def test_the_part_that_is_meant_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "--limit", "1"]) == 1
    assert "--fleet" in capsys.readouterr().err
    assert main(["agent", "init"]) == 0
    assert "[agent]" in capsys.readouterr().out


def test_a_part_whose_package_is_missing_is_listed_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str) -> Any:
        if name.startswith("edgexai.cli.bench."):
            raise ModuleNotFoundError("no matplotlib", name="matplotlib")
        return import_module(name)

    monkeypatch.setattr("edgexai.cli.parts.import_module", gone)
    assert "faithfulness" in helped(capsys, "bench")
    assert main(["bench", "faithfulness", "a.tflite", "--data", "x"]) == 1
    assert "matplotlib is not installed; pip install 'edgexai[convert]'" in capsys.readouterr().err
