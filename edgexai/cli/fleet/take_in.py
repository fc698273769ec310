"""Store the frames of files: what `edgexai agent --to` wrote, or .npz with `frames` and `length`.

A file is taken in once, however often it is given.

  edgexai fleet import line3.frames more.npz --store /srv/fleet
"""

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of `edgexai agent --to`, or .npz")
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.ingest.offline import take_in
    from edgexai.fleet.store.store import Store

    for path in args.files:
        with path.open("rb"):  # before a store is made for what is not there
            pass
    store = Store(args.store)
    try:
        for path in args.files:
            new, count = take_in(path, store.journal)
            print(f"{path}: {count} frames, {new} of them new")
    finally:
        store.close()
    return 0
