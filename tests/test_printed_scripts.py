"""Benchmarks, scripts and tests that README and docs name are there, and take the options that stand with them."""

import argparse
import os
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from shared import ROOT

from benchmarks.__main__ import names

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = {page.relative_to(ROOT).as_posix(): re.sub(r"\\\n\s*", " ", page.read_text("utf-8")) for page in PAGES}
BENCHMARK = re.compile(r"python -m benchmarks ([^`#\n]*)")
SCRIPT = re.compile(r"\bscripts/([\w-]+)")
TEST = re.compile(r"\btests/[\w/]+\.py\b")


def benchmarks() -> list[tuple[str, str]]:
    found = {rest.strip(): page for page, text in TEXT.items() for rest in BENCHMARK.findall(text)}
    return [(page, rest) for rest, page in found.items() if rest and rest != "NAME"]


@pytest.mark.parametrize(("page", "rest"), benchmarks(), ids=lambda value: str(value))
def test_a_benchmark_takes_what_is_printed(page: str, rest: str) -> None:
    words = shlex.split(rest)
    assert words[0] in names(), page
    parser = argparse.ArgumentParser()
    import_module(f"benchmarks.{words[0]}").arguments(parser)
    if len(words) > 1 and not {"…", "ALL"} & {*words}:
        parser.parse_args(words[1:])
    else:
        known = {option for action in parser._actions for option in action.option_strings}
        assert {w for w in words if w.startswith("--")} <= known


def test_every_script_that_is_named_can_be_run() -> None:
    named = {name for text in TEXT.values() for name in SCRIPT.findall(text)}
    assert len(named) > 8
    assert [name for name in sorted(named) if not os.access(ROOT / "scripts" / name, os.X_OK)] == []


def test_every_test_that_is_named_is_there() -> None:
    named = {Path(path) for text in TEXT.values() for path in TEST.findall(text)}
    assert len(named) > 15
    assert [str(path) for path in sorted(named) if not (ROOT / path).exists()] == []
