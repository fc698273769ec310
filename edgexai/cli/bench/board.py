"""A board's figures for the machine that this runs on: LiteRT, one thread, timed on models cut to many widths.

Each model is timed whole and with channels cut at random to multiples of --lanes. Cycles a multiply-accumulate, an
element and an operator are fitted to all of these times; the table shows how far the fit is from each model's. For a
board of your own, copy the printed lines into its .toml (docs/boards.md).

examples:
  edgexai bench board kws_int8.tflite ic_int8.tflite ad_int8.tflite --clock 3000 --lanes 8
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgexai.board import KINDS
from edgexai.cli.bench.explain import alternate
from edgexai.cli.options import count, number
from edgexai.cli.table import show
from edgexai.compress.channels.coupling import couple
from edgexai.compress.measure.cost import amounts
from edgexai.compress.prune.shrink import shrink
from edgexai.graph import Graph, load, serialize

Vector = NDArray[np.float64]

TERMS = (*KINDS, "element", "operator")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", help="int8 .tflite models that have the operators of interest")
    parser.add_argument("--clock", type=number(1e-3), default=3000, help="MHz; cycles are in its units (%(default)s)")
    parser.add_argument("--lanes", type=count, default=8, help="cut to multiples of so many channels (%(default)s)")
    parser.add_argument("--cuts", type=count, default=16, help="of each model (%(default)s)")
    parser.add_argument("--runs", type=count, default=200, help="of each cut, all taking turns (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")


def run(args: argparse.Namespace) -> int:
    random = np.random.default_rng(0)
    names, rows, times = [], [], []
    for path in args.models:
        graph = load(path)
        widths = [graph, *(_cut(graph, args.lanes, random) for _ in range(args.cuts))]
        names += [Path(path).stem] * len(widths)
        rows += [[amounts(one)[term] for term in TERMS] for one in widths]
        times += alternate([serialize(one) for one in widths], args.runs)
    measured = np.array(times) * args.clock * 1e3
    cycles = fitted(np.array(rows), measured)
    error = np.array(rows) @ cycles / measured - 1
    found = dict(zip(TERMS, (float(c) for c in cycles), strict=True))
    errors = {name: np.abs(error[[n == name for n in names]]) for name in dict.fromkeys(names)}
    if args.json:
        print(json.dumps({"cycles": found, "error": {name: list(e) for name, e in errors.items()}}))
        return 0
    print("[cycles]")
    print("\n".join(f"{name} = {value:.4g}" for name, value in found.items()) + "\n")
    show(["model", "mean error", "largest"], [[n, f"{e.mean():.1%}", f"{e.max():.1%}"] for n, e in errors.items()])
    return 0


def _cut(graph: Graph, lanes: int, random: np.random.Generator) -> Graph:
    """The graph with its first channels in every group, a random multiple of the lanes."""
    coupling = couple(graph)
    keep = np.ones(coupling.size, bool)
    for group in coupling.groups:
        most = max(1, len(group.labels) // lanes)
        keep[group.labels[lanes * random.integers(1, most + 1) :]] = False
    return shrink(graph, coupling, keep)


def fitted(terms: Vector, measured: Vector) -> Vector:
    """Cycles of each of the ``terms`` (models, TERMS), none below zero, of least squared relative errors."""
    share = terms / measured[:, None]
    used = np.ones(terms.shape[1], bool)
    while True:
        cycles = np.zeros(terms.shape[1])
        cycles[used] = np.linalg.lstsq(share[:, used], np.ones(len(share)))[0]
        if (cycles >= 0).all():
            return cycles
        used &= cycles > 0
