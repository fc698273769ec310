"""Heatmaps in few bytes: against other codecs at equal likeness, and what is left of their faithfulness.

Each --on takes a model and its data. Maps are those of the class that the model predicts. Results are appended to
-o a line at a time; --show prints tables of such files, --plot draws them. --tag takes the demo's digits instead:
what few bytes do to the share of relevance on the planted tag.

examples:
  edgexai bench heatmap --on kws_int8.tflite kws.npz --on ic_int8.tflite cifar.npz -o results.jsonl
  edgexai bench heatmap --on net96.tflite test96.npz --composite epsilon --only bytes rivals
  edgexai bench heatmap --tag demo-report/work/explainer.tflite -o results.jsonl
  edgexai bench heatmap --show results.jsonl --plot docs
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edgexai.cli.bench import results
from edgexai.cli.data import samples
from edgexai.compress.execute import quantized
from edgexai.device.explainer import Explainer
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import attach

Array = NDArray[Any]
Row = dict[str, Any]

KINDS = ("faithfulness", "cosine", "bytes", "rivals")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--on", nargs=2, action="append", default=[], metavar=("MODEL", "DATA"), help=".tflite and .npz"
    )
    parser.add_argument("--composite", action="append", help="which relevance (epsilon_plus_flat)")
    parser.add_argument("--samples", type=int, default=500, help="maps of each model (%(default)s)")
    parser.add_argument("--rivals", type=int, default=100, help="maps that the other codecs get (%(default)s)")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, help="(all)")
    parser.add_argument("--budgets", type=int, nargs="+", help="of faithfulness (32 51 64 100 222)")
    parser.add_argument("--tag", help="an explainer of the demo's digits: relevance on the planted tag")
    parser.add_argument("-o", "--output", help="a file of JSON lines to append results to")
    parser.add_argument("--show", nargs="+", help="print the tables of such files and measure nothing")
    parser.add_argument("--plot", help="with --show: a directory for the plots")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, no table")


def run(args: argparse.Namespace) -> int:
    from edgexai.cli.bench.heatmap_report import plots, tables

    if args.show:
        rows = results.read(args.show)
        tables(rows)
        if args.plot:
            plots(rows, Path(args.plot))
        return 0
    if not args.on and not args.tag:
        raise ConfigError("there is nothing to measure; give --on MODEL DATA, --tag, or --show a file of results")
    rows = results.kept(_measured(args), args.output, args.json)
    if not args.json:
        tables(rows)
    return 0


def _measured(args: argparse.Namespace) -> Iterator[Row]:
    from edgexai.cli.bench.heatmap_faithful import BUDGETS, faithfulness
    from edgexai.cli.bench.heatmap_rate import likeness, ours, theirs

    for model, data in args.on:
        graph = load(model)
        x, fill = _inputs(graph, data, args.samples)
        for composite in args.composite or ["epsilon_plus_flat"]:
            maps = _maps(graph, composite, x, f"{Path(model).stem} {composite}", args.json)
            parts: dict[str, Callable[[], Iterable[Row]]] = {
                "faithfulness": partial(faithfulness, graph, x, fill, maps, args.budgets or BUDGETS),
                "cosine": partial(likeness, maps),
                "bytes": partial(ours, maps),
                "rivals": partial(theirs, maps[: args.rivals]),
            }
            for kind in args.only:
                for row in parts[kind]():
                    yield {"model": Path(model).stem, "composite": composite, "shape": list(maps.shape[1:]), **row}
    if args.tag:
        yield from _tagged(args.tag, args.samples)


def _inputs(graph: Graph, data: str, count: int) -> tuple[Array, Array]:
    """Inputs (N, rows, columns, channels) drawn at random, as the model takes them, and their mean."""
    x = quantized(graph, samples(data)[0])
    fill = np.asarray(np.rint(x.mean(0)) if x.dtype.kind in "iu" else x.mean(0), x.dtype)
    return x[np.random.default_rng(0).permutation(len(x))[:count]], fill


def _maps(graph: Graph, composite: str, x: Array, title: str, quiet: bool) -> NDArray[np.float32]:
    explain = Explainer(serialize(attach(graph, composite)))
    found = np.stack([explain(one).relevance for one in track(x, description=title, disable=quiet)])
    return np.asarray(found.reshape(x.shape[:3]), np.float32)


def _tagged(explainer: str, count: int) -> Iterator[Row]:
    from edgexai.cli.bench.heatmap_faithful import BUDGETS, coded, corner
    from edgexai.cli.demo import digits

    explain = Explainer(explainer)
    data = digits.load(0)
    for title, images in (("tagged", digits.with_tag(data.test)), ("untagged", data.test)):
        maps = np.stack([explain(one).relevance.reshape(28, 28) for one in images[:count]])
        true = corner(maps, digits.CORNER_REGION)
        for budget in BUDGETS:
            found = corner(coded(maps, budget), digits.CORNER_REGION)
            yield {
                "model": Path(explainer).stem,
                "what": "corner",
                "images": title,
                "n": len(maps),
                "budget": budget,
                "true": float(true.mean()),
                "share": float(found.mean()),
                "typical_error": float(np.median(np.abs(found - true))),
            }
