"""Print what the store's frames say, the most urgent first.

Shortcuts, bias between declared groups, drift (against the frames from --baseline up to --since; with --baseline alone,
against those before it; without it, changes over time), nodes that leave their peers (in maps, conservation
or latency), models that give other reasons.

  edgexai fleet analyse --store /srv/fleet
  edgexai fleet analyse --store /srv/fleet --since 24h --baseline 7d
  edgexai fleet analyse --store /srv/fleet --confirm explainer.tflite --samples samples.npz
  edgexai fleet analyse --store /srv/fleet --at 2d                   # what would have been said two days ago
  edgexai fleet analyse … --store /srv/fleet --spark local[2]

With --confirm, suspected shortcuts are tried on samples that are at hand: what suspected samples are recognised by is
put into others. Nodes do the same by the command `probe`; what they found is shown too.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgexai.cli.fleet.options import filled_store, moment
from edgexai.cli.options import count_or_none
from edgexai.errors import ConfigError

if TYPE_CHECKING:
    from edgexai.cli.fleet.confirm import Seen
    from edgexai.fleet.analysis.finding import Finding
    from edgexai.intervention.trial import Outcome


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, default=Path("fleet-store"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--since", metavar="WHEN", help="frames from 24h before the newest, or from a date on")
    parser.add_argument("--baseline", metavar="WHEN", help="drift against frames from then on (or A..B)")
    parser.add_argument("--until", metavar="WHEN", help="frames up to then")
    parser.add_argument(
        "--at", metavar="WHEN", help="as it was then: frames that had arrived (since, until: explained)"
    )
    parser.add_argument("--version", type=count_or_none, metavar="N", help="as it was at that version of the table")
    parser.add_argument("--spark", metavar="MASTER", help="compute on Spark: local[2], spark://HOST:7077, yarn …")
    parser.add_argument("--rate", type=float, default=0.1, help="share of findings that may be false (%(default)s)")
    parser.add_argument("--confirm", type=Path, metavar="MODEL", help="explainer file that tries suspected shortcuts")
    parser.add_argument("--samples", type=Path, metavar="DATA", help="on these samples: any that edgexai reads")
    parser.add_argument("--suspicions", action="store_true", help="show those too that want a trial to be sure")
    parser.add_argument("--json", action="store_true", help="findings as a JSON list")


def run(args: argparse.Namespace) -> int:
    """Print the findings, the most urgent first."""
    from edgexai.cli.fleet.coverage import gaps, looked_at
    from edgexai.fleet.analysis.analyse import analysed
    from edgexai.fleet.latencies import slow_nodes
    from edgexai.fleet.read import Span, count, evidence, newest
    from edgexai.fleet.tried import tried
    from edgexai.fleet.ways import otherwise

    if (args.confirm is None) != (args.samples is None):
        raise ConfigError("--confirm and --samples belong together: an explainer file, and what it is tried on")
    if not 0 < args.rate < 1:
        raise ConfigError(f"--rate takes a share between 0 and 1, not {args.rate}")
    filled_store(args.store)
    last = newest(args.store)
    since = -float("inf") if args.since is None else moment(args.since, last)
    until = float("inf") if args.until is None else moment(args.until, last)
    arrived = float("inf") if args.at is None else moment(args.at, last)
    begin, end = -float("inf"), since
    if args.baseline is not None:
        first, dots, second = args.baseline.partition("..")
        if dots:
            begin, end = moment(first, last) if first else begin, moment(second, last) if second else since
        elif args.since is None:
            end = since = moment(first, last)
        else:
            begin = moment(first, last)
    now = Span(since, until, arrived, version=args.version)
    before = None if args.baseline is None else Span(begin, end, arrived, version=args.version)
    verdicts: list[str] = []
    seen = None if args.confirm is None else _seen(args.confirm, args.samples)

    def here(finding: "Finding") -> "Outcome | None":
        own = None if seen is None else seen.worth(finding.model, finding.probe, finding.p)
        verdicts.extend([] if own is None else [own.verdict])
        return own

    known = tried(args.store, here)
    models = None
    if args.spark is not None:
        from edgexai.fleet.spark import on_spark

        found = on_spark(args.spark, args.store, (now, before), args.rate, known, args.suspicions)
    else:
        earlier = [] if before is None else evidence(args.store, before)
        models = evidence(args.store, now)
        if seen is not None and models and seen.model not in (names := [one.model for one in models]):
            raise ConfigError(
                f"{args.confirm} explains model {seen.model}, and the frames are of {', '.join(names[:5])}; "
                "give the explainer that the nodes run"
            )
        found = analysed(models, earlier, args.rate, known, args.suspicions, slow_nodes(args.store, now))
    found = otherwise(args.store, found)
    there = count(args.store, now)
    for gap in gaps(args.store, now, before, None if models is None else sum(map(len, models))):
        print(f"edgexai fleet: {gap}", file=sys.stderr)
    if args.json:
        print(json.dumps([finding.as_json() for finding in found], indent=1))
        return 0
    for finding in found:
        of = f"{finding.kind}, model {finding.model}" + ("" if finding.target is None else f", class {finding.target}")
        print(f"{finding.severity.upper():<6}  {of}\n        {finding.text}\n        {finding.next}")
    if there and not found:
        print(f"nothing that a fleet without faults would not show too (false-discovery rate {args.rate:.0%})")
    if seen is not None:
        print(f"tried on {len(seen.x)} samples: suspicions {len(verdicts)}, confirmed {verdicts.count('confirmed')}")
    if models:
        print(looked_at(there, models))
    return 0


def _seen(model: Path, data: Path) -> "Seen":
    from edgexai.cli.fleet.confirm import Seen  # which needs a runtime of models

    return Seen.of(model, data)
