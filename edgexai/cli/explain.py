"""Explain samples with an explainer file: numbers on the terminal, and pictures where one would look.

examples:
  edgexai explain kws_explain.tflite --data clips.npz
  edgexai explain mnist_explain.tflite --data digits.npz --samples 12 --picture digits.png
  edgexai explain birds_explain.tflite --data photos/ --labels birds.txt --picture birds.png
      photos/robin/*.jpg, photos/wren/*.jpg …; pixels as the model's metadata says, or --mean 127.5 --std 127.5
  edgexai explain kws_explain.tflite --data clips.npz --json | jq .target
  edgexai explain kws_explain.tflite --data clips.npz --runtime micro
  edgexai explain kws_what.tflite --data clips.npz --samples 500 --concepts      (attached with --concepts auto)
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgexai.checks import file_content
from edgexai.cli.concepts import print_concepts
from edgexai.cli.options import count, new_picture, number
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, prepared
from edgexai.data import read
from edgexai.errors import ConfigError
from edgexai.runtime.about import about
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.explanation import Explanation
from edgexai.runtime.sandbox import Limits

KINDS = ("auto", "image", "spectrogram", "series")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("explainer", help="a file that `edgexai attach` made")
    parser.add_argument("--data", required=True, help=f"{TAKEN}; of several inputs .npz by name")
    parser.add_argument("--samples", type=count, default=8, help="how many, from the first (%(default)s)")
    parser.add_argument("--picture", type=new_picture, help="write a PNG of inputs and heatmaps")
    parser.add_argument("--show", default="auto", choices=KINDS, help="how a picture shows inputs (%(default)s)")
    parser.add_argument("--step-ms", type=number(1e-6), metavar="MS", help="time from one row or value to the next")
    parser.add_argument("--concepts", action="store_true", help="the strongest channels, and what excites each most")
    parser.add_argument("--runtime", default="tflite", choices=["tflite", "micro"], help="micro: and its arena")
    parser.add_argument("--trusted", action="store_true", help="made here: run it in this process, unchecked")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    data_options(parser)


def run(args: argparse.Namespace) -> int:
    explainer = _opened(args)
    if args.concepts and not explainer.metadata.concepts:
        raise ConfigError(f"{args.explainer} holds no concepts; attach it with --concepts auto")
    given = read(args.data, explainer.input, prepared(args, args.explainer), [p.name for p in explainer.inputs])
    explainer.labels = given.names
    y = given.y if given.y is not None and given.y.ndim == 1 else None
    count = min(args.samples, len(given))
    explanations, labels = [], []
    with bar("explaining") as progress:
        for i in range(count):
            e = explainer([given.x[i], *(other[i] for other in given.more)], unit="by type")
            label = None if y is None else int(y[i])
            print(json.dumps(_machine(i, label, e)) if args.json else _line(i, label, e))
            explanations.append(e)
            labels.append(label)
            progress(i + 1, count)
    if explanations and not args.json:
        print(_words(explanations))
    if args.concepts and not args.json:
        print_concepts(explainer.metadata.concepts, explanations)
    if explainer.arena is not None and not args.json:
        print(f"arena {explainer.arena:,} bytes")
    if args.picture:
        _picture(args, explanations, labels)
    return 0


def _opened(args: argparse.Namespace) -> Explainer:
    """The explainer: read, verified, written anew, and run in a process of its own, unless it is said to be trusted."""
    if args.trusted:
        return Explainer(args.explainer, runtime=args.runtime)
    about(file_content("the explainer", args.explainer), args.explainer)
    try:
        from edgexai.graph import load, resident, serialize, verify_operators
    except ModuleNotFoundError:  # a node has no flatbuffers; the process of its own remains
        return Explainer(args.explainer, runtime=args.runtime, untrusted=True)
    graph = load(args.explainer)
    verify_operators(graph, closed=True)
    return Explainer(serialize(graph), runtime=args.runtime, untrusted=Limits(memory=2**29 + 4 * resident(graph)))


def _picture(args: argparse.Namespace, explanations: list[Explanation], labels: list[int | None]) -> None:
    from edgexai.runtime.picture import MOST, figure, png

    Path(args.picture).write_bytes(png(figure(explanations, labels, args.show, args.step_ms)))
    if not args.json:
        drawn = min(len(explanations), MOST)
        print(f"{args.picture}: {drawn} samples; red speaks for the prediction, blue against it")


def _machine(i: int, label: int | None, e: Explanation) -> dict[str, Any]:
    return {
        "sample": i,
        "label": label,
        "target": e.target,
        **({"name": e.name} if e.labels else {}),
        "probability": e.probability(e.target),
        "score": e.score,
        "conservation": e.conservation,
        "absorbed": e.absorbed,
        **({} if e.lost is None else {"lost": e.lost}),
        "relevance": e.relevance.tolist(),
        **{f"relevance_{k}": m.tolist() for k, m in enumerate(e.more, 1)},
        **({"state": e.state} if e.state else {}),
        **({} if e.concepts is None else {"concepts": e.concepts.tolist()}),
    }


def _line(i: int, label: int | None, e: Explanation) -> str:
    known = "" if label is None else f"  label {e.called(label)}"
    kept = f"  state {e.state / e.score:.3f} of it" if e.state and e.score else ""
    if e.lost is not None:
        kept += f"  biases {e.absorbed:.3f}  lost {e.lost:.3f}"
    p = e.probability(e.target)
    sure = "" if p is None else f" {p:.0%}"
    return f"sample {i}{known}  predicted {e.name}{sure}  score {e.score:.3f}  conservation {e.conservation:.3f}{kept}"


def _words(explanations: list[Explanation]) -> str:
    """What conservation means, for these samples."""
    middle = float(np.median([e.conservation for e in explanations]))
    if 0.9 <= middle <= 1.1:
        return f"conservation {middle:.2f} (median): the maps add up to the score, next to nothing is missing"
    if 0 <= middle < 0.9:
        return (
            f"conservation {middle:.2f} (median): the maps add up to {middle:.0%} of the score; the rest was taken by "
            "the model's own constants (biases), which no part of the input explains, or by wide stabilizers"
        )
    return (
        f"conservation {middle:.2f} (median): the model's own constants (biases) speak against what the input says, "
        "so that the maps do not add up to the score; compare places of a map, not its sum"
    )
