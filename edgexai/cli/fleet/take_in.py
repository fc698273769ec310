"""Store the frames of files: what `edgexai agent --to` wrote, or .npz with `frames` and `length`.

A file is taken in once, however often it is given. One that cannot be read does not keep the others out.

  edgexai fleet import line3.frames more.npz --store /srv/fleet
"""

import argparse
import sys
from pathlib import Path

from edgexai.errors import DataError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of `edgexai agent --to`, or .npz")
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.ingest.offline import take_in
    from edgexai.fleet.store.store import Store

    for path in args.files:
        with path.open("rb"):  # before a store is made for what is not there
            pass
    store, failed = Store(args.store), False
    try:
        for path in args.files:
            try:
                said = take_in(path, store.journal)
            except DataError as error:  # the other files are still worth having
                failed = True
                print(f"edgexai fleet: {error}", file=sys.stderr)
                continue
            print(f"{path}: {said.count} frames, {said.new} of them new")
            if said.refused:
                print(f"{path}: {said.refused} more cannot be read; the first: {said.why}", file=sys.stderr)
    finally:
        store.close()
    return int(failed)
