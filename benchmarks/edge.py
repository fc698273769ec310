"""How `edge` was chosen: every composite, and the other ways to explain, by faithfulness against time and bytes.

Each model comes with its data as MODEL=DATA.npz; `mnist` is a digit classifier that is trained on the spot. The gain
is that of `edgexai bench faithfulness`; time and bytes are measured on this machine, one thread, as multiples of
predicting and of the model's file. Writes a table a model as Markdown, all rows as JSON lines, and a plot.

examples:
  python -m benchmarks edge mnist kws_int8.tflite=clips.npz ic_int8.tflite=cifar.npz -o edge
"""

import argparse
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.mnist import made
from edgexai.cli.bench.explain import alternate
from edgexai.cli.bench.faithfulness import Ways, gains, inputs, named
from edgexai.cli.bench.rivals import PATCHES
from edgexai.cli.table import show
from edgexai.errors import ConfigError
from edgexai.graph import Graph, OpKind, load, serialize
from edgexai.relevance import Composite, Epsilon, Flat, Gamma, Line, Norm, NormPlus, ZPlus, attach
from edgexai.relevance.composite import CONVOLUTIONS
from edgexai.relevance.rules import TINY

Row = dict[str, Any]
Costs = tuple[float | None, float | None]


SUMS = Line(NormPlus(), frozenset({OpKind.ADD}), axes=3)
FLAT = Line(Flat(), CONVOLUTIONS, first=True, window=0.02)
ABSOLUTE = (
    FLAT,
    Line(Norm(stabilizer=1.0), SUMS.kinds),
    Line(ZPlus(stabilizer=1.0), CONVOLUTIONS),
    Line(Epsilon()),
)
"""`edge` as it was: stabilizers of 1, whatever the units of a map."""


def _edge(*lines: Line, bias: float = 0.0, start: Literal["logit", "less mean"] = "less mean") -> Composite:
    """`edge` with other lines in front, or another start, and without its flat rule."""
    exact = Epsilon(1e-9)
    rest = (SUMS, Line(ZPlus(stabilizer=TINY, bias=bias), CONVOLUTIONS), Line(exact))
    return Composite("variant", (Line(exact, from_output=range(1)), *lines, *rest), start)


VARIANTS: Ways = {
    "edge, integers": ("edge", "int8"),
    "edge, stabilizers of 1": (Composite("variant", ABSOLUTE), "float32"),
    "edge, stabilizers of 1, less mean": (Composite("variant", ABSOLUTE, "less mean"), "float32"),
    "edge, from the logit": (_edge(FLAT, start="logit"), "float32"),
    "edge, with bias": (_edge(FLAT, bias=1.0), "float32"),
    "edge, sums by share": (_edge(FLAT, Line(Norm(), SUMS.kinds)), "float32"),
    "edge, never flat": (_edge(), "float32"),
    "edge, always flat": (_edge(Line(Flat(), CONVOLUTIONS, first=True)), "float32"),
    "edge, gamma 0.25": (_edge(FLAT, Line(Gamma(gamma=0.25), CONVOLUTIONS)), "float32"),
    "edge, gamma 1": (_edge(FLAT, Line(Gamma(gamma=1.0), CONVOLUTIONS)), "float32"),
}
"""What each choice in `edge` is worth: the same with that choice made otherwise."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="+", help="MODEL.tflite=DATA.npz, or mnist")
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of edge.jsonl, edge.png, mnist")
    parser.add_argument("--samples", type=int, default=500, help="inputs a model, chosen at random (%(default)s)")
    parser.add_argument("--composite", action="append", help="which composites (default: all)")
    parser.add_argument("--no-rivals", action="store_true", help="composites only, which is much faster")
    parser.add_argument("--runs", type=int, default=300, help="alternating runs of each timing (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, no table and no plot")


def run(args: argparse.Namespace) -> int:
    args.output.mkdir(parents=True, exist_ok=True)
    pairs = [_pair(given, args.output) for given in args.model]
    tables: dict[str, list[Row]] = {}
    for path, data in pairs:
        graph = load(path)
        x, fill = inputs(graph, data, args.samples)
        ways = named(graph, x, args.composite) | ({} if args.composite else VARIANTS)
        costs: dict[str, Costs] = {n: _cost(path, graph, *way, args.runs) for n, way in ways.items()}
        costs["occlusion"] = (1.0 + PATCHES**2, None)  # predictions of covered inputs
        rows = gains(graph, x, fill, ways, with_rivals=not args.no_rivals)
        tables[path.stem] = [
            {"model": path.stem, "samples": len(x), **row, **dict(zip(("time", "bytes"), cost, strict=True))}
            for row in rows
            for cost in [costs.get(row["method"], (None, None))]
        ]
    with open(args.output / "edge.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for rows in tables.values() for row in rows)
    if args.json:
        for row in (row for rows in tables.values() for row in rows):
            print(json.dumps(row))
        return 0
    for model, rows in tables.items():
        print(f"\n### {model}, {rows[0]['samples']} inputs\n")
        show(
            ["method", "gain", "± (95 %)", "conservation", "time", "file"],
            [
                [r["method"], *(_text(r[k]) for k in ("gain", "interval", "conservation", "time", "bytes"))]
                for r in rows
            ],
        )
    if len(tables) > 1:
        print("\n### All models\n")
        show(["method", "mean gain", "worst share of the best", "time"], _together(tables))
    plot(tables, args.output / "edge.png")
    return 0


def _pair(given: str, directory: Path) -> tuple[Path, Path]:
    if given == "mnist":
        return made(directory)
    model, equals, data = given.rpartition("=")
    if not equals:
        raise ConfigError(f"{given!r} names no data; write MODEL.tflite=DATA.npz, or mnist")
    return Path(model), Path(data)


def _cost(path: Path, graph: Graph, composite: str | Composite, precision: str, runs: int) -> Costs:
    """Time and bytes of an explainer as multiples of the model's."""
    model, explainer = path.read_bytes(), serialize(attach(graph, composite, precision=precision))
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


