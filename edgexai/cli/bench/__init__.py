"""Measure on your own machine, with your own model: time of explaining, faithfulness, cycles of a board.

examples:
  edgexai bench explain kws_int8.tflite ic_int8.tflite
  edgexai bench faithfulness kws_int8.tflite --data clips.npz --samples 500
  edgexai bench board kws_int8.tflite ic_int8.tflite > mine.toml
"""

import argparse

from edgexai.cli.parts import add_parts

PARTS = {
    "explain": "time and bytes of explaining against predicting",
    "faithfulness": "pixel flipping: do heatmaps show what the model uses?",
    "board": "cycles of the machine that this runs on, for a board of your own",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    add_parts(parser, __name__, PARTS)
