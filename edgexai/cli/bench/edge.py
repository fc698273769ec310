"""How `edge` was chosen: every composite, and the other ways to explain, by faithfulness against time and bytes.

Each model comes with its data as MODEL=DATA.npz; `mnist` is a digit classifier that is trained on the spot. The gain
is that of `edgexai bench faithfulness`; time and bytes are measured on this machine, one thread, as multiples of
predicting and of the model's file. Writes a table a model as Markdown, all rows as JSON lines, and a plot.

examples:
  edgexai bench edge mnist kws_int8.tflite=clips.npz ic_int8.tflite=cifar.npz -o edge
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from edgexai.cli.bench.explain import alternate
from edgexai.cli.bench.faithfulness import COMPOSITES, gains, inputs
from edgexai.cli.bench.mnist import made
from edgexai.cli.bench.rivals import PATCHES
from edgexai.cli.table import show
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import Composite, Epsilon, Flat, Gamma, Line, ZPlus, attach
from edgexai.relevance.composite import CONVOLUTIONS

Row = dict[str, Any]
Costs = tuple[float | None, float | None]


def _edge(*lines: Line, stabilizer: float = 1.0) -> Composite:
    """`edge` with other lines in front, or another stabilizer, and without its flat rule."""
    return Composite("variant", (*lines, Line(ZPlus(stabilizer=stabilizer), CONVOLUTIONS), Line(Epsilon())))


FLAT = Line(Flat(), CONVOLUTIONS, first=True, window=0.02)
VARIANTS = {
    "edge, never flat": _edge(),
    "edge, always flat": _edge(Line(Flat(), CONVOLUTIONS, first=True)),
    "edge, stabilizer 0.1": _edge(FLAT, stabilizer=0.1),
    "edge, stabilizer 4": _edge(FLAT, stabilizer=4.0),
    "edge, gamma 0.25": _edge(FLAT, Line(Gamma(stabilizer=1.0, gamma=0.25), CONVOLUTIONS)),
    "edge, gamma 1": _edge(FLAT, Line(Gamma(stabilizer=1.0, gamma=1.0), CONVOLUTIONS)),
    "edge, epsilon 1": _edge(FLAT, Line(Epsilon(1.0))),
    "edge, epsilon 1 above the third layer": _edge(FLAT, Line(Epsilon(1.0), from_input=range(3, 1000))),
}
"""What each choice in `edge` is worth: the same composite with that choice made otherwise."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help="MODEL.tflite=DATA.npz, or mnist")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of edge.jsonl, edge.png, mnist")
    parser.add_argument("--samples", type=int, default=500, help="inputs a model, chosen at random (%(default)s)")
    parser.add_argument("--composite", action="append", help="which composites (default: all)")
    parser.add_argument("--runs", type=int, default=300, help="alternating runs of each timing (%(default)s)")


def run(args: argparse.Namespace) -> int:
    args.output.mkdir(parents=True, exist_ok=True)
    pairs = [_pair(given, args.output) for given in args.model]
    composites = {name: name for name in args.composite} if args.composite else {n: n for n in COMPOSITES} | VARIANTS
    tables: dict[str, list[Row]] = {}
    for path, data in pairs:
        graph = load(path)
        x, fill = inputs(graph, data, args.samples)
        costs: dict[str, Costs] = {n: _cost(path, graph, c, args.runs) for n, c in composites.items()}
        costs["occlusion"] = (1.0 + PATCHES**2, None)  # predictions of covered inputs
        rows = gains(graph, x, fill, composites, with_rivals=True, quiet=False)
        tables[path.stem] = [
            {"model": path.stem, "samples": len(x), **row, **dict(zip(("time", "bytes"), cost, strict=True))}
            for row in rows
            for cost in [costs.get(row["method"], (None, None))]
        ]
    with open(args.output / "edge.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for rows in tables.values() for row in rows)
    for model, rows in tables.items():
        print(f"\n### {model}, {rows[0]['samples']} inputs\n")
        show(
            ["method", "gain", "± (95 %)", "deletion", "insertion", "time", "file"],
            [
                [r["method"], *(_text(r[k]) for k in ("gain", "interval", "deletion", "insertion", "time", "bytes"))]
                for r in rows
            ],
        )
    if len(tables) > 1:
        print("\n### All models\n")
        show(["method", "mean gain", "worst share of the best", "time"], _together(tables))
    _plot(tables, args.output / "edge.png")
    return 0


def _pair(given: str, directory: Path) -> tuple[Path, Path]:
    if given == "mnist":
        return made(directory)
    model, equals, data = given.rpartition("=")
    if not equals:
        raise ConfigError(f"{given!r} names no data; write MODEL.tflite=DATA.npz, or mnist")
    return Path(model), Path(data)


def _cost(path: Path, graph: Graph, composite: str | Composite, runs: int) -> Costs:
    """Time and bytes of an explainer as multiples of the model's."""
    model, explainer = path.read_bytes(), serialize(attach(graph, composite))
    predict_ms, explain_ms = alternate([model, explainer], runs)
    return explain_ms / predict_ms, len(explainer) / len(model)


def _together(tables: dict[str, list[Row]]) -> list[list[str]]:
    """Over all models: mean gain, the least share of the most faithful composite's gain, mean time."""
    best = {model: max(r["gain"] for r in rows if r["bytes"]) for model, rows in tables.items()}
    found = []
    for method in (r["method"] for r in next(iter(tables.values()))):
        rows = [r for rows in tables.values() for r in rows if r["method"] == method]
        share = min(r["gain"] / best[r["model"]] for r in rows)
        times = [r["time"] for r in rows if r["time"]]
        mean_time = float(np.exp(np.mean(np.log(times)))) if times else None
        found.append((float(np.mean([r["gain"] for r in rows])), method, share, mean_time))
    return [[method, f"{mean:.3f}", f"{share:.2f}", _text(t)] for mean, method, share, t in sorted(found)[::-1]]


def _plot(tables: dict[str, list[Row]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(tables), 4.2), layout="constrained")
    for axes, (model, rows) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        for row in rows:
            edge, composite = row["method"] == "edge", row["bytes"] is not None
            if not composite:
                axes.axhline(row["gain"], color="0.8", lw=0.8, zorder=0)
                axes.annotate(
                    row["method"],
                    (1, row["gain"]),
                    (2, 0),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    fontsize=6,
                    color="0.4",
                    va="center",
                )
                continue
            color = "tab:red" if edge else "tab:blue"
            axes.errorbar(row["time"], row["gain"], row["interval"], fmt="o", ms=5 if edge else 3.5, color=color, lw=1)
            axes.annotate(
                row["method"],
                (row["time"], row["gain"]),
                (5, 3),
                textcoords="offset points",
                fontsize=7,
                color=color,
                weight="bold" if edge else "normal",
            )
        axes.set(
            title=model, xlabel="time of explaining / predicting", ylabel="symmetric relevance gain", xlim=(1, None)
        )
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value < 1 else f"{value:.2f}"
