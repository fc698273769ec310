"""Explain samples with an explainer file: numbers on the terminal, and pictures where one would look.

examples:
  edgexai explain kws_explain.tflite --data clips.npz
  edgexai explain mnist_explain.tflite --data digits.npz --samples 12 --picture digits.png
  edgexai explain kws_explain.tflite --data clips.npz --json | jq .target
  edgexai explain kws_explain.tflite --data clips.npz --runtime micro
  edgexai explain kws_what.tflite --data clips.npz --samples 500 --concepts      (attached with --concepts auto)
"""

import argparse
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.concepts import print_concepts
from edgexai.cli.data import further, samples
from edgexai.errors import ConfigError
from edgexai.runtime.explainer import Explainer, Explanation
from edgexai.runtime.sandbox import Limits


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("explainer", help="a file that `edgexai attach` made")
    parser.add_argument(
        "--data", required=True, help="a .npz file with x (N, …), x_1, … of further inputs, and y (N,) if known"
    )
    parser.add_argument("--samples", type=int, default=8, help="how many, from the first (%(default)s)")
    parser.add_argument("--picture", help="write a PNG of inputs and heatmaps")
    parser.add_argument("--concepts", action="store_true", help="the strongest channels, and what excites each most")
    parser.add_argument("--runtime", default="tflite", choices=["tflite", "micro"], help="micro: and its arena")
    parser.add_argument("--trusted", action="store_true", help="made here: run it in this process, unchecked")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for machines")


def run(args: argparse.Namespace) -> int:
    explainer = _opened(args)
    if args.concepts and not explainer.metadata.concepts:
        raise ConfigError(f"{args.explainer} holds no concepts; attach it with --concepts auto")
    x, y = samples(args.data)
    others = further(args.data, len(explainer.inputs), len(x))
    x = x[: args.samples]
    explanations = [explainer([one, *(other[i] for other in others)]) for i, one in enumerate(x)]
    for i, e in enumerate(explanations):
        label = None if y is None else int(y[i])
        print(json.dumps(_machine(i, label, e)) if args.json else _line(i, label, e))
    if args.concepts and not args.json:
        print_concepts(explainer.metadata.concepts, explanations)
    if explainer.arena is not None and not args.json:
        print(f"arena {explainer.arena:,} bytes")
    if args.picture:
        _picture(args.picture, x, explanations)
        if not args.json:
            print(f"pictures in {args.picture}")
    return 0


def _opened(args: argparse.Namespace) -> Explainer:
    """The explainer: read, verified, written anew, and run in a process of its own, unless it is said to be trusted."""
    if args.trusted:
        return Explainer(args.explainer, runtime=args.runtime)
    try:
        from edgexai.graph import load, resident, serialize, verify_operators
    except ModuleNotFoundError:  # a node has no flatbuffers; the process of its own remains
        return Explainer(args.explainer, runtime=args.runtime, untrusted=True)
    graph = load(args.explainer)
    verify_operators(graph, closed=True)
    return Explainer(serialize(graph), runtime=args.runtime, untrusted=Limits(memory=2**29 + 4 * resident(graph)))


def _machine(i: int, label: int | None, e: Explanation) -> dict[str, Any]:
    conservation = e.conservation if np.isfinite(e.conservation) else None
    return {
        "sample": i,
        "label": label,
        "target": e.target,
        "score": e.score,
        "conservation": conservation,
        "relevance": e.relevance.tolist(),
        **{f"relevance_{k}": m.tolist() for k, m in enumerate(e.more, 1)},
        **({"state": e.state} if e.state else {}),
        **({} if e.concepts is None else {"concepts": e.concepts.tolist()}),
    }


def _line(i: int, label: int | None, e: Explanation) -> str:
    known = "" if label is None else f"  label {label}"
    kept = f"  state {e.state / e.score:.3f} of it" if e.state and e.score else ""
    return f"sample {i}{known}  predicted {e.target}  score {e.score:.3f}  conservation {e.conservation:.3f}{kept}"


def _picture(path: str, x: NDArray[Any], explanations: list[Explanation]) -> None:
    """Each input above its heatmap: red speaks for the prediction, blue against it."""
    from matplotlib.figure import Figure

    columns = len(explanations)
    figure = Figure(figsize=(1.4 * columns, 3.2), layout="constrained")
    axes = figure.subplots(2, columns, squeeze=False)
    for column, (one, e) in enumerate(zip(x, explanations, strict=True)):
        shown = one.reshape(_flat_shape(one.shape)).astype(np.float64)
        span = float(np.ptp(shown)) or 1.0
        axes[0][column].imshow((shown - shown.min()) / span, cmap="gray", aspect="auto")
        axes[0][column].set_title(f"{e.target}")
        heat = e.relevance if e.relevance.ndim < 3 else e.relevance.sum(-1)
        heat = np.atleast_2d(heat)
        limit = float(np.abs(heat).max()) or 1.0
        axes[1][column].imshow(heat, cmap="seismic", vmin=-limit, vmax=limit, aspect="auto")
    for ax in axes.flat:
        ax.set_axis_off()
    figure.savefig(path, dpi=150)


def _flat_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """An image as it is, anything else as rows and columns."""
    kept = [n for n in shape if n > 1]
    if len(kept) == 3 and kept[2] == 3:
        return tuple(kept)
    return (kept[0], int(np.prod(kept[1:]))) if len(kept) > 1 else (1, int(np.prod(shape)))
