"""Runs on a node: predicts, explains and sends heatmaps to the fleet.

  edgexai agent --fleet line3 --node press7 --model kws_explain.tflite --data mfcc.npz \\
      --broker mqtt://127.0.0.1:1883 --state /var/lib/edgexai          (the part `run`)
  edgexai agent init > agent.toml                 a configuration with every line explained
  edgexai agent --config agent.toml --dry-run     explains the first sample, sends nothing, says what it would
  edgexai agent run --help                        every option
"""

import argparse

from edgexai.cli.parts import add_parts

PARTS = {
    "run": "predict, explain and send (where no part is named)",
    "request": "make this node's key, and the request by which it is signed",
    "init": "print a configuration with every line explained",
}
DEFAULT = "run"


def arguments(parser: argparse.ArgumentParser) -> None:
    add_parts(parser, __name__, PARTS, DEFAULT)
