"""The curves of the benchmark `compress` as a picture: accuracy over the MACs kept, a panel a model and repair."""

from collections import defaultdict
from importlib import import_module
from typing import Any

import numpy as np

COLOURS = {
    "relevance": "#c1121f",
    "taylor": "#2a6f97",
    "activation": "#5f8f3e",
    "magnitude": "#7a5195",
    "random": "#8a8a8a",
}
REPAIR = {
    "none": "no repair",
    "bias": "means folded into biases",
    "least_squares": "least squares",
    "distill": "distilled",
}


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Draw lines of results: mean accuracy, and the range of the seeds as a band."""
    plt = import_module("matplotlib.figure")
    panels = list(dict.fromkeys((row["model"], row["repair"]) for row in rows))
    figure = plt.Figure(figsize=(4.6 * len(panels), 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (model, repair) in zip(axes, panels, strict=True):
        mine = [row for row in rows if (row["model"], row["repair"]) == (model, repair)]
        for criterion, colour in COLOURS.items():
            points: dict[float, list[float]] = defaultdict(list)
            for row in mine:
                if row["criterion"] == criterion:
                    points[row["keep"]].append(100 * row["accuracy"])
            if not points:
                continue
            keeps = sorted(points)
            axis.fill_between(
                [100 * k for k in keeps],
                [min(points[k]) for k in keeps],
                [max(points[k]) for k in keeps],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
            means = [float(np.mean(points[k])) for k in keeps]
            axis.plot([100 * k for k in keeps], means, color=colour, marker="o", markersize=3.5, label=criterion)
        axis.axhline(100 * float(np.mean([row["base"] for row in mine])), color="black", linewidth=0.8, linestyle=":")
        axis.set(title=f"{model}, {REPAIR[repair]}", xlabel="MACs kept, %", ylim=(0, 100))
        axis.invert_xaxis()
        axis.grid(alpha=0.2)
    axes[0].set_ylabel("accuracy, % (dotted: whole model)")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=130)
