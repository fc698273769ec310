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

from edgexai.cli.options import count
from edgexai.cli.progress import bar
from edgexai.cli.samples import TAKEN, data_options, input_of, prepared
from edgexai.cli.table import show
from edgexai.compress.measure.execute import quantized, real
from edgexai.compress.measure.faithfulness import curves, probabilities
from edgexai.data import Preprocessing, read
from edgexai.errors import DataError
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import attach
from edgexai.relevance.composite import NAMED, Composite
from edgexai.runtime.explainer import Explainer

COMPOSITES = [*NAMED, "epsilon(0.25)"]
Array = NDArray[Any]
Ways = dict[str, tuple[str | Composite, str]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help=".tflite model, float or int8")
    parser.add_argument("--data", required=True, help=TAKEN)
    data_options(parser)
    parser.add_argument("--samples", type=count, default=500, help="how many, chosen at random (%(default)s)")
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
    head = ["method", "gain", "± (95 %)", "deletion", "insertion", "ms a map", "conservation"]
    show(head, [[r["method"], *("–" if r[k] is None else f"{r[k]:.3f}" for k in list(r)[1:])] for r in rows])
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
    ways: dict[str, Callable[[], Array | tuple[Array, float]]] = {
        name: partial(_explained, graph, *way, x) for name, way in composites.items()
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
            shown, conservation = found if isinstance(found, tuple) else (found, None)
            rows.append(_row(name, each_ms, conservation, *curves(graph, x, fill, shown, targets)))
            progress(done + 1, len(ways))
    return sorted(rows, key=lambda row: -row["gain"])


def _explained(graph: Graph, composite: str | Composite, precision: str, x: Array) -> tuple[Array, float]:
    """The maps, and the median of what of the score arrives in them."""
    explainer = Explainer(serialize(attach(graph, composite, precision=precision)))
    explanations = [explainer(one, unit="by type") for one in x]
    return np.stack([e.relevance for e in explanations]), float(np.median([e.conservation for e in explanations]))


def _row(name: str, each_ms: float, conservation: float | None, deletion: Array, insertion: Array) -> dict[str, Any]:
    gain = insertion - deletion
    return {
        "method": name,
        "gain": float(gain.mean()),
        "interval": float(1.96 * gain.std(ddof=1) / np.sqrt(len(gain))),
        "deletion": float(deletion.mean()),
        "insertion": float(insertion.mean()),
        "ms": each_ms,
        "conservation": conservation,
    }
