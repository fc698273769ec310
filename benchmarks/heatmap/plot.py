"""heatmap-rate.png: cosine over bytes. heatmap-faithful.png: what is left of the uncoded maps' gain over bytes."""

from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.heatmap.faithful import BUDGETS
from benchmarks.heatmap.rate import TARGETS

Row = dict[str, Any]

COLOURS = {
    "edgexai": "black",
    "WebP": "#2a6f97",
    "zfp": "#c1121f",
    "blosc2 zstd": "#5f8f3e",
    "JPEG XL": "#7a5195",
    "JPEG": "#bc8034",
    "PNG": "#8a8a8a",
    "AVIF": "#d17b9f",
}
COMPOSITE = "epsilon_plus_flat"
TICKS = (20, 50, 100, 300, 1000)


def plots(rows: list[Row], directory: Path) -> None:
    """Write what the rows have: z⁺ maps, a panel a model."""
    rows = [r for r in rows if r.get("composite", COMPOSITE) == COMPOSITE]
    if any(r["what"] == "cosine" for r in rows):
        figure, panels = _panels([r for r in rows if r["what"] in ("cosine", "bytes")])
        for (axis, own), left in zip(panels, cycle((True, False, False)), strict=False):
            _rate(axis, own, left)
        _finished(figure, panels, directory / "heatmap-rate.png")
    if any(r["what"] == "faithfulness" for r in rows):
        figure, panels = _panels([r for r in rows if r["what"] in ("uncoded", "faithfulness")])
        for (axis, own), left in zip(panels, cycle((True, False, False)), strict=False):
            _faithful(axis, own, left)
        _finished(figure, panels, directory / "heatmap-faithful.png")


def _rate(axis: Any, rows: list[Row], left: bool) -> None:
    for r in rows:
        if r["what"] == "cosine":
            axis.plot(r["budgets"], r["median"], color="black", label="edgexai")
            axis.fill_between(r["budgets"], r["tenth"], r["median"], color="black", alpha=0.12, linewidth=0)
        elif r["codec"] != "edgexai":
            size = [np.nan if m is None else m for m in r["median"]]
            axis.plot(size, TARGETS, "o-", ms=4, lw=1, color=COLOURS[r["codec"]], label=r["codec"])
    axis.set(xscale="log", ylim=(0.7, 1.005), xlim=(14, 3000), xlabel="bytes")
    axis.set_xticks(TICKS, [str(t) for t in TICKS])
    axis.minorticks_off()
    if left:
        axis.set_ylabel("cosine to the map\n(median; band: to the lowest tenth)")


def _faithful(axis: Any, rows: list[Row], left: bool) -> None:
    coded = [r for r in rows if r["what"] == "faithfulness"]
    for codec in dict.fromkeys(r["codec"] for r in coded):
        own = sorted((r for r in coded if r["codec"] == codec), key=lambda r: int(r["budget"]))
        budgets = [r["budget"] for r in own]
        low, high = np.array([r["bounds"] for r in own]).T * 100
        axis.fill_between(budgets, low, high, color=COLOURS[codec], alpha=0.13, linewidth=0)
        axis.plot(budgets, [100 * r["share"] for r in own], "o-", ms=4, color=COLOURS[codec], label=codec)
    axis.axhline(100, color="black", lw=0.8, ls=":")
    axis.set(xscale="log", xlabel="bytes, ours with a typical header", ylim=(-5, 185), xlim=(29, 560))
    axis.set_xticks(BUDGETS, [str(t) for t in BUDGETS], rotation=60, fontsize=8)
    axis.minorticks_off()
    most = max((r for r in rows if r["what"] == "uncoded"), key=lambda r: int(r["n"]))
    text = f"uncoded: {most['gain'][0]:.3f} ± {most['gain'][1]:.3f}"
    axis.annotate(text, (0.03, 0.97), xycoords="axes fraction", va="top", fontsize=8)
    if left:
        axis.set_ylabel("% of the uncoded maps' symmetric\nrelevance gain over random (band: 95 %)")


def _panels(rows: list[Row]) -> tuple[Any, list[tuple[Any, list[Row]]]]:
    models = list(dict.fromkeys(r["model"] for r in rows))
    columns = min(3, len(models))
    lines = -(-len(models) // columns)
    figure = import_module("matplotlib.figure").Figure(figsize=(4 * columns, 3.6 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).reshape(-1)
    for empty in axes[len(models) :]:
        empty.set_axis_off()
    panels = []
    for axis, model in zip(axes, models, strict=False):
        axis.set_title(model)
        axis.grid(alpha=0.3)
        panels.append((axis, [r for r in rows if r["model"] == model]))
    return figure, panels


def _finished(figure: Any, panels: list[tuple[Any, list[Row]]], path: Path) -> None:
    entries: dict[str, Any] = {}
    for axis, _ in panels:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    panels[-1][0].legend(entries.values(), entries.keys(), fontsize=7, loc="lower right")
    figure.savefig(path, dpi=130)
