"""Write an int8 .tflite (or a float32 one) as C99 sources for a microcontroller: no heap, no globals, no interpreter.

They predict bit for bit as TensorFlow Lite Micro does, in the memory that the command reports.

examples:
  edgexai firmware kws_int8.tflite -o kws
  edgexai firmware kws_int8.tflite -o kws --samples recordings.npz      (and a self-test with what is right)
  edgexai firmware kws_int8.tflite -o kws --explain
  edgexai firmware kws_int8.tflite -o kws --frame 64                    (explain, and make heatmap frames of 64 bytes)
  edgexai firmware kws_int8.tflite -o kws --explain --ram 44K           (maps that do not fit are computed again)
  edgexai firmware kws_int8.tflite -o kws --name spotter --json
  edgexai firmware kws_float.tflite -o kws --float --explain    (float32, for a core with a floating-point unit)
  edgexai firmware kws_int8.tflite -o kws --explain --board nucleo_l4r5zi    (report.md and memory.svg too)
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99 import Explaining, Firmware, write
from converters.c99.plan_picture import svg
from converters.c99.report import Report, core_of, summary, text
from converters.c99.report import report as report_of
from edgexai.board import Board, load_board
from edgexai.cli.options import count, known_file, new_folder
from edgexai.cli.samples import TAKEN, data_options, samples_of
from edgexai.cli.sizes import bytes_of, rows_by_columns
from edgexai.compress.measure.execute import quantized
from edgexai.errors import ModelError
from edgexai.graph import Graph, OpKind, load, serialize

SAMPLES = 16


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a .tflite model, int8 or, with --float, float32")
    parser.add_argument("-o", "--output", type=new_folder, required=True, help="the folder that the sources go into")
    parser.add_argument("--name", default="model", help="begins every public C name (%(default)s)")
    parser.add_argument(
        "--samples", type=known_file, metavar="DATA", help=f"{TAKEN}; up to {SAMPLES} go into selftest.c"
    )
    parser.add_argument(
        "--explain", action="store_true", help="add a function that explains, in integers (in float32 with --float)"
    )
    parser.add_argument("--float", action="store_true", dest="floats", help="the model is float32, and stays so")
    parser.add_argument("--composite", help="explain by these rules (edge)")
    parser.add_argument("--target", choices=("predicted", "error"), help="explain the class (predicted), or the error")
    parser.add_argument(
        "--frame", type=count, metavar="BYTES", help="explain, and add what makes heatmap frames of at most BYTES"
    )
    parser.add_argument("--grid", metavar="RxC", help="explain, and stop at the nearest inner map")
    parser.add_argument("--ram", help="an arena may have so many bytes, as in 64K; explaining computes maps again then")
    parser.add_argument("--board", help="report what it takes there, step by step: report.md, and memory.svg")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    data_options(parser)


def run(args: argparse.Namespace) -> int:
    board = load_board(args.board) if args.board else None
    if board is not None:
        core_of(board)  # before anything is written
    graph = load(args.model)
    asked = Explaining(args.composite or "edge", args.target or "predicted", rows_by_columns(args.grid))
    any_of = (args.explain, args.frame is not None, args.composite, args.target, args.grid)
    explains = asked if any(any_of) else None
    samples, expected, maps = _answers(args, graph, explains) if args.samples else (None, None, None)
    ram = bytes_of(args.ram)
    made = write(graph, args.output, args.name, explains, samples, expected, maps, args.frame, ram, args.floats)
    report = {
        "name": made.name,
        "arena_bytes": made.arena,
        "arena_least_bytes": made.bound,
        "explain_arena_bytes": made.explain_arena,
        "constant_bytes": made.constants,
        "frame_bytes": made.frame,
        "files": list(made.files),
    }
    told = None if board is None else _reported(made, board, args.output)
    if told is not None:
        report["board"] = told.as_dict()
    if args.json:
        print(json.dumps(report))
        return 0
    explaining = "" if made.explain_arena is None else f" ({made.explain_arena:,} while it explains)"
    print(
        f"{args.output}: {made.name}_predict, {made.arena:,} bytes of RAM{explaining}, "
        f"{made.constants:,} bytes of constants; "
        f"{args.output}/README.md says how to build it"
    )
    if told is not None:
        print(summary(told))
    return 0


def _reported(made: Firmware, board: Board, output: str) -> Report:
    """Write report.md and memory.svg beside the sources."""
    found = report_of(made, board, Path(output))
    plan, placement = (made.schedule, made.placement)
    if made.explanation is not None and made.room is not None:
        plan, placement = made.explanation, made.room
    Path(output, "report.md").write_text(text(found), "utf-8")
    title = f"{made.name}, the arena while it {'predicts' if made.explanation is None else 'explains'}"
    Path(output, "memory.svg").write_text(svg(plan, placement, title), "utf-8")
    return found


def _answers(
    args: argparse.Namespace, graph: Graph, explains: Explaining | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """The first samples of a file as the model takes them, what is right for them, and an explainer's maps.

    TensorFlow Lite Micro says what is right; of a float32 model LiteRT, with the weights that firmware writes.
    """
    from edgexai.compress.quantize.dequantize import dequantize
    from edgexai.relevance import attach
    from edgexai.runtime.explainer import Explainer
    from edgexai.runtime.interpreter import Interpreter
    from edgexai.runtime.micro import MicroInterpreter

    samples = quantized(graph, samples_of(args, graph, args.samples).x[:SAMPLES])
    graph = dequantize(graph) if args.floats else graph
    content = serialize(graph)
    forgets = not args.floats and any(op.kind == OpKind.UNIDIRECTIONAL_SEQUENCE_LSTM for op in graph.ops)
    model = Interpreter(content) if args.floats else MicroInterpreter(content)
    expected = []
    for x in samples:
        expected.append(model.run(x.reshape(model.inputs[0].shape))[0])
        if forgets:  # firmware begins each sequence anew, TensorFlow Lite Micro goes on with the last one's cells
            model = MicroInterpreter(content)
    if explains is None:
        return samples, np.stack(expected), None
    attached = serialize(attach(graph, explains.composite, target=explains.target, grid=explains.grid))
    try:
        explainer = Explainer(attached, runtime="tflite" if args.floats else "micro")
    except ModelError:  # TensorFlow Lite Micro has no maps of five axes, which those of an LSTM need
        explainer = Explainer(attached)
    return samples, np.stack(expected), np.stack([explainer(x).relevance for x in samples])
