"""Pages that are made when the site is built: the command line, from the parsers themselves."""

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from mkdocs.structure.files import File, Files

from edgexai.cli import VERBS


def on_files(files: Files, config: Any) -> Files:
    """Adds `reference/cli.md`."""
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    return files


def command_line() -> str:
    """Every verb and sub-command as Markdown: what `--help` prints."""
    parts = [
        "# The command line",
        "One verb a public call. `edgexai VERB --help` prints what stands here; `--json` is there where a machine may read.",
    ]
    for verb, summary in VERBS.items():
        module = import_module(f"edgexai.cli.{verb}")
        parser = argparse.ArgumentParser(
            prog=f"edgexai {verb}",
            description=module.__doc__,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=110),
        )
        module.arguments(parser)
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
