"""Make a .tflite file of a Keras model or a SavedModel.

examples:
  edgexai convert digits.keras -o digits.tflite
      float32, one sample at a time

  edgexai convert digits.keras -o digits_int8.tflite --int8 --data train.npz
      everything in 8-bit integers; the samples 'x' of train.npz, in the units that the model is fed with,
      set the ranges; with labels 'y' the accuracy of both is printed

  edgexai convert saved_model/ -o model.tflite --int8 --data train.npz --test held_out.npz
      accuracy on samples that calibration has not seen
"""

import argparse
import json
from pathlib import Path
from typing import Any

from converters import from_keras, from_saved_model
from edgexai.cli.options import new_path
from edgexai.cli.samples import data_options, prepared
from edgexai.compress.measure.accuracy import accuracy, agreement
from edgexai.data import read
from edgexai.graph import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help=".keras or .h5 file, or the directory of a SavedModel")
    parser.add_argument("-o", "--output", type=new_path, required=True, help=".tflite file to write")
    parser.add_argument("--int8", action="store_true", help="integers throughout, input and output included")
    parser.add_argument("--data", type=Path, help=".npz, .npy or .csv with representative samples")
    data_options(parser)
    parser.add_argument("--test", type=Path, help=".npz with x and y to measure accuracy on (default: --data)")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    given = read(args.data, None, prepared(args, None)) if args.data else None
    convert = from_saved_model if args.model.is_dir() else from_keras
    real = convert(args.model)
    report: dict[str, Any] = {"output": str(args.output), "float_bytes": len(real)}
    written = real
    if args.int8:
        written = convert(args.model, None if given is None else given.x, int8=True)
        report["int8_bytes"] = len(written)
        if args.test:
            given = read(args.test, None, prepared(args, None))
        if given is not None and given.y is not None:
            x, y = given.x, given.y
            before, after = load(real), load(written)
            report.update(
                accuracy_float=accuracy(before, x, y),
                accuracy_int8=accuracy(after, x, y),
                agreement=agreement(before, after, x),
                samples=len(x),
            )
    args.output.write_bytes(written)
    print(json.dumps(report) if args.json else _text(report))
    return 0


def _text(report: dict[str, Any]) -> str:
    lines = [f"{report['output']}: {report.get('int8_bytes', report['float_bytes']):,} bytes"]
    if "int8_bytes" in report:
        lines[0] += f" (float: {report['float_bytes']:,})"
    if "samples" in report:
        lines.append(
            f"accuracy on {report['samples']} samples: float {report['accuracy_float']:.2%}, "
            f"int8 {report['accuracy_int8']:.2%}; they agree on {report['agreement']:.2%}"
        )
    return "\n".join(lines)
