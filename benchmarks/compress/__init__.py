"""Pruning, measured: accuracy and heatmaps over the share of MACs kept, by criterion and repair, over several seeds.

Each seed draws its own unlabelled calibration inputs (so many a predicted class) from --data. Accuracy is measured
on --test, or on --hold-out inputs of --data that this seed uses for nothing else. Heatmaps of the compressed model
are compared with the original's on test inputs: the median correlation, composite edge, class as each predicts;
once as they are, once less the mean heatmap, which shows what is particular to an input. Latency is measured here.
Results are written a line a point as they come, and a file that has some is continued; --show prints its tables.

examples:
  python -m benchmarks compress kws_int8.tflite --data clips.npz --hold-out 300 -o kws.jsonl
  python -m benchmarks compress ic_int8.tflite --data train.npz --test test.npz --repair least_squares -o ic.jsonl
  python -m benchmarks compress --show kws.jsonl --plot kws.png
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import results
from benchmarks.compress.plot import plot
from benchmarks.compress.point import Material, measure, pruned
from edgexai.cli.progress import bar
from edgexai.cli.table import table
from edgexai.compress.prune.criteria import CRITERIA
from edgexai.data import read
from edgexai.errors import ConfigError, DataError
from edgexai.graph import load

KEEPS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
POINT = ("model", "seed", "per_class", "board", "multiple", "repair", "criterion", "keep")
"""What a point is known by."""

TITLES = (
    ("accuracy, %", "accuracy", 100.0),
    ("points of accuracy lost", "lost", 100.0),
    ("MACs, share", "macs", 1.0),
    ("heatmap correlation", "heatmap", 1.0),
    ("heatmap correlation, less the mean heatmap", "specific", 1.0),
    ("latency, share", "latency", 1.0),
)
REPAIRS = ("none", "bias", "least_squares", "distill")
STUDENT = (0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""97.5 % quantile of Student's t by degrees of freedom; 1.96 beyond."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a .tflite model, float or int8")
    parser.add_argument("--data", help="a .npz file with x and y; y is used for measuring alone")
    parser.add_argument("--test", help="a .npz file with x and y to measure on")
    parser.add_argument("--hold-out", type=int, default=0, help="without --test: inputs of --data to measure on")
    parser.add_argument("--per-class", type=int, default=10, help="calibration inputs a class (%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="(%(default)s)")
    parser.add_argument(
        "--keep", type=float, nargs="+", default=KEEPS, help="shares of MACs, with --board of time (0.9 … 0.2)"
    )
    parser.add_argument("--board", help="count the time on a board instead of MACs, in channels of its lanes")
    parser.add_argument("--criterion", nargs="+", choices=list(CRITERIA), default=list(CRITERIA), help="(all)")
    parser.add_argument("--repair", nargs="+", choices=REPAIRS, default=["none"], help="(none)")
    parser.add_argument("--steps", type=int, default=5, help="of least squares before distillation (%(default)s)")
    parser.add_argument("--multiple", type=int, help="channels a layer, in multiples of this (the board's lanes)")
    parser.add_argument("--epochs", type=int, help="of distillation (as many as make 4,000 steps)")
    parser.add_argument("--maps", type=int, default=100, help="test inputs whose heatmaps are compared (%(default)s)")
    parser.add_argument("-o", "--output", help="a file of JSON lines to append results to")
    parser.add_argument("--show", nargs="+", help="print the tables of such files and measure nothing")
    parser.add_argument("--plot", help="with --show: draw accuracy over the MACs kept into this file")
    parser.add_argument("--json", action="store_true", help="print one JSON object a point, no table")


def run(args: argparse.Namespace) -> int:
    if args.show:
        rows = results.read(args.show)
        tables(rows)
        if args.plot:
            plot(rows, args.plot)
        return 0
    if not args.model or not args.data:
        raise ConfigError("there is nothing to measure; give a model and --data, or --show a file of results")
    rows = results.kept(_measured(args), args.output, args.json)
    if not args.json:
        tables(rows)
    return 0


def _measured(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    graph = load(args.model)
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    x, y = labelled(args.data, shape)
    held = labelled(args.test, shape) if args.test else None
    if held is None and not 0 < args.hold_out < len(x):
        raise ConfigError(f"--hold-out must leave inputs of {len(x)} on both sides; or give --test")
    name = Path(args.model).stem
    known = _known(args.output)
    keeps = sorted(args.keep, reverse=True)
    curves = [(repair, criterion) for repair in args.repair for criterion in args.criterion]
    with bar("points") as progress:
        done, whole = 0, args.seeds * len(curves) * len(keeps)
        for seed in range(args.seeds):
            setting = {"model": name, "seed": seed, "per_class": args.per_class}
            setting |= {"board": args.board, "multiple": args.multiple}
            todo = [c for c in curves if not all((*setting.values(), *c, k) in known for k in keeps)]
            done += (len(curves) - len(todo)) * len(keeps)
            if not todo:
                continue
            material = Material.drawn(graph, (x, y), held, args.hold_out, args.per_class, args.maps, seed)
            for repair, criterion in todo:
                made = pruned(material, criterion, repair, keeps, args.steps, args.epochs, args.board, args.multiple)
                for keep, small in zip(keeps, made, strict=True):
                    point = {"repair": repair, "criterion": criterion, "keep": keep}
                    yield {**setting, **point, **measure(material, small)}
                    done += 1
                    progress(done, whole)


def _known(path: str | None) -> set[tuple[Any, ...]]:
    """The points that a file of results holds already."""
    if path is None or not Path(path).exists():
        return set()
    return {tuple(row[field] for field in POINT) for row in results.read([path])}


def labelled(path: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Samples in the model's shape and their labels; DataError if there are none."""
    found = read(path)
    x, y = found.x.reshape(-1, *shape), found.y
    if y is None:
        raise DataError(f"{path} has no labels y; accuracy cannot be measured on it")
    return x, y


def tables(rows: list[dict[str, Any]]) -> None:
    """Print accuracy, what it lost, MACs, heatmap correlation and latency by model, repair and criterion."""
    rows = [{**row, "lost": row["base"] - row["accuracy"]} for row in rows]
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        for title, field, scale in TITLES:
            print(f"\n{title}\n\n{curves(mine, field, scale)}")


def curves(rows: list[dict[str, Any]], field: str, scale: float) -> str:
    """One figure of one model: a line a repair and criterion, a column a share of MACs kept, mean and interval."""
    keeps = sorted({row["keep"] for row in rows}, reverse=True)
    base = np.mean([row["base"] for row in rows])
    groups: dict[tuple[str, str], dict[float, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        groups[row["repair"], row["criterion"]][row["keep"]][row["seed"]] = row[field] * scale
    head = [f"{rows[0]['model']} (whole: {base:.1%})", "seeds", *(f"{k:.0%}" for k in keeps), "mean"]
    return table(head, [_line(*name, found, keeps) for name, found in groups.items()])


def _line(repair: str, criterion: str, found: dict[float, dict[int, float]], keeps: Iterable[float]) -> list[str]:
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in found.values())))
    means = [float(np.mean([by_seed[s] for by_seed in found.values()])) for s in seeds]
    cells = [interval(list(found[k].values())) if k in found else "" for k in keeps]
    return [f"{repair}, {criterion}", str(len(seeds)), *cells, interval(means)]


def interval(values: list[float]) -> str:
    """Mean and half width of its 95 % confidence interval."""
    if not values:
        return ""
    digits = 1 if max(map(abs, values)) > 1 else 2
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    free = len(values) - 1
    half = (STUDENT[free] if free < len(STUDENT) else 1.96) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"
