"""Measure: every figure in docs/ comes from one of these, with its command beside it.

examples:
  edgexai bench compress kws_int8.tflite --data clips.npz --hold-out 300 -o kws.jsonl
  edgexai bench explain kws_int8.tflite ic_int8.tflite
  edgexai bench faithfulness kws_int8.tflite --data clips.npz --samples 500
"""

import argparse
from collections.abc import Callable
from importlib import import_module

BENCHES = {
    "attach": "seconds and memory of attaching itself",
    "board": "cycles of the machine that this runs on, for a board of your own",
    "compress": "accuracy and heatmaps over the MACs kept, by criterion and repair",
    "edge": "how the composite edge was chosen: faithfulness against time and bytes",
    "explain": "time and bytes of explaining against predicting",
    "transit": "bytes over the air, accuracy and heatmaps by the price of a bit",
    "faithfulness": "pixel flipping: do heatmaps show what the model uses?",
    "zennit": "time of a map against zennit on the same weights and inputs",
    "heatmap": "bytes and faithfulness of coded heatmaps, against other codecs",
    "heatmap_models": "make the models that bench heatmap measures on",
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
