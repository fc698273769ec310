"""Turn a model that came over the air back into the `.tflite` that was sent, bit for bit. Needs numpy alone.

on a workstation:
  edgexai compress kws_int8.tflite -o kws.tflite --data clips.npz --max-accuracy-loss 1 --transit kws.exq
on the node:
  edgexai restore kws.exq -o kws.tflite
"""

import argparse
import os
from pathlib import Path

from edgexai.checks import file_content
from edgexai.cli.options import new_file
from edgexai.transit import restore


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("packed", help="an .exq file")
    parser.add_argument("-o", "--output", type=new_file, required=True, help="the .tflite to write")


def run(args: argparse.Namespace) -> int:
    packed = file_content("the file", args.packed)
    model = restore(packed)
    target = Path(args.output)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(model)
        part.replace(target)  # a node that loses power here has the old model or the new one
    finally:
        part.unlink(missing_ok=True)
    print(f"{args.output}: {len(model):,} bytes of {len(packed):,}; SHA-256 agrees")
    return 0
