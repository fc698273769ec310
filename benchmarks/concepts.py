"""What the output `concepts` adds to an explainer: time on LiteRT, operators and bytes.

examples:
  python -m benchmarks concepts kws_int8.tflite ic_int8.tflite
"""

import argparse
import time
from pathlib import Path

import numpy as np

import edgexai
from edgexai.cli.table import show
from edgexai.graph import load, serialize
from edgexai.runtime.interpreter import Interpreter


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", type=Path, help=".tflite models of one input")
    parser.add_argument("--composite", default="edge", help="which rules (%(default)s)")
    parser.add_argument("--rounds", type=int, default=400, help="how often each runs, in turn (%(default)s)")


def run(args: argparse.Namespace) -> int:
    rows = []
    for path in args.models:
        graph = load(path)
        explainers = [edgexai.attach(graph, args.composite, concepts=wanted) for wanted in (None, "auto")]
        files = [serialize(explain) for explain in explainers]
        without, with_them = _least([Interpreter(content) for content in files], args.rounds)
        rows.append(
            [
                path.stem,
                f"{without * 1e3:.3f}",
                f"{with_them * 1e3:.3f}",
                f"{with_them / without:.3f}",
                f"{len(explainers[1].ops) - len(explainers[0].ops)}",
                f"{len(files[1]) - len(files[0]):,}",
            ]
        )
    show(["model", "ms", "with concepts", "ratio", "operators more", "bytes more"], rows)
    return 0


def _least(models: list[Interpreter], rounds: int) -> list[float]:
    """The least time of each, measured in turn."""
    port = models[0].inputs[0]
    x = np.random.default_rng(0).integers(0, 100, port.shape).astype(port.dtype)
    least = [np.inf] * len(models)
    for _ in range(rounds):
        for i, model in enumerate(models):
            start = time.perf_counter()
            model.run(x)
            least[i] = min(least[i], time.perf_counter() - start)
    return least
