"""Learn the components that a model's heatmaps are made of, so that frames take fewer bytes.

examples:
  edgexai basis kws_explain.tflite --data clips.npz -o kws.basis
  edgexai basis kws_explain.tflite --data clips.npz --components 16 -o small.basis
  edgexai agent --config agent.toml --model kws_explain.tflite --basis kws.basis

The fleet decodes such frames with the same file: put it into the folder `bases` of its store. Take some hundreds of
samples like those that the node will see, at least a few times as many as components; a map that is unlike them
reaches every quality too, it only takes more bytes.
"""

import argparse
from pathlib import Path

import numpy as np

from edgexai.agent.privacy import pooled
from edgexai.cli.options import count, new_file
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, prepared
from edgexai.data import read
from edgexai.errors import ConfigError
from edgexai.heatmap import encode
from edgexai.heatmap.basis import MOST_COMPONENTS, Basis, learn
from edgexai.runtime.explainer import Explainer

COMPARED = 50
QUALITY = 0.95


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="an explainer file that `edgexai attach` made, as the nodes run it")
    parser.add_argument("--data", required=True, help=TAKEN)
    data_options(parser)
    parser.add_argument("-o", "--output", type=new_file, required=True, help="the basis to write")
    parser.add_argument("--components", type=count, default=64, metavar="K", help="at most; a byte each per pixel (64)")
    parser.add_argument(
        "--samples", type=count, default=1000, metavar="N", help="of the data at most, at random (1000)"
    )
    parser.add_argument("--grid", type=count, nargs=2, metavar=("R", "C"), help="the nodes' [privacy] grid")


def run(args: argparse.Namespace) -> int:
    if not 1 <= args.components <= MOST_COMPONENTS:
        raise ConfigError(f"a basis has 1 to {MOST_COMPONENTS} components, not {args.components}")
    explain = Explainer(args.model)
    if explain.takes_weights:
        raise ConfigError("a basis needs a file that explains the predicted class; attach one with --target predicted")
    x = read(args.data, explain.input, prepared(args, args.model)).x
    x = x[np.random.default_rng(0).permutation(len(x))[: args.samples]]
    maps = []
    with bar("relevance") as progress:
        for done, one in enumerate(x):
            relevance = explain(one, unit="by type").relevance
            maps.append(relevance if args.grid is None else pooled(relevance, tuple(args.grid)))
            progress(done + 1, len(x))
    basis = learn(np.stack(maps), args.components, bytes.fromhex(explain.metadata.source)[:8])
    Path(args.output).write_bytes(basis.data)
    shape = "×".join(map(str, basis.shape))
    print(
        f"{args.output}: {len(basis.sizes)} components of {len(maps)} maps of {shape}, {len(basis.data):,} bytes,"
        f" named {basis.name.hex()}"
    )
    print(_saved(basis, maps[:COMPARED]))
    return 0


def _saved(basis: Basis, maps: list[np.ndarray]) -> str:
    """What it is worth on maps that it was learned from: an upper bound."""
    with bar("frames") as progress:
        sizes = []
        for done, one in enumerate(maps):
            frames = encode(one, quality=QUALITY), encode(one, quality=QUALITY, basis=basis)
            sizes.append([len(frame) for frame in frames])
            progress(done + 1, len(maps))
    without, with_it = np.median(sizes, axis=0)
    return f"frames of these maps at a cosine of {QUALITY}: {with_it:.0f} bytes, {without:.0f} without it"
