"""Do heatmaps show what the model uses? Pixel flipping on the deployed model, by composite and against other methods.

Positions are replaced by the data's mean, most relevant first (deletion), or put into the mean image in that order
(insertion). The score is the area between the two curves of the predicted class's probability: symmetric relevance
gain (Blücher et al. 2024), 0 for random maps, with a 95 % confidence interval over the inputs.

examples:
  edgexai bench faithfulness kws_int8.tflite --data clips.npz --samples 500
  edgexai bench faithfulness ic_int8.tflite --data cifar.npz --composite edge --composite epsilon --rivals
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, input_of, prepared
from edgexai.cli.table import show
from edgexai.compress.measure.execute import forward, quantized, real
from edgexai.data import Preprocessing, read
from edgexai.errors import DataError
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import attach
from edgexai.relevance.composite import NAMED, Composite
from edgexai.runtime.explainer import Explainer

COMPOSITES = [*NAMED, "epsilon(0.25)"]
STEPS = 20
Array = NDArray[Any]
Ways = dict[str, tuple[str | Composite, str]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=".tflite model, float or int8")
    parser.add_argument("--data", required=True, help=TAKEN)
    data_options(parser)
    parser.add_argument("--samples", type=int, default=500, help="how many, chosen at random (%(default)s)")
    parser.add_argument("--composite", action="append", help="which composites (default: all)")
    parser.add_argument("--precision", default="float32", choices=["float32", "int8"], help="of the backward pass")
    parser.add_argument("--rivals", action="store_true", help="also gradient × input, integrated gradients, Grad-CAM …")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    graph = load(args.model)
    x, fill = inputs(graph, args.data, args.samples, prepared(args, args.model))
    composites = named(graph, x, args.composite, args.precision)
    rows = gains(graph, x, fill, composites, args.rivals)
    if args.json:
        for row in rows:
            print(json.dumps({"model": Path(args.model).stem, **row}))
        return 0
    head = ["method", "gain", "± (95 %)", "deletion", "insertion", "ms a map"]
    show(head, [[r["method"], *(f"{r[k]:.3f}" for k in list(r)[1:])] for r in rows])
    return 0


def inputs(graph: Graph, data: str | Path, count: int, prepare: Preprocessing | None = None) -> tuple[Array, Array]:
    """``count`` samples of a file at random, in the model's own type, and what replaces their positions: the mean."""
    x = read(data, input_of(graph), prepare).x
    if len(x) < 2:
        raise DataError(f"{data} has {len(x)} samples; pixel flipping wants hundreds")
    port = graph.tensors[graph.inputs[0]]
    if len(port.shape) != 4:
        raise DataError(f"pixel flipping is for maps (rows, columns, channels); the model takes {port.shape[1:]}")
    x = quantized(graph, x)
    fill = np.asarray(np.rint(x.mean(0)) if x.dtype.kind in "iu" else x.mean(0), x.dtype)
    return x[np.random.default_rng(0).permutation(len(x))[:count]], fill


def named(graph: Graph, x: Array, chosen: list[str] | None, precision: str = "float32") -> Ways:
    """Composites by name, all if none is chosen; the box is that of the samples."""
    values = real(graph, graph.inputs[0], x)
    box = f"epsilon_gamma_box({values.min():g}, {values.max():g})"
    return {n: (box if n == "epsilon_gamma_box" else n, precision) for n in chosen or COMPOSITES}


def gains(
    graph: Graph,
    x: Array,
    fill: Array,
    composites: Ways,
    with_rivals: bool = False,
) -> list[dict[str, Any]]:
    """Composites come with the precision of their backward pass. One row a method, the most faithful first."""
    targets = probabilities(graph, x).argmax(1)
    ways: dict[str, Callable[[], Array]] = {
        name: partial(_relevance, graph, *way, x) for name, way in composites.items()
    }
    if with_rivals:
        from edgexai.cli.bench.rivals import rivals

        ways |= rivals(graph, x, fill, targets)
    rows = []
    with bar("methods") as progress:
        for done, (name, maps) in enumerate(ways.items()):
            begun = time.perf_counter()
            found = maps()
            each_ms = (time.perf_counter() - begun) / len(x) * 1e3
            rows.append(_row(name, each_ms, *curves(graph, x, fill, found, targets)))
            progress(done + 1, len(ways))
    return sorted(rows, key=lambda row: -row["gain"])


def curves(
    graph: Graph, x: Array, fill: Array, maps: Array, targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas under the deletion and insertion curves (N,), by the share of positions that are changed."""
    count = int(np.prod(x.shape[1:3]))
    order = np.argsort(-maps.reshape(len(x), -1), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(count)[None], axis=1)
    cuts = np.unique(np.rint(np.linspace(0, 1, STEPS + 1) ** 2 * count)).astype(int)
    areas = []
    for inserting in (False, True):
        heights = []
        for cut in cuts:
            first = (rank < cut).reshape(*x.shape[:3], 1)
            shown = np.where(first == inserting, x, fill[None]).astype(x.dtype)
            p = probabilities(graph, shown)
            heights.append(p[np.arange(len(x)), targets])
        areas.append(np.asarray(np.trapezoid(np.stack(heights), cuts / count, axis=0)))
    return areas[0], areas[1]


def probabilities(graph: Graph, x: Array) -> NDArray[np.float64]:
    """The model's first output (N, classes), as real numbers; softmax is applied if they are none yet."""
    raw = real(graph, graph.outputs[0], forward(graph, x, graph.outputs[:1])[0])
    out = np.asarray(raw.reshape(len(x), -1), np.float64)
    if np.all(out >= 0) and np.all(np.abs(out.sum(1) - 1) < 0.1):
        return out
    powers = np.exp(out - out.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _relevance(graph: Graph, composite: str | Composite, precision: str, x: Array) -> Array:
    explainer = Explainer(serialize(attach(graph, composite, precision=precision)))
    return np.stack([explainer(one).relevance for one in x])


def _row(name: str, each_ms: float, deletion: Array, insertion: Array) -> dict[str, Any]:
    gain = insertion - deletion
    return {
        "method": name,
        "gain": float(gain.mean()),
        "interval": float(1.96 * gain.std(ddof=1) / np.sqrt(len(gain))),
        "deletion": float(deletion.mean()),
        "insertion": float(insertion.mean()),
        "ms": each_ms,
    }
