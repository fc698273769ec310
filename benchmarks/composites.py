"""Composites on public models: measures of ``edgexai.audit.quality``, each with its 95 % interval.

    python -m benchmarks composites DIR... [--data MODEL=SAMPLES.npz ...] [-n 24] [-n MODEL=4] [-o rows.jsonl]
    python -m benchmarks composites --show rows.jsonl

A folder or a file is a model. Samples of a model are read from ``x`` of its ``--data``. Without them, images are parts
of scikit-image's photographs, and everything else is drawn: smooth noise in the input's range; the table says so.
A model whose outputs are no classes, or that the runtime or `attach` refuses, is named and left out.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row, kept, read
from edgexai.audit import quality
from edgexai.compress.measure.execute import quantized
from edgexai.compress.measure.explained import explained
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.errors import Error
from edgexai.graph import Graph, load
from edgexai.graph.ir import NUMPY

COMPOSITES = ("edge", "epsilon_plus", "epsilon_plus_flat", "gamma", "gamma(1)", "epsilon", "epsilon(0.25)")
MEASURES = {
    "gain_realistic": "gain, realistic fill",
    "gain_mean": "gain, mean as fill",
    "between_classes": "between classes",
    "top_randomized": "top randomized",
    "all_randomized": "efficient MPRT",
    "sparseness": "sparseness",
    "max_sensitivity": "change under 2 % noise",
    "conservation": "completeness",
}
Array = NDArray[Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", type=Path, help="models, or folders of models")
    parser.add_argument("--data", action="append", default=[], metavar="MODEL=FILE", help="samples x of a model")
    parser.add_argument(
        "-n", "--samples", action="append", default=[], metavar="[MODEL=]N", help="samples a model, or of one (24)"
    )
    parser.add_argument("-o", "--output", help="append rows to this file, one a line")
    parser.add_argument("--json", action="store_true", help="print the rows, one a line, and no table")
    parser.add_argument("--show", nargs="+", metavar="FILE", help="print the tables of rows that were measured")


def run(args: argparse.Namespace) -> int:
    rows = read(args.show) if args.show else kept(_rows(args), args.output, args.json)
    if not args.json:
        print(render(rows))
    return 0


def _rows(args: argparse.Namespace) -> Iterator[Row]:
    given = dict(one.split("=", 1) for one in args.data)
    counts = {name: count for name, _, count in (one.rpartition("=") for one in ["24", *args.samples])}
    for path in (p for m in args.models for p in (sorted(m.glob("*.tflite")) if m.is_dir() else [m])):
        try:
            graph = load(path)
            drawn, x = samples(graph, given.get(path.stem), int(counts.get(path.stem, counts[""])))
            x = quantized(graph, x)
            if probabilities(graph, x[:2]).shape[1] < 2 or len(graph.tensors[graph.outputs[0]].shape) != 2:
                raise Error("its first output is no list of classes")
            for name in COMPOSITES:
                print(f"{path.stem} {name}", file=sys.stderr, flush=True)
                yield {"model": path.stem, "samples": drawn, "composite": name, "n": len(x)} | judged(graph, x, name)
        except (Error, ValueError) as error:
            print(f"{path.stem} is left out: {error}", file=sys.stderr, flush=True)


def samples(graph: Graph, path: str | None, count: int) -> tuple[str, Array]:
    """What they are, and samples (N, …)."""
    port = graph.tensors[graph.inputs[0]]
    shape, random = port.shape[1:], np.random.default_rng(0)
    if path is not None:
        with np.load(path, allow_pickle=False) as file:
            x = file["x"]
        return "real", x[np.random.default_rng(0).permutation(len(x))[:count]]
    if len(shape) == 3 and shape[2] == 3:
        pictures = photographs(shape[:2], count, random)
        if np.dtype(NUMPY[port.dtype]).kind == "f":
            return "photographs", pictures / 127.5 - 1
        return "photographs", (pictures if port.dtype.name == "UINT8" else pictures - 128).astype(NUMPY[port.dtype])
    return "drawn", smooth(shape, count, random, np.dtype(NUMPY[port.dtype]))


def photographs(size: tuple[int, ...], count: int, random: np.random.Generator) -> Array:
    """Parts of scikit-image's photographs (N, height, width, 3), 0…255."""
    from skimage import data, transform

    pictures: list[Callable[[], Array]] = [data.astronaut, data.chelsea, data.coffee, data.rocket]
    resize: Callable[..., Array] = transform.resize
    found = []
    for i in range(count):
        whole = pictures[i % len(pictures)]()
        side = int(min(whole.shape[:2]) * random.uniform(0.5, 1))
        top, left = (random.integers(0, n - side + 1) for n in whole.shape[:2])
        part = whole[top : top + side, left : left + side]
        found.append(resize(part, size, preserve_range=True, anti_aliasing=True))
    return np.asarray(np.rint(np.stack(found)))


