"""List a node no more, until it is heard again; its frames stay.

edgexai fleet forget --store /srv/fleet --fleet line3 --node press7
"""

import argparse
from pathlib import Path

from edgexai.errors import ConfigError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--fleet", required=True, metavar="NAME", help="name of the fleet")
    parser.add_argument("--node", required=True, metavar="NAME", help="name of the node")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.store.journal import Journal

    if not (args.store / "journal.db").is_file():
        raise ConfigError(f"{args.store} is no store; give the directory of a fleet service with --store")
    journal = Journal(args.store)
    try:
        if not journal.forget(args.fleet, args.node):
            raise ConfigError(f"{args.fleet}/{args.node} is not known in {args.store}")
    finally:
        journal.close()
    print(f"{args.fleet}/{args.node} is not listed until it is heard again")
    return 0
