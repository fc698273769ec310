"""List a node no more, until it is heard again; with --frames or --before, delete frames for good.

What is deleted is gone from the disk and for looks back, too; frames that are sent again do not come back.

  edgexai fleet forget --store /srv/fleet --fleet line3 --node press7             # its frames stay
  edgexai fleet forget --store /srv/fleet --fleet line3 --node press7 --frames    # they go as well
  edgexai fleet forget --store /srv/fleet --before 90d                            # all that arrived earlier
"""

import argparse
import time
from pathlib import Path

from edgexai.cli.fleet.options import moment
from edgexai.errors import ConfigError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--fleet", metavar="NAME", help="name of the fleet")
    parser.add_argument("--node", metavar="NAME", help="name of the node")
    parser.add_argument("--frames", action="store_true", help="delete its frames, too (without --node, of the fleet)")
    parser.add_argument("--before", metavar="WHEN", help="delete the frames that arrived 90d ago, or before a date")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.store.store import Store

    if not (args.store / "journal.db").is_file():
        raise ConfigError(f"{args.store} is no store; give the directory of a fleet service with --store")
    if args.before is None and (args.fleet is None or (args.node is None and not args.frames)):
        raise ConfigError("say who is forgotten: --fleet and --node; or --before WHEN, which frames are deleted")
    if args.node is not None and args.fleet is None:
        raise ConfigError("--node wants the --fleet that it belongs to")
    before = None if args.before is None else moment(args.before, time.time())
    store = Store(args.store)
    try:
        known = before is not None or args.node is None or store.journal.forget(args.fleet, args.node)
        gone = store.erase(args.fleet, args.node, before) if args.frames or before is not None else None
        if not known and not gone:
            raise ConfigError(f"{args.fleet}/{args.node} is not known in {args.store}")
    finally:
        store.close()
    if before is None and args.node is not None:
        print(f"{args.fleet}/{args.node} is not listed until it is heard again")
    if gone is not None:
        print(f"{gone} frames are deleted")
    return 0
