"""Make a float .tflite integer: int8 weights, maps, input and output, with ranges from unlabelled samples.

examples:
  edgexai quantize ic_float.tflite -o ic_int8.tflite --data train.npz
  edgexai quantize ic_float.tflite -o ic_int8.tflite --data train.npz --test held_out.npz

Needs no TensorFlow. For Keras models and SavedModels there is `edgexai convert`.
"""

import argparse
import json
from typing import Any

from edgexai.cli.data import samples
from edgexai.compress import accuracy, agreement, dequantize, quantize
from edgexai.graph import load, save, serialize


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a float .tflite model")
    parser.add_argument("-o", "--output", required=True, help="the .tflite to write")
    parser.add_argument("--data", required=True, help="a .npz file with unlabelled samples x (N, …)")
    parser.add_argument("--test", help="a .npz file with x and y to measure accuracy on, before and after")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    x, _ = samples(args.data)
    small = quantize(dequantize(graph), x)
    save(small, args.output)
    report: dict[str, Any] = {"output": args.output, "bytes": [len(serialize(graph)), len(serialize(small))]}
    if args.test:
        x, y = samples(args.test)
        if y is not None:
            report["accuracy"] = [accuracy(graph, x, y), accuracy(small, x, y)]
    report["agreement"] = agreement(graph, small, x)
    print(json.dumps(report) if args.json else _text(report))
    return 0


def _text(report: dict[str, Any]) -> str:
    before, after = report["bytes"]
    text = f"{report['output']}: {before:,} -> {after:,} bytes; same prediction on {report['agreement']:.2%}"
    if "accuracy" in report:
        text += f"; accuracy {report['accuracy'][0]:.2%} -> {report['accuracy'][1]:.2%}"
    return text
