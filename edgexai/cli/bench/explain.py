"""Time and bytes of explaining against predicting: medians of alternating runs in one process, one thread.

examples:
  edgexai bench explain kws_int8.tflite ic_int8.tflite ad_int8.tflite
  edgexai bench explain kws_int8.tflite --composite edge --grids --json
  edgexai bench explain ic_int8.tflite --precision int8
  edgexai bench explain ic_int8.tflite --plain --runs 30
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgexai.cli.options import count
from edgexai.cli.table import show
from edgexai.compress.quantize.dequantize import dequantize
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import attach
from edgexai.relevance.grid import grids
from edgexai.relevance.targets.start import logits_of
from edgexai.runtime.interpreter import Interpreter

COMPOSITES = ["epsilon", "epsilon_plus", "epsilon_plus_flat", "edge"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help=".tflite models")
    parser.add_argument("--composite", action="append", help="which composites (the four that edgexai documents)")
    parser.add_argument("--grids", action="store_true", help="also every inner grid, with the first composite")
    parser.add_argument("--precision", default="float32", choices=["float32", "int8"], help="of the backward pass")
    parser.add_argument("--plain", action="store_true", help="without XNNPACK: the runtime's plain kernels")
    parser.add_argument("--runs", type=count, default=500, help="alternating runs of each pair (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    chosen = args.composite or COMPOSITES
    rows = []
    for path in args.model:
        graph, size = load(path), Path(path).stat().st_size
        for name in chosen:
            rows.append(_row(path, size, graph, name, None, args))
        if args.grids:
            sizes = [graph.tensors[t].shape[1:3] for t in grids(graph, logits_of(graph, graph.outputs[0]))]
            rows += [_row(path, size, graph, chosen[0], grid, args) for grid in dict.fromkeys(sizes)]
    if args.json:
        for row in rows:
            print(json.dumps(row))
        return 0
    head = [
        "model",
        "composite",
        "grid",
        "predict ms",
        "explain ms",
        "ratio",
        "float ms",
        "at 5 %",
        "bytes",
        "file ratio",
        "attach s",
    ]
    show(head, [[_text(v) for v in row.values()] for row in rows])
    return 0


def _row(
    path: str, size: int, graph: Graph, composite: str, grid: tuple[int, ...] | None, args: argparse.Namespace
) -> dict[str, Any]:
    begun = time.perf_counter()
    stop = None if grid is None else (grid[0], grid[1])
    explain = serialize(attach(graph, composite, grid=stop, precision=args.precision))
    took = time.perf_counter() - begun
    exact = serialize(dequantize(graph))
    predict_ms, float_ms, explain_ms = alternate([Path(path).read_bytes(), exact, explain], args.runs, args.plain)
    return {
        "model": Path(path).stem,
        "composite": composite,
        "grid": "input" if grid is None else f"{grid[0]}x{grid[1]}",
        "predict_ms": predict_ms,
        "explain_ms": explain_ms,
        "ratio": explain_ms / predict_ms,
        # the float copy predicts once: what a backward pass of the same size in floats takes at least
        "float_ms": float_ms,
        # a node that explains on events predicts with the plain model and explains one in twenty
        "on_event": 0.95 + 0.05 * explain_ms / predict_ms,
        "bytes": len(explain),
        "file_ratio": len(explain) / size,
        "attach_s": took,
    }


def alternate(files: Sequence[bytes], runs: int, plain: bool = False) -> list[float]:
    """Median milliseconds of models that take turns, so that all see the same machine."""
    models = [Interpreter(content, plain=plain) for content in files]
    random = np.random.default_rng(0)
    inputs = []
    for model in models:
        port = model.inputs[0]
        real = random.normal(size=port.shape).astype(np.float32)
        inputs.append(port.quantized(real))
    times: list[list[float]] = [[] for _ in models]
    for turn in range(runs + 20):
        for k, (model, x) in enumerate(zip(models, inputs, strict=True)):
            begun = time.perf_counter()
            model.run(x)
            if turn >= 20:
                times[k].append(time.perf_counter() - begun)
    return [float(np.median(of_one)) * 1e3 for of_one in times]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
