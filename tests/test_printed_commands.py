"""Every command that README, docs and `--help` print is read by the parser that it is for, and runs.

The files that commands name are made here: a small network under every model's name, its samples under every data
set's. What needs a broker runs against mosquitto in `tests/fleet`; what takes long runs with
`EDGEXAI_PRINTED=all` (`scripts/printed` prints what each command did on the install at hand, as JSON).
"""

import os
from importlib import import_module
from pathlib import Path

import pytest
from printed import Command, furnish, placed, printed, runs_alone

from edgexai.cli import VERBS, main, parser_of
from edgexai.cli.parts import with_default

COMMANDS = printed()
WHOLE = os.environ.get("EDGEXAI_PRINTED") == "all"


def argv_of(command: Command) -> list[str]:
    """What the verb's parser gets."""
    verb, *rest = command.words
    module = import_module(f"edgexai.cli.{verb}")
    default = getattr(module, "DEFAULT", None)
    return with_default(rest, module.PARTS, default) if default else rest


def test_there_are_commands_of_every_verb() -> None:
    assert {command.words[0] for command in COMMANDS} == set(VERBS)
    assert len(COMMANDS) > 80


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.shortened], ids=str)
def test_the_parser_takes_it(command: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)  # some options look whether their file is there
    parser = parser_of(command.words[0], import_module(f"edgexai.cli.{command.words[0]}"))
    argv = argv_of(command)
    if "--help" in argv:
        with pytest.raises(SystemExit, match=r"^0$"):
            parser.parse_args(argv)
    else:
        parser.parse_args(argv)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.shortened], ids=str)
def test_the_options_of_a_shortened_one_exist(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    argv = argv_of(command)
    parser = parser_of(command.words[0], import_module(f"edgexai.cli.{command.words[0]}"))
    part = [argv[0]] if argv and not argv[0].startswith("-") else []
    with pytest.raises(SystemExit):
        parser.parse_args([*part, "--help"])
    told = capsys.readouterr().out
    assert [word for word in command.words if word.startswith("--") and word not in told] == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the commands name."""
    folder = tmp_path_factory.mktemp("printed")
    furnish(folder)
    return folder


def once_each() -> list[Command]:
    """Those that run here, one of several with the same options."""
    found: dict[tuple[str, ...], Command] = {}
    for command in COMMANDS:
        if runs_alone(command, WHOLE):
            found.setdefault((command.words[0], *sorted(w for w in command.words if w[0] == "-")), command)
    return list(found.values())


@pytest.mark.parametrize("command", once_each(), ids=str)
def test_it_runs(
    command: Command, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    code = main(placed(command, place))
    assert code == 0, capsys.readouterr().err
