"""Pages that are made when the site is built: the command line, from the parsers themselves."""

import argparse
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from mkdocs.structure.files import File, Files

from edgexai.cli import VERBS, parser_of


def on_files(files: Files, config: Any) -> Files:
    """Adds `reference/cli.md`."""
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    return files


def command_line() -> str:
    """Every verb and sub-command as Markdown: what `--help` prints."""
    os.environ["COLUMNS"] = "112"  # the same lines on every terminal
    parts = [
        "# The command line",
        "One verb a public call. `edgexai VERB --help` prints what stands here; `--json` is there for machines.",
    ]
    for verb, summary in VERBS.items():
        module = import_module(f"edgexai.cli.{verb}")
        parser = parser_of(verb, module)
        parts += [f"## {verb}", f"{summary[0].upper()}{summary[1:]}.", f"```text\n{parser.format_help().rstrip()}\n```"]
        for command in subcommands(parser):
            parts += [f"### {command.prog.removeprefix('edgexai ')}", f"```text\n{command.format_help().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def subcommands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers below a parser, depth first."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command
                yield from subcommands(command)
