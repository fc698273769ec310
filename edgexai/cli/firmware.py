"""Write an int8 .tflite as C99 sources for a microcontroller: no heap, no globals, no interpreter.

They predict bit for bit as TensorFlow Lite Micro does, in the memory that the command reports.

examples:
  edgexai firmware kws_int8.tflite -o kws
  edgexai firmware kws_int8.tflite -o kws --samples recordings.npz      (and a self-test with what is right)
  edgexai firmware kws_int8.tflite -o kws --explain
  edgexai firmware kws_int8.tflite -o kws --frame 64                    (explain, and make heatmap frames of 64 bytes)
  edgexai firmware kws_int8.tflite -o kws --name spotter --json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99 import Explaining, write
from edgexai.cli.sizes import rows_by_columns
from edgexai.errors import DataError
from edgexai.graph import Graph, load, serialize


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="an int8 .tflite model")
    parser.add_argument("-o", "--output", required=True, help="the folder that the sources go into")
    parser.add_argument("--name", default="model", help="begins every public C name (%(default)s)")
    parser.add_argument(
        "--samples", metavar="NPZ", help="x (N, …) in the type of the model's input; up to 16 go into selftest.c"
    )
    parser.add_argument("--explain", action="store_true", help="add a function that explains, in integers")
    parser.add_argument("--composite", default="edge", help="the rules of --explain (%(default)s)")
    parser.add_argument("--target", default="predicted", choices=("predicted", "error"), help="what --explain explains")
    parser.add_argument(
        "--frame", type=int, metavar="BYTES", help="explain, and add what makes heatmap frames of at most BYTES"
    )
    parser.add_argument("--grid", metavar="RxC", help="--explain stops at the nearest inner map")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    asked = Explaining(args.composite, args.target, rows_by_columns(args.grid))
    explains = asked if args.explain or args.frame is not None else None
    samples, expected, maps = _answers(graph, args.samples, explains) if args.samples else (None, None, None)
    made = write(graph, args.output, args.name, explains, samples, expected, maps, args.frame)
    report = {
        "name": made.name,
        "arena_bytes": made.arena,
        "arena_least_bytes": made.bound,
        "explain_arena_bytes": made.explain_arena,
        "constant_bytes": made.constants,
        "frame_bytes": made.frame,
        "files": list(made.files),
    }
    if args.json:
        print(json.dumps(report))
        return 0
    explaining = "" if made.explain_arena is None else f" ({made.explain_arena:,} while it explains)"
    print(
        f"{args.output}: {made.name}_predict, {made.arena:,} bytes of RAM{explaining}, "
        f"{made.constants:,} bytes of constants; "
        f"{args.output}/README.md says how to build it"
    )
    return 0


def _answers(
    graph: Graph, path: str, explains: Explaining | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """The first samples of a file, what TensorFlow Lite Micro answers, and the maps of an explainer on it."""
    from edgexai.relevance import attach
    from edgexai.runtime.explainer import Explainer
    from edgexai.runtime.micro import MicroInterpreter

    micro = MicroInterpreter(serialize(graph))
    try:
        with np.load(Path(path)) as arrays:
            samples = arrays["x"][:16]
    except (KeyError, ValueError) as error:
        raise DataError(f"{path} is not an .npz with x (N, …); see --help") from error
    if samples.dtype != micro.inputs[0].dtype or samples[0].size != int(np.prod(micro.inputs[0].shape)):
        wanted = f"{micro.inputs[0].dtype} of {'×'.join(map(str, micro.inputs[0].shape))}"
        raise DataError(f"x in {path} is {samples.dtype} of {samples.shape}, but the model takes {wanted} a sample")
    expected = np.stack([micro.run(x.reshape(micro.inputs[0].shape))[0] for x in samples])
    if explains is None:
        return samples, expected, None
    attached = attach(graph, explains.composite, target=explains.target, grid=explains.grid)
    explainer = Explainer(serialize(attached), runtime="micro")
    return samples, expected, np.stack([explainer(x).relevance for x in samples])