def plot(tables: dict[str, list[Row]], path: Path) -> None:
    """Gain over time, a panel a model: `edge` red, named composites blue, other choices gray; rivals as lines."""
    from matplotlib.figure import Figure

    columns = min(3, len(tables))
    lines = -(-len(tables) // columns)
    figure = Figure(figsize=(4.6 * columns, 4.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).reshape(-1)
    for empty in panels[len(tables) :]:
        empty.set_axis_off()
        kinds = {"edge": "tab:red", "named composites": "tab:blue", "other choices for edge": "0.6"}
        marks = [
            empty.errorbar([], [], [], fmt="o", ms=4, lw=1, color=color, label=kind) for kind, color in kinds.items()
        ]
        empty.legend(handles=marks, loc="center", frameon=False, title="bars: 95 % interval")
    for axes, (model, rows) in zip(panels, tables.items(), strict=False):
        for row in rows:
            if row["bytes"] is None:
                axes.axhline(row["gain"], color="0.8", lw=0.8, zorder=0)
                at = {"xytext": (3, 0), "xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
                axes.annotate(row["method"], (1, row["gain"]), fontsize=7, color="0.4", va="center", **at)
                continue
            chosen, variant = row["method"] == "edge", row["method"].startswith("edge,")
            color = "tab:red" if chosen else "0.6" if variant else "tab:blue"
            axes.errorbar(
                row["time"], row["gain"], row["interval"], fmt="o", ms=5 if chosen else 3.5, color=color, lw=1
            )
        axes.set(title=model, xlabel="time of explaining / predicting", ylabel="symmetric relevance gain")
        axes.set_xlim(1, 1.25 * max(r["time"] for r in rows if r["bytes"] is not None))
        _labels(axes, [r for r in rows if r["bytes"] is not None and not r["method"].startswith("edge,")])
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _labels(axes: Any, rows: list[Row]) -> None:
    """Names beside their points, each where nothing lies yet; `edge` chooses first."""
    from matplotlib import patheffects

    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    high_as, wide_as = 0.033 * (high - low), 0.022 * (right - left)  # of a line, of a letter
    placed: list[tuple[float, float, float]] = []
    for row in sorted(rows, key=lambda r: (r["method"] != "edge", -r["gain"])):
        begin = row["time"] + wide_as
        end = begin + wide_as * len(row["method"])
        taken = [other for b, e, other in placed if begin < e and b < end]
        tries = (row["gain"] + side * step * high_as / 4 for step in range(100) for side in (1, -1))
        y = next(t for t in tries if all(abs(t - other) >= high_as for other in taken))
        placed.append((begin, end, y))
        edge = row["method"] == "edge"
        style = {"color": "tab:red", "weight": "bold"} if edge else {"color": "tab:blue"}
        around = [patheffects.withStroke(linewidth=2.5, foreground="white")]  # bars pass behind the letters
        point = (row["time"], row["gain"])
        axes.annotate(row["method"], point, (begin, y), fontsize=7, va="center", path_effects=around, zorder=9, **style)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value < 1 else f"{value:.2f}"
