"""Models over the air, measured: bytes of the .exq, accuracy and heatmaps by the price of a bit, over several seeds.

Each seed draws its own unlabelled calibration inputs (so many a predicted class) from --data; accuracy is measured on
--test, or on --hold-out inputs of --data that this seed uses for nothing else. Restored files are compared byte by
byte. --plain weighs all channels alike, where the others go by relevance. With --keep the model is first pruned to a
share of its MACs, or of its time on a --board, refitted on ten inputs a class and distilled from itself on all that
--data has for this seed.

examples:
  python -m benchmarks transit kws_int8.tflite --data clips.npz --hold-out 300
  python -m benchmarks transit ic_int8.tflite --data train.npz --test test.npz --price 1e-6 3e-6
  python -m benchmarks transit ic_int8.tflite --data train.npz --test test.npz --keep 0.6 --epochs 100 --price 1e-6
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import results
from benchmarks.compress import interval, labelled
from benchmarks.compress.point import Material, pruned
from edgexai.cli.progress import bar
from edgexai.cli.table import table
from edgexai.compress.measure.accuracy import accuracy
from edgexai.compress.measure.fidelity import correlation, heatmaps
from edgexai.compress.measure.profile import profile_relevance
from edgexai.compress.quantize.cluster import cluster
from edgexai.compress.quantize.exq import four_bytes_each, in_transit
from edgexai.errors import ConfigError, ModelError
from edgexai.graph import load, serialize
from edgexai.graph.strip import lean
from edgexai.transit import restore

PRICES = (2e-6, 5e-6, 1e-5, 2e-5)
FEW, STEPS = 10, 5
"""Inputs a class, and steps, of the refit before distillation."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="an int8 .tflite model")
    parser.add_argument("--data", required=True, help="a .npz file with x and y; y is used for measuring alone")
    parser.add_argument("--test", help="a .npz file with x and y to measure on")
    parser.add_argument("--hold-out", type=int, default=0, help="without --test: inputs of --data to measure on")
    parser.add_argument("--per-class", type=int, default=30, help="calibration inputs a class (%(default)s)")
    parser.add_argument("--seeds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--price", type=float, nargs="+", default=PRICES, help="prices of a bit")
    parser.add_argument("--bits", type=int, default=5, help="of the codebooks (%(default)s)")
    parser.add_argument("--keep", type=float, help="prune to this share of the MACs and distill first")
    parser.add_argument("--board", help="let --keep be of the time on a board, with channels in multiples of its lanes")
    parser.add_argument("--multiple", type=int, help="channels a layer, in multiples of this (the board's lanes)")
    parser.add_argument("--epochs", type=int, help="of distillation (as many as make 4,000 steps)")
    parser.add_argument("--plain", action="store_true", help="weigh all channels alike")
    parser.add_argument("--maps", type=int, default=60, help="test inputs whose heatmaps are compared (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a point, no table")


def run(args: argparse.Namespace) -> int:
    rows = results.kept(_measured(args), None, args.json)
    if not args.json:
        print(by_price(rows))
    return 0


def _measured(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    graph = load(args.model)
    shape = graph.tensors[graph.inputs[0]].shape[1:]
    data = labelled(args.data, shape)
    held = labelled(args.test, shape) if args.test else None
    if held is None and not 0 < args.hold_out < len(data[0]):
        raise ConfigError(f"--hold-out must leave inputs of {len(data[0])} on both sides; or give --test")
    size = Path(args.model).stat().st_size
    with bar("points") as progress:
        for seed in range(args.seeds):
            material = Material.drawn(graph, data, held, args.hold_out, args.per_class, args.maps, seed)
            source, profile = graph, material.profile
            if args.keep is not None:
                few = Material.drawn(graph, data, held, args.hold_out, FEW, 1, seed)
                source = next(
                    pruned(few, "relevance", "distill", [args.keep], STEPS, args.epochs, args.board, args.multiple)
                )
                profile = profile_relevance(source, material.few)
            for n, price in enumerate(args.price, 1):
                small = lean(cluster(source, material.few, price, args.bits, profile, is_plain=args.plain))
                packed, file = in_transit(small), serialize(small)
                if restore(packed) != file:
                    raise ModelError("the restored model is not the one that was packed; please report this")
                yield {
                    "model": Path(args.model).stem,
                    "seed": seed,
                    "price": price,
                    "runnable": len(file),
                    "transit": len(packed),
                    "times_float": four_bytes_each(graph) / len(packed),
                    "times_int8": size / len(packed),
                    "base": material.base,
                    "accuracy": accuracy(small, *material.test),
                    "heatmap": correlation(material.maps, heatmaps(small, material.test[0][: len(material.maps)])),
                }
                progress(seed * len(args.price) + n, args.seeds * len(args.price))


FIELDS = ("transit", "times_float", "times_int8", "accuracy", "heatmap")


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a price: means over its seeds, and the points of accuracy that are lost with their 95 % interval."""
    found = []
    for price in dict.fromkeys(row["price"] for row in rows):
        mine = [row for row in rows if row["price"] == price]
        lost = interval([100 * (row["base"] - row["accuracy"]) for row in mine])
        mean = {name: float(np.mean([row[name] for row in mine])) for name in FIELDS}
        found.append({"price": price, "seeds": len(mine), "lost": lost, **mean})
    return found


def by_price(rows: list[dict[str, Any]]) -> str:
    """Bytes and accuracy, a line a price; of rows a seed, or of their `means`."""
    head = ["price of a bit", "seeds", "bytes in transit", "× of float32", "× of int8", "accuracy, %", "points lost"]
    cells = []
    for row in rows if all("seeds" in row for row in rows) else means(rows):
        sizes = [f"{row['transit']:,.0f}", f"{row['times_float']:.1f}", f"{row['times_int8']:.1f}"]
        rest = [f"{100 * row['accuracy']:.1f}", row["lost"], f"{row['heatmap']:.3f}"]
        cells.append([f"{row['price']:g}", str(row["seeds"]), *sizes, *rest])
    return table([*head, "heatmaps"], cells)
