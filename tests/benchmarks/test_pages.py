"""Pages of figures are what their lines say, and a measure's lines come from its commands."""

import importlib
import json
import shlex
from pathlib import Path

import pytest

from benchmarks.__main__ import main, names
from benchmarks.pages import pages
from benchmarks.pages.page import Page
from edgexai.cli import VERBS, parser_of
from edgexai.cli.parts import with_default
from edgexai.errors import ConfigError

PAGES = pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_its_lines_say(name: str) -> None:
    page = PAGES[name]
    assert page.text.read_text(encoding="utf-8") == page.rendered(), f"run: python -m benchmarks pages {name}"


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_measure_has_lines_and_every_picture_is_there(name: str) -> None:
    page = PAGES[name]
    assert [m for m, rows in page.lines().items() if not rows] == []
    assert [p for p in page.pictures if not (page.docs / p).exists()] == []


def commands() -> list[str]:
    return [c for page in PAGES.values() for measure in page.measures.values() for c in measure]


@pytest.mark.parametrize("command", commands())
def test_a_command_is_one_of_ours_and_its_options_exist(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "edgexai":
        verb = importlib.import_module(f"edgexai.cli.{words[1]}")
        assert words[1] in VERBS
        default = getattr(verb, "DEFAULT", None)
        parser_of(words[1], verb).parse_args(with_default(words[2:], verb.PARTS, default) if default else words[2:])
    elif words[:3] == ["python", "-m", "benchmarks"]:
        import argparse

        assert words[3] in names()
        parser = argparse.ArgumentParser()
        importlib.import_module(f"benchmarks.{words[3]}").arguments(parser)
        parser.parse_args(words[4:])
    else:
        assert words[1] == "scripts/time"


@pytest.fixture
def small(tmp_path: Path) -> Page:
    """A page of one table, whose lines come from a script beside it."""
    (tmp_path / "x.md").write_text("before\n\n<!-- table sum -->\nold\n<!-- end -->\n\nafter\n")
    (tmp_path / "x.jsonl").write_text('{"measure": "one", "value": 3}\n{"measure": "two", "value": 4}\n')
    (tmp_path / "say.py").write_text('import json, sys\nprint("…")\nprint(json.dumps({"value": int(sys.argv[1])}))\n')
    measures = {"one": ("python say.py 5", "python say.py 6"), "two": ("python say.py 7",)}
    total = {"sum": lambda lines: str({name: sum(r["value"] for r in rows) for name, rows in lines.items()})}
    return Page("x", measures, total, docs=tmp_path)


def test_a_measure_taken_anew_replaces_its_lines_alone(small: Page, tmp_path: Path) -> None:
    assert "{'one': 3, 'two': 4}" in small.rendered()
    small.keep({**small.lines(), "one": small.measure("one", [], tmp_path)})
    assert small.rendered() == "before\n\n<!-- table sum -->\n\n{'one': 11, 'two': 4}\n\n<!-- end -->\n\nafter\n"
    kept = [json.loads(line) for line in small.file.read_text().splitlines()]
    assert kept == [{"measure": "one", "value": v} for v in (5, 6)] + [{"measure": "two", "value": 4}]


def test_files_are_found_where_they_lie(small: Page, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "m.tflite").write_text("{}")
    (tmp_path / "cat.py").write_text('import sys\nprint(open(sys.argv[1].split("=")[0]).read())\n')
    page = Page("x", {"one": ("python cat.py m.tflite=none.npz",)}, {}, docs=tmp_path)
    assert page.measure("one", [folder], tmp_path) == [{}]


def test_a_benchmark_is_no_file_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "findings").mkdir()
    with pytest.raises(ConfigError, match="printed no JSON line"):  # what it makes lies there since its last run
        Page("x", {"one": ("python -m benchmarks findings --help",)}, {}, docs=tmp_path).measure("one", [], tmp_path)


def test_a_table_without_a_place_and_a_command_that_fails_are_told(small: Page, tmp_path: Path) -> None:
    lost = Page("x", small.measures, {**small.tables, "other": lambda lines: ""}, docs=tmp_path)
    with pytest.raises(ConfigError, match="do not agree about: other"):
        lost.rendered()
    broken = Page("x", {"one": ("python say.py",), "two": ("python -c pass",)}, {}, docs=tmp_path)
    with pytest.raises(ConfigError, match=r"say.py ended with exit code 1"):
        broken.measure("one", [], tmp_path)
    with pytest.raises(ConfigError, match="two printed no JSON line"):
        broken.measure("two", [], tmp_path)


def test_an_unknown_page_or_measure_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pages", "nowhere"]) == 1
    assert "no page 'nowhere'" in capsys.readouterr().err
    name = sorted(PAGES)[0]
    assert main(["pages", name, "--measure", "nothing"]) == 1
    assert f"{name} has no measure 'nothing'" in capsys.readouterr().err
