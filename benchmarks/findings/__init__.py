"""What the fleet's analyses find: recall and false alarms on networks with a planted shortcut, members, bias, sickness.

Trains a network for every artefact, data set and seed (`cases.py`), unless its files are in the directory already, and
writes one JSON line a stream. Seeds 0 and 1 chose the method and its null distribution; ten and more chose nothing.

examples:
  python -m benchmarks findings --data mnist --data digits --seed 10 --seed 11 -o findings
  python -m benchmarks findings --data mnist --data digits --data cifar --seed 20 --trials -o findings
  python -m benchmarks findings --measure sick --data mnist --seed 20 -o findings
  python -m benchmarks findings --measure sick --data mnist --seed 10 --teach sickness.csv -o findings
"""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.findings import bias, drift, shortcuts, sick, slow, trials
from benchmarks.findings.cases import artefacts, make, read
from benchmarks.findings.shortcuts import USED

Table = Callable[[list[dict[str, Any]]], str]
TABLES: dict[str, dict[str, Table]] = {
    "shortcuts": {"shortcuts": shortcuts.overall, "artefacts": shortcuts.by_artefact},
    "trials": {"trials": trials.table, "possible": trials.possible},
    "sick": {"sick": sick.table, "confused": sick.confused},
    "slow": {"slow": slow.table},
    "drift": {"drift": drift.table},
    "bias": {"bias": bias.table},
}
"""Of what is measured: the tables for terminal and page, by their names in docs/findings.md."""
MEASURES = tuple(measure for measure in TABLES if measure != "trials")  # those are of shortcuts


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--measure", choices=MEASURES, default="shortcuts", help="(%(default)s)")
    parser.add_argument("--data", action="append", choices=("mnist", "digits", "cifar", "kws"), help="(mnist)")
    parser.add_argument("--seed", action="append", type=int, help="of network, split and class (10, 11, 12)")
    parser.add_argument("--artefact", action="append", help="only these, or `clean` (clean and all that the data have)")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="where data/cifar10_*.npz lie")
    parser.add_argument("--trials", action="store_true", help="try what is found by intervention, too (long)")
    parser.add_argument("--teach", type=Path, help="of `sick`: cases that are not measured, their signs to this file")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, no table")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of networks and results")


def run(args: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    args.output.mkdir(parents=True, exist_ok=True)
    name = "findings" if args.measure == "shortcuts" else args.measure
    with (args.output / f"{name}.jsonl").open("w") as file:
        for row in slow.fleets() if args.measure == "slow" else of_networks(args):
            rows.append(row)
            print(json.dumps(row), file=file, flush=True)
            if args.json:
                print(json.dumps(row), flush=True)
    if args.teach:
        args.teach.write_text(sick.taught(rows), "utf-8")
    if args.json:
        return 0
    shown = [args.measure, *["trials"] * args.trials]
    print("\n\n".join(table(rows) for measure in shown for table in TABLES[measure].values()))
    return 0


def of_networks(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The rows of every data set, seed and artefact."""
    for data in args.data or ["mnist"]:
        for seed in args.seed or [10, 11, 12]:
            all_of = ["clean"] if args.measure == "sick" else ["clean", *artefacts(data)]
            for artefact in args.artefact or all_of:
                path = make(data, artefact, seed, args.output, args.shared)
                yield from sick.cases(path, sick.TAUGHT) if args.teach else measured(args.measure, path, args.trials)


def measured(what: str, path: Path, tried: bool) -> Iterator[dict[str, Any]]:
    """The rows of one network."""
    if what == "sick":
        for row in sick.cases(path):
            yield {key: value for key, value in row.items() if key != "signs"}  # they are for `--teach`
    elif what == "drift":
        yield from drift.streams(path, USED)
    elif what == "shortcuts":
        yield from shortcuts.streams(path, tried)
    else:
        about = read(path)[0]
        if about["artefact"] != "clean" and about["fooled"] >= USED:
            yield from bias.draws(path)
