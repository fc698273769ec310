"""Add the relevance pass to a .tflite model: it predicts bit for bit as before and says why.

examples:
  edgexai attach kws_int8.tflite -o kws_explain.tflite
  edgexai attach vww.tflite -o vww_explain.tflite --composite epsilon_plus --grid 12x12
  edgexai attach kws_int8.tflite -o on.tflite --target 3 --channels keep
  edgexai attach kws_int8.tflite -o mine.tflite --composite mine.toml
  edgexai attach kws_int8.tflite -o best.tflite --composite auto --data clips.npz
  edgexai attach kws_int8.tflite -o both.tflite --signatures
  edgexai attach kws_int8.tflite -o what.tflite --concepts auto
  edgexai attach kws_int8.tflite -o fast.tflite --precision auto --for litert
  edgexai attach vww.tflite --list-grids      (and what each costs in time, MACs, bytes and RAM)
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from edgexai.cli.grid_table import costs, print_table
from edgexai.cli.options import count, new_file
from edgexai.cli.progress import bar
from edgexai.cli.samples import input_of
from edgexai.cli.sizes import rows_by_columns
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load, serialize, settled, unrolled, with_predict
from edgexai.graph.write import write
from edgexai.relevance import attach
from edgexai.relevance.attach import METADATA


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the .tflite model that is deployed")
    parser.add_argument("-o", "--output", type=new_file, help="where the explainer file goes")
    parser.add_argument(
        "--composite", default="edge", help="which rules: a name, a .toml file, or auto with --data (%(default)s)"
    )
    parser.add_argument("--data", help="samples, without labels, that --composite auto measures composites on")
    parser.add_argument(
        "--target",
        default="predicted",
        metavar="WHAT",
        help='"predicted" (%(default)s), "predicted-vs-rest" or "predicted-vs-second" (against the other classes), an '
        'index, "box" or "box(input)" (of a detector), "mask" or "mask(3)" (of a segmentation, of its class 3), '
        '"input" (weights come with each sample), "error" (of an autoencoder)',
    )
    parser.add_argument("--head", default="0", help="which output of a model with several, by number or name")
    parser.add_argument("--grid", help="stop at the inner map nearest to ROWSxCOLUMNS")
    parser.add_argument("--channels", default="sum", choices=["sum", "keep"], help="one map, or one a channel")
    parser.add_argument(
        "--precision", default="float32", choices=["float32", "int8", "auto"], help="int8 for LiteRT 2; auto: measured"
    )
    parser.add_argument(
        "--for", dest="runtime", choices=["litert", "tflite-runtime", "micro"], help="whose precision auto chooses"
    )
    parser.add_argument("--absorbed", action="store_true", help="also what biases took of the relevance")
    parser.add_argument("--concepts", nargs="+", metavar="MAP", help='also which channels: "auto", or names of maps')
    parser.add_argument("--shape", nargs="+", metavar="1xROWSx…", help="of each input, where the file leaves it open")
    parser.add_argument(
        "--steps", type=count, help="explain a streaming model over its last steps, in one file of them all"
    )
    parser.add_argument("--signatures", action="store_true", help="predict and explain in one file, for LiteRT")
    parser.add_argument("--list-grids", action="store_true", help="show where relevance can stop, and what each costs")
    parser.add_argument("--json", action="store_true", help="the list of grids as JSON")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    graph = settled(graph, [_shape(text) for text in args.shape]) if args.shape else graph
    graph = graph if args.steps is None else unrolled(graph, args.steps)
    target = int(args.target) if args.target.removeprefix("-").isdecimal() else args.target
    head = int(args.head) if args.head.isdecimal() else args.head
    precision = _precision(args)
    if args.list_grids:
        rows = costs(graph, args.composite, target, head, precision)
        print(json.dumps(rows)) if args.json else print_table(rows)
        return 0
    if not args.output:
        raise ConfigError("nothing says where the explainer goes; add -o FILE.tflite")
    composite = _chosen(args, graph, precision) if args.composite == "auto" else args.composite
    grid, concepts = rows_by_columns(args.grid), "auto" if args.concepts == ["auto"] else args.concepts
    explain = attach(graph, composite, target, grid, args.channels, head, precision, concepts, args.absorbed)
    data = serialize(with_predict(explain, graph) if args.signatures else explain)
    write(data, args.output)
    before = Path(args.model).stat().st_size
    print(f"{args.output}: {len(data):,} bytes, {len(data) / before:.2f} times the model's {before:,}")
    said = json.loads(explain.metadata[METADATA])
    for note in said.get("notes", []):
        print(note)
    if "measured" in said:
        _print_measured(said)
    return 0


def _chosen(args: argparse.Namespace, graph: Graph, precision: str) -> str:
    """--composite auto: the composite that serves the model best on its samples, and the table of what was tried."""
    if not args.data:
        raise ConfigError("--composite auto measures on samples; add --data SAMPLES, or name a composite")
    from edgexai.cli.table import show
    from edgexai.compress.measure.best_composite import best_composite
    from edgexai.data import Preprocessing, read

    given = read(args.data, input_of(graph), Preprocessing())
    with bar("composites") as progress:
        choice = best_composite(
            graph, given.x, precision="int8" if precision == "int8" else "float32", progress=progress
        )
    rows = [
        [
            f"{t.composite} (taken)" if t.composite == choice.composite else t.composite,
            f"{t.gain:.3f} ± {t.interval:.3f}",
            f"{t.conservation:.2f}",
            f"{t.time:.2f}",
        ]
        for t in choice.tried
    ]
    show(["composite", "gain", "conservation", "times predicting"], rows)
    return choice.composite


def _precision(args: argparse.Namespace) -> str:
    if args.runtime is None:
        return str(args.precision)
    if args.precision != "auto":
        raise ConfigError("--for says whose precision is chosen; write --precision auto with it")
    return f"auto({args.runtime})"


def _print_measured(said: dict[str, Any]) -> None:
    """What precision="auto" compared, and what it took."""
    for row in said["measured"]:
        time = "" if row["time"] is None else f"  {row['time']:.2f} times predicting"
        agrees = "" if row["correlation"] is None else f"  correlation with floats {row['correlation']:.4f}"
        taken = "  (taken)" if row["precision"] == said["precision"] else ""
        print(f"{row['precision']:<8} {row['bytes']:>11,} bytes{time}{agrees}{taken}")


def _shape(text: str) -> tuple[int, ...]:
    if re.fullmatch(r"\d+(x\d+)*", text) is None:
        raise ConfigError(f"--shape takes lengths as in 1x96x64, not {text!r}")
    return tuple(int(n) for n in text.split("x"))
