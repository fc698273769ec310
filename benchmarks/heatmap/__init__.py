"""Heatmaps in few bytes: against other codecs at equal likeness, what is left of their faithfulness, and why so coded.

Each --on takes a model and its data. Maps are those of the class that the model predicts; inputs that are not
measured serve to learn from. Results are appended to -o a line at a time; --show prints tables of such files, --plot
draws them.

examples:
  python -m benchmarks heatmap --on kws_int8.tflite kws.npz --on ic_int8.tflite cifar.npz -o results.jsonl
  python -m benchmarks heatmap --on net96.tflite net96.npz --only faithfulness --against WebP zfp -o results.jsonl
  python -m benchmarks heatmap --on net96.tflite net96.npz --composite epsilon --only bytes rivals
  python -m benchmarks heatmap --on digits.tflite digits.npz --only basis basis_gain --budgets 64
  python -m benchmarks heatmap --on ic_int8.tflite cifar.npz --only transforms order bound references
  python -m benchmarks heatmap --tag digits.tflite --composite epsilon_plus_flat --composite "epsilon(0.25)"
  python -m benchmarks heatmap --show results.jsonl --plot docs
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import results
from edgexai.errors import ConfigError

Row = dict[str, Any]

MAIN = ("bytes", "cosine", "faithfulness", "rivals")
CHOICES = ("basis", "basis_gain", "transforms", "order", "bound", "references", "speed")
RIVALS = ("WebP", "zfp", "blosc2 zstd", "JPEG XL", "JPEG", "PNG", "AVIF")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on", nargs=2, action="append", default=[], metavar=("MODEL", "DATA"), help=".tflite and .npz"
    )
    parser.add_argument("--composite", action="append", help="which relevance (epsilon_plus_flat)")
    parser.add_argument("--samples", type=int, default=500, help="maps of each model (%(default)s)")
    parser.add_argument("--rivals", type=int, default=100, help="maps that the other codecs get (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=MAIN + CHOICES, default=MAIN, help=f"({' '.join(MAIN)})")
    parser.add_argument("--budgets", type=int, nargs="+", help="of faithfulness, basis and order (32 51 … 512)")
    parser.add_argument("--against", nargs="+", choices=RIVALS, help="which others (faithfulness: none; rivals: all)")
    parser.add_argument("--teacher", nargs=2, metavar=("MODEL", "DATA"), help="for transforms: learn a basis there too")
    parser.add_argument("--tag", help="the demo's network: relevance on the planted tag")
    parser.add_argument("-o", "--output", help="a file of JSON lines to append results to")
    parser.add_argument("--show", nargs="+", help="print the tables of such files and measure nothing")
    parser.add_argument("--plot", help="with --show: a directory for the plots")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, no table")


def run(args: argparse.Namespace) -> int:
    from benchmarks.heatmap.report import tables

    if args.show:
        rows = results.read(args.show)
        tables(rows)
        if args.plot:
            from benchmarks.heatmap.plot import plots

            plots(rows, Path(args.plot))
        return 0
    if not args.on and not args.tag:
        raise ConfigError("there is nothing to measure; give --on MODEL DATA, --tag, or --show a file of results")
    rows = results.kept(_measured(args), args.output, args.json)
    if not args.json:
        tables(rows)
    return 0


def _measured(args: argparse.Namespace) -> Iterator[Row]:
    from benchmarks.heatmap.case import Case, case
    from benchmarks.heatmap.faithful import BUDGETS, faithfulness
    from benchmarks.heatmap.rate import likeness, ours, theirs

    budgets = args.budgets or BUDGETS
    composites = args.composite or ["epsilon_plus_flat"]
    model, data = args.teacher or ("", "")
    teacher = case(model, data, composites[0], args.samples, args.json) if args.teacher else None
    kinds: dict[str, Callable[[Case], Iterable[Row]]] = {
        "bytes": lambda one: ours(one.maps),
        "cosine": lambda one: likeness(one.maps),
        "faithfulness": lambda one: faithfulness(one, budgets, args.against or ()),
        "rivals": lambda one: theirs(one.maps[: args.rivals], args.against or RIVALS),
        **_choices(budgets, teacher),
    }
    for model, data in args.on:
        for composite in composites:
            one = case(model, data, composite, args.samples, args.json)
            for kind in args.only:
                for row in kinds[kind](one):
                    yield {"model": one.model, "composite": composite, "shape": list(one.maps.shape[1:]), **row}
    if args.tag:
        from benchmarks.heatmap.tag import tag
        from edgexai.graph import load

        for composite in composites:
            for row in tag(load(args.tag), composite, args.samples):
                yield {"model": Path(args.tag).stem, "composite": composite, **row}


def _choices(budgets: Iterable[int], teacher: Any) -> dict[str, Callable[[Any], Iterable[Row]]]:
    """What was compared when the coder was chosen, and what is left to win."""
    from benchmarks.heatmap.bound import bound
    from benchmarks.heatmap.learned import gains, sizes
    from benchmarks.heatmap.order import order
    from benchmarks.heatmap.references import references
    from benchmarks.heatmap.speed import speed
    from benchmarks.heatmap.transforms import transforms

    return {
        "basis": sizes,
        "basis_gain": lambda one: gains(one, budgets),
        "transforms": lambda one: transforms(one, teacher),
        "order": lambda one: order(one, budgets),
        "bound": bound,
        "references": references,
        "speed": speed,
    }
