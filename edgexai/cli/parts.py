"""Verbs that have parts: each a module with ``arguments`` and ``run``, its own ``--help`` and its own options."""

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module

FILES = {"import": "take_in"}
"""Parts whose names no module can have."""


def add_parts(
    parser: argparse.ArgumentParser, package: str, parts: Mapping[str, str], default: str | None = None
) -> None:
    """The sub-parsers of a verb's parts; the one that is called puts its ``run`` into ``part``."""
    kinds = parser.add_subparsers(dest="called", metavar="PART", required=True)
    for name, summary in parts.items():
        try:
            module = import_module(f"{package}.{FILES.get(name, name)}")
        except ModuleNotFoundError as error:
            _without(kinds.add_parser(name, help=summary, description=summary), error)
            continue
        kind = kinds.add_parser(
            name, help=summary, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.arguments(kind)
        kind.set_defaults(part=module.run)
        if name == default:
            parser.epilog = f"where no part is named:\n{kind.format_usage()}"


def _without(kind: argparse.ArgumentParser, error: ModuleNotFoundError) -> None:
    """A part that this install lacks a package for: it is listed, and says so when it is called."""

    def run(args: argparse.Namespace) -> int:
        raise error

    kind.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    kind.set_defaults(part=run)


def with_default(argv: Sequence[str], parts: Mapping[str, str], default: str) -> list[str]:
    """The arguments with the part that is meant where none is named."""
    asked = {*parts, "-h", "--help"}
    return [*argv] if argv and argv[0] in asked else [default, *argv]
