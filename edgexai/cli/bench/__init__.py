"""Measure on your own machine, with your own model: time of explaining, faithfulness, cycles of a board.

examples:
  edgexai bench explain kws_int8.tflite ic_int8.tflite
  edgexai bench faithfulness kws_int8.tflite --data clips.npz --samples 500
  edgexai bench board kws_int8.tflite ic_int8.tflite > mine.toml
"""

import argparse
from collections.abc import Callable
from importlib import import_module

BENCHES = {
    "explain": "time and bytes of explaining against predicting",
    "faithfulness": "pixel flipping: do heatmaps show what the model uses?",
    "board": "cycles of the machine that this runs on, for a board of your own",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="bench", metavar="WHAT", required=True)
    for name, summary in BENCHES.items():
        module = import_module(f"edgexai.cli.bench.{name}")
        kind = kinds.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(kind)
        kind.set_defaults(measure=module.run)


def run(args: argparse.Namespace) -> int:
    measure: Callable[[argparse.Namespace], int] = args.measure
    return measure(args)
