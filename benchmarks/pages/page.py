"""A page of docs/ with its lines: what is measured by which command, and what tables and pictures are made of it."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.results import Row, read
from edgexai.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"(<!-- table ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

Lines = Mapping[str, list[Row]]
"""The rows of a page by the measure that they come from."""


@dataclass(frozen=True)
class Page:
    """docs/NAME.md and docs/NAME.jsonl.

    ``measures``: commands by name, in the order in which they run; every JSON line that one prints is a row. Files that
    they name are looked for in the folders that are given, and made in the working directory where they are not there.
    ``tables``: what stands between ``<!-- table NAME -->`` and ``<!-- end -->``. ``pictures``: files beside the page.
    """

    name: str
    measures: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, Callable[[Lines], str]]
    pictures: Mapping[str, Callable[[Lines, Path], None]] = field(default_factory=dict)
    docs: Path = DOCS

    @property
    def text(self) -> Path:
        return self.docs / f"{self.name}.md"

    @property
    def file(self) -> Path:
        return self.docs / f"{self.name}.jsonl"

    def lines(self) -> dict[str, list[Row]]:
        """Every measure's rows; none of those that were not taken yet."""
        found: dict[str, list[Row]] = {name: [] for name in self.measures}
        for row in read([self.file]):
            found[row["measure"]].append({k: v for k, v in row.items() if k != "measure"})
        return found

    def keep(self, lines: Lines) -> None:
        """Write the file of lines, a measure after the other."""
        rows = [{"measure": name, **row} for name in self.measures for row in lines[name]]
        self.file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def rendered(self) -> str:
        """The page as its lines say; ConfigError on a table that nobody makes, or that stands nowhere."""
        lines, text = self.lines(), self.text.read_text(encoding="utf-8")
        there = {name for _, name, _, _ in BLOCK.findall(text)}
        if there != set(self.tables):
            wrong = ", ".join(sorted(there ^ set(self.tables)))
            raise ConfigError(f"{self.text} and its tables do not agree about: {wrong}")
        # Markdown wants an empty line around a table
        return BLOCK.sub(lambda m: f"{m[1]}\n{self.tables[m[2]](lines).rstrip()}\n\n{m[4]}", text)

    def draw(self) -> None:
        """Make the page's pictures."""
        lines = self.lines()
        for name, drawn in self.pictures.items():
            drawn(lines, self.docs / name)

    def measure(self, name: str, folders: Iterable[Path], work: Path) -> list[Row]:
        """Run a measure's commands in ``work``; ConfigError with the last line of what went wrong."""
        rows = []
        for command in self.measures[name]:
            program, words = _parts(command)
            done = subprocess.run(
                [*program, *(_placed(word, [*folders, work]) for word in words)],
                cwd=work,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                text=True,
            )
            if done.returncode:
                raise ConfigError(f"{command} ended with exit code {done.returncode}; what it said stands above")
            rows += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if not rows:
            raise ConfigError(f"{name} printed no JSON line")
        return rows


def _parts(command: str) -> tuple[list[str], list[str]]:
    """A command as it is printed, for this interpreter: the program, and what may name files. The name of a benchmark
    is part of the program, since what it makes may lie in a folder of that name."""
    first, *rest = shlex.split(command)
    if first == "edgexai":
        return [sys.executable, "-m", "edgexai"], rest
    if first == "python":
        own = 3 if rest[0] == "-m" else 0
        return [sys.executable, *rest[:own]], rest[own:]
    return [str(ROOT / first)], rest


def _placed(word: str, folders: Iterable[Path]) -> str:
    """A file by its place; of MODEL=DATA and MODEL:error each part."""
    if word.startswith("scripts/"):
        return str(ROOT / word)
    return "".join(
        next((str(folder / part) for folder in folders if part and (folder / part).exists()), part)
        for part in re.split("([=:])", word)
    )
