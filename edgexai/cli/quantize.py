"""Make a float .tflite integer: int8 weights, maps, input and output, with ranges from unlabelled samples.

examples:
  edgexai quantize ic_float.tflite -o ic_int8.tflite --data train.npz
  edgexai quantize ic_float.tflite -o ic_int8.tflite --data train.npz --test held_out.npz
  edgexai quantize ic_float.tflite -o ic_mixed.tflite --data train.npz --keep-explanations 0.999 --board nucleo_l4r5zi
      int16 maps where int8 disturbs the heatmaps most, until they correlate 0.999 with the float model's
  edgexai quantize ic_float.tflite -o ic_int4.tflite --data train.npz --int4
      weights of -7 … 7, two a byte
  edgexai quantize siamese.tflite -o siamese_int8.tflite --data pairs.npz
      a model of several inputs: the .npz holds each by its name, or x, x_1, …

Operators without an int8 form stay in float32 between DEQUANTIZE and QUANTIZE, and are named. The runtime has loaded
and run what is written. Needs no TensorFlow. For Keras models and SavedModels there is `edgexai convert`.
"""

import argparse
import json
from typing import Any

from edgexai.board import load_board
from edgexai.cli.options import known_file, new_file, number
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, labelled, samples_of
from edgexai.compress.measure.accuracy import accuracy, agreement
from edgexai.compress.measure.cost import cost
from edgexai.compress.measure.execute import COUNTED, Samples, fed, real, try_out
from edgexai.compress.quantize.cluster import cluster
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.compress.quantize.int4 import narrow
from edgexai.compress.quantize.int8 import in_float, quantize
from edgexai.compress.quantize.mixed_precision import mixed
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load, save, serialize

COMPARED = 40
"""Samples whose heatmaps decide about int16."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a float .tflite model")
    parser.add_argument("-o", "--output", type=new_file, required=True, help="the .tflite to write")
    parser.add_argument("--data", required=True, help=f"unlabelled samples: {TAKEN}")
    data_options(parser)
    parser.add_argument(
        "--keep-explanations", type=number(0, 1), metavar="C", help="int16×8 until heatmaps correlate so much"
    )
    parser.add_argument("--int4", action="store_true", help="weights of four bits, fitted on --data")
    parser.add_argument("--board", help="whose cycles int16 is weighed with")
    parser.add_argument("--test", type=known_file, help="labelled samples to measure accuracy on, before and after")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    if args.int4 and args.keep_explanations is not None:
        raise ConfigError("no runtime computes int16 maps with int4 weights; give --int4 or --keep-explanations")
    graph = load(args.model)
    if len(graph.inputs) > 1 and (args.int4 or args.keep_explanations is not None):
        raise ConfigError("--int4 and --keep-explanations take models of one input; quantize this one without them")
    given = samples_of(args, graph).inputs
    test = labelled(args, graph) if args.test else None
    exact = dequantize(graph)
    x = _values(graph, given)
    small = quantize(exact, x)
    board = load_board(args.board) if args.board else None
    report: dict[str, Any] = {"output": args.output}
    if args.keep_explanations is not None:
        with bar("heatmaps") as progress:
            found = mixed(small, exact, x[:COMPARED], args.keep_explanations, board, progress=progress)
        if found.after < args.keep_explanations:
            raise ConfigError(
                f"int16 maps bring the heatmaps' correlation with the float model's from {found.before:.4f} to "
                f"{found.after:.4f}, not to {args.keep_explanations:g}; ask for less, or keep the model in float"
            )
        report.update(heatmaps=[found.before, found.after], wide=[small.describe(i) for i in found.wide])
        small = found.graph
    if args.int4:
        with bar("layers") as progress:
            small = narrow(cluster(small, x, price=1e-9, bits=4, progress=progress))
    try_out(small)
    save(small, args.output)
    report["in_float"] = in_float(small)
    report["bytes"] = [len(serialize(graph)), len(serialize(small))]
    if board is not None:
        report["latency_ms"] = [cost(graph, board).latency_ms, cost(small, board).latency_ms]
    if test is not None:
        report["accuracy"] = [accuracy(graph, *test), accuracy(small, _values(graph, test[0]), test[1])]
    report["agreement"] = agreement(graph, small, x)
    print(json.dumps(report) if args.json else _text(report))
    return 0


def _values(graph: Graph, given: Samples) -> Any:
    """What samples stand for: an integer model's codes are no real numbers, and what is counted stays as it is."""
    found = [
        one if graph.tensors[t].dtype in COUNTED else real(graph, t, one)
        for t, one in zip(graph.inputs, fed(graph, given), strict=True)
    ]
    return found if len(found) > 1 else found[0]


def _text(report: dict[str, Any]) -> str:
    before, after = report["bytes"]
    text = f"{report['output']}: {before:,} -> {after:,} bytes; same prediction on {report['agreement']:.2%}"
    if "accuracy" in report:
        text += f"; accuracy {report['accuracy'][0]:.2%} -> {report['accuracy'][1]:.2%}"
    if report["in_float"]:
        text += "\nin float32, for want of an int8 form:" + "".join(f"\n  {name}" for name in report["in_float"])
    if "heatmaps" in report:
        text += (
            f"\nheatmaps correlate {report['heatmaps'][0]:.4f} in int8, {report['heatmaps'][1]:.4f} with int16 maps in"
        )
        text += "".join(f"\n  {name}" for name in report["wide"]) or " nothing"
    return text
