"""Make a damaged journal anew: what it and the table hold is saved.

edgexai fleet repair --store /srv/fleet
"""

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.store.repair import repair

    done = repair(args.store)
    print(f"{done.archived} frames in the table, {done.saved} saved from the journal, {done.unreadable} unreadable")
    for path in done.set_aside:
        print(f"{path} does not count any more: it is damaged (now in {args.store / 'aside'})")
    print(f"the old journal is kept as {done.old}")
    return 0
