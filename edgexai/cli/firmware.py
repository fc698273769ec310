"""Write an int8 .tflite as C99 sources for a microcontroller: no heap, no globals, no interpreter.

They predict bit for bit as TensorFlow Lite Micro does, in the memory that the command reports.

examples:
  edgexai firmware kws_int8.tflite -o kws
  edgexai firmware kws_int8.tflite -o kws --samples recordings.npz      (and a self-test with what is right)
  edgexai firmware kws_int8.tflite -o kws --explain
  edgexai firmware kws_int8.tflite -o kws --name spotter --json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99 import Explaining, write
from edgexai import npy
from edgexai.cli.options import known_file, new_folder
from edgexai.cli.sizes import rows_by_columns
from edgexai.errors import DataError
from edgexai.graph import Graph, load, serialize


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="an int8 .tflite model")
    parser.add_argument("-o", "--output", type=new_folder, required=True, help="the folder that the sources go into")
    parser.add_argument("--name", default="model", help="begins every public C name (%(default)s)")
    parser.add_argument(
        "--samples",
        type=known_file,
        metavar="NPZ",
        help="x (N, …) in the type of the model's input; up to 16 go into selftest.c",
    )
    parser.add_argument("--explain", action="store_true", help="add a function that explains, in integers")
    parser.add_argument("--composite", default="edge", help="the rules of --explain (%(default)s)")
    parser.add_argument("--target", default="predicted", choices=("predicted", "error"), help="what --explain explains")
    parser.add_argument("--grid", metavar="RxC", help="--explain stops at the nearest inner map")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    samples, expected = _answers(graph, args.samples) if args.samples else (None, None)
    asked = Explaining(args.composite, args.target, rows_by_columns(args.grid)) if args.explain else None
    made = write(graph, args.output, args.name, asked, samples, expected)
    report = {
        "name": made.name,
        "arena_bytes": made.arena,
        "arena_least_bytes": made.bound,
        "explain_arena_bytes": made.explain_arena,
        "constant_bytes": made.constants,
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


def _answers(graph: Graph, path: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first samples of a file, and what TensorFlow Lite Micro answers."""
    from edgexai.runtime.micro import MicroInterpreter

    micro = MicroInterpreter(serialize(graph))
    arrays = npy.members(Path(path), ["x"])
    if "x" not in arrays or arrays["x"].ndim == 0 or not len(arrays["x"]):
        raise DataError(f"{path} has no samples x (N, …); save them with numpy.savez({Path(path).name!r}, x=…)")
    samples = arrays["x"][:16]
    if samples.dtype != micro.inputs[0].dtype or samples[0].size != int(np.prod(micro.inputs[0].shape)):
        wanted = f"{micro.inputs[0].dtype} of {'×'.join(map(str, micro.inputs[0].shape))}"
        raise DataError(f"x in {path} is {samples.dtype} of {samples.shape}, but the model takes {wanted} a sample")
    return samples, np.stack([micro.run(x.reshape(micro.inputs[0].shape))[0] for x in samples])
