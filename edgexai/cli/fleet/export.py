"""Write a store's frames for others: as tables, arrays, or projects of ViRelAy.

  edgexai fleet export --store /srv/fleet --parquet frames.parquet --csv frames.csv
  edgexai fleet export --store /srv/fleet --since 7d --hdf5 frames.h5
  edgexai fleet export --store /srv/fleet --virelay projects          # then: virelay projects/*/project.yaml
  edgexai fleet export --store /srv/fleet --delta exported            # or s3://BUCKET/NAME

Maps and concepts are decoded. A Delta table gets what it does not have yet; the other files are written anew. The store
itself holds frames as a Delta table, too, in its folder `frames`.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edgexai.cli.fleet.options import filled_store, moment
from edgexai.cli.options import count, new_path, new_place
from edgexai.errors import ConfigError

if TYPE_CHECKING:
    from edgexai.fleet.read import Span


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--since", metavar="WHEN", help="frames from 24h before the newest, or from a date on")
    parser.add_argument("--until", metavar="WHEN", help="and up to then")
    parser.add_argument("--parquet", type=new_path, metavar="FILE", help="a row a frame, with its map")
    parser.add_argument("--csv", type=new_path, metavar="FILE", help="a line a frame, without its map")
    parser.add_argument("--hdf5", type=new_path, metavar="FILE", help="arrays, a group a model")
    parser.add_argument("--delta", metavar="URL", help="a Delta table, in a folder or s3://BUCKET/NAME")
    parser.add_argument("--virelay", type=new_place, metavar="DIR", help="a folder a model, as ViRelAy opens it")
    parser.add_argument(
        "--newest", type=count, default=5000, metavar="N", help="frames a model for ViRelAy (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    from edgexai.fleet.export.tables import as_csv, delta, parquet
    from edgexai.fleet.read import Span, decoded, newest

    filled_store(args.store)
    last = newest(args.store) if args.since or args.until else time.time()
    since = -float("inf") if args.since is None else moment(args.since, last)
    until = float("inf") if args.until is None else moment(args.until, last)
    if not any((args.parquet, args.csv, args.hdf5, args.delta, args.virelay)):
        raise ConfigError("say what to write: --parquet, --csv, --hdf5, --delta or --virelay")
    span = Span(since, until)
    frames = partial(decoded, args.store, span)
    if args.parquet is not None:
        print(f"{args.parquet}: {parquet(frames(), args.parquet)} frames")
    if args.csv is not None:
        print(f"{args.csv}: {as_csv(frames(), args.csv)} frames")
    if args.delta is not None:
        print(f"{args.delta}: {delta(frames(), args.delta)} frames that were not in it")
    if args.hdf5 is not None:
        from edgexai.fleet.export.hdf5 import hdf5

        print(f"{args.hdf5}: {hdf5(frames(), args.hdf5)} frames")
    if args.virelay is not None:
        _projects(args, span)
    return 0


def _projects(args: argparse.Namespace, span: "Span") -> None:
    import numpy as np

    from edgexai.fleet.export.virelay import virelay
    from edgexai.fleet.read import evidence
    from edgexai.fleet.store.labels import labels

    models = evidence(args.store, span)
    if not models:
        print(f"{args.virelay}: 0 frames, so no project")
    for one in models:
        kept = one.where(np.arange(len(one))[-args.newest :])
        virelay(kept, args.virelay / one.model, labels(args.store, one.model))
        print(f"{args.virelay / one.model / 'project.yaml'}: {len(kept)} frames")