def smooth(shape: tuple[int, ...], count: int, random: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """Noise (N, …) with neighbours alike, over the range of the type; floats have unit spread."""
    from scipy.ndimage import gaussian_filter

    width = (0, *(1.5 if n > 8 else 0 for n in shape))
    v = np.asarray(gaussian_filter(random.normal(size=(count, *shape)), width))
    v = np.asarray(v / v.std())
    if dtype.kind == "f":
        return np.asarray(v, dtype)
    limits = np.iinfo(dtype)
    middle, half = (limits.max + limits.min) / 2, (limits.max - limits.min) / 2
    return np.asarray(np.clip(np.rint(middle + v * half / 3), limits.min, limits.max), dtype)


def judged(graph: Graph, x: Array, name: str) -> Row:
    """Every measure of a composite on samples in the model's type: [mean, low, high]."""
    before = probabilities(graph, x)
    found = explained(graph, x, name)
    maps = found.maps

    def predict(v: Array) -> NDArray[np.float64]:
        return probabilities(graph, v)

    def gain(fill: str) -> NDArray[np.float64]:
        return quality.symmetric_gain(predict, x, maps, before.argmax(1), quality.FILLS[fill](x))

    def moved() -> NDArray[np.float64]:
        noisy = _noisy(x)
        same = predict(noisy).argmax(1) == before.argmax(1)
        return quality.max_sensitivity(maps, explained(graph, noisy, name).maps[None], same[None])

    measures: dict[str, Callable[[], NDArray[np.float64]]] = {
        "gain_realistic": lambda: gain("diffused" if x.ndim > 3 else "marginal"),
        "gain_mean": lambda: gain("mean"),
        "between_classes": lambda: quality.between_classes(graph, x, name),
        "top_randomized": lambda: quality.top_randomized(graph, x, name),
        "all_randomized": lambda: quality.all_randomized(graph, x, name),
        "sparseness": lambda: quality.sparseness(maps),
        "max_sensitivity": moved,
        "conservation": lambda: found.conservation,
    }
    row: Row = {}
    for measure, take in measures.items():
        i = quality.mean(take())
        row[measure] = [round(v, 4) if np.isfinite(v) else None for v in (i.mean, i.low, i.high)]
    return row


def render(rows: list[Row]) -> str:
    """A table a model, and one of the means over models; the best gain of each model is bold."""
    lines = []
    head = "| composite | " + " | ".join(MEASURES.values()) + " |\n|---|" + "---|" * len(MEASURES)
    models = list(dict.fromkeys(row["model"] for row in rows))
    lines += [f"## Mean over {len(models)} models", "", head]
    for name in COMPOSITES:
        own = [row for row in rows if row["composite"] == name]
        cells = []
        for measure in MEASURES:
            values = [row[measure][0] for row in own if row[measure][0] is not None]
            i = quality.mean(values)
            cells.append(_cell([i.mean, i.low, i.high] if values else [None], False))
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for model in models:
        own = [row for row in rows if row["model"] == model]
        best = max((row["gain_realistic"][0] or -9.0) for row in own)
        lines += ["", f"## {model}", "", f"{own[0]['n']} samples, {own[0]['samples']}.", "", head]
        for row in own:
            cells = [_cell(row[m], m == "gain_realistic" and row[m][0] == best) for m in MEASURES]
            lines.append(f"| `{row['composite']}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: list[float | None], best: bool) -> str:
    if any(v is None for v in value):
        return "–"
    mean, low, high = value
    said = f"{mean:.2f}"
    return f"{f'**{said}**' if best else said} ({low:.2f} to {high:.2f})"


def _noisy(x: Array) -> Array:
    values = np.asarray(x, np.float64)
    moved = values + np.random.default_rng(1).normal(0, 0.02 * values.std(), x.shape)
    if x.dtype.kind == "f":
        return moved.astype(x.dtype)
    limits = np.iinfo(x.dtype)
    return np.clip(np.rint(moved), limits.min, limits.max).astype(x.dtype)
