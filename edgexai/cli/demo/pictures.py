"""The demo's pictures: inputs beside their heatmaps, each class's mean map, and what the tag does."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgexai.cli.demo.findings import Findings, Frames, Tag

RED, BLUE, GREY = "#c0392b", "#2c6fbb", "#a9aeb5"
PAIRS = 6


def pairs(rows: list[tuple[str, Frames, NDArray[np.int64]]], images: dict[str, NDArray[Any]]) -> Figure:
    """Each row six inputs, each beside its heatmap."""
    figure = Figure(figsize=(9.8, 1.12 * len(rows) + 0.1), layout="constrained")
    axes = figure.subplots(len(rows), 2 * PAIRS, squeeze=False)
    for line, (title, frames, chosen) in zip(axes, rows, strict=True):
        for ax in line:
            ax.set_axis_off()
        for column, i in enumerate(chosen[:PAIRS]):
            shown = picture(images[frames.node][frames.samples[i]])
            line[2 * column].imshow(shown, cmap="gray_r", aspect="auto" if _is_long(shown) else "equal")
            heatmap(line[2 * column + 1], frames.maps[i])
        line[0].set_title(title, loc="left", fontsize=9)
    return figure


def heatmap(ax: Axes, relevance: NDArray[Any]) -> None:
    """Red speaks for the prediction, blue against it."""
    limit = float(np.quantile(np.abs(relevance), 0.995)) or 1.0
    ax.imshow(relevance, cmap="bwr", vmin=-limit, vmax=limit, aspect="auto" if _is_long(relevance) else "equal")


def picture(x: NDArray[Any]) -> NDArray[Any]:
    """A sample as an image: colours if it has three channels, else one plane."""
    planes = [n for n in x.shape if n > 1]
    shown = x.reshape(planes if len(planes) > 1 else (1, -1)).astype(np.float64)
    if shown.ndim == 3 and shown.shape[-1] != 3:
        shown = shown.mean(-1)
    return np.asarray((shown - shown.min()) / (float(np.ptp(shown)) or 1.0))


def classes(findings: Findings) -> Figure:
    """The mean map of each class over all nodes, every explanation scaled alike; suspects stand out in red."""
    maps = np.concatenate([f.maps for f in findings.frames])
    targets = np.concatenate([f.targets for f in findings.frames])
    scaled = maps / np.maximum(np.abs(maps).max((1, 2), keepdims=True), 1e-30)
    known = np.unique(targets)
    columns = min(10, len(known))
    lines = -(-len(known) // columns)
    figure = Figure(figsize=(9.8, 1.25 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    suspected = {s.target for s in findings.suspects}
    for ax, k in zip(axes.flat, known, strict=False):
        heatmap(ax, scaled[targets == k].mean(0))
        flagged = k in suspected
        weight, colour = ("bold", RED) if flagged else ("normal", "black")
        ax.set_title(f"{findings.label(int(k))} ({(targets == k).sum()})", fontsize=9, color=colour, weight=weight)
    return figure


def corner(tag: Tag) -> Figure:
    """Relevance in the corner by class, and what the tag does to the predictions."""
    figure = Figure(figsize=(9.8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    at = np.arange(len(tag.corner))
    left.bar(at - 0.2, 100 * tag.corner, 0.4, color=[RED if k == tag.target else BLUE for k in at], label="with tags")
    left.bar(at + 0.2, 100 * tag.corner_clean, 0.4, color=GREY, label="site without tags")
    left.axhline(100 * tag.area, color="black", linewidth=0.8, linestyle=":", label="the corner's share of the image")
    left.set(xticks=at, xlabel="predicted class", ylabel="% of positive relevance in the corner")
    left.legend(frameon=False, fontsize=8)
    names = [f"{tag.target}s with tag", f"{tag.target}s without", "others with tag"]
    bars = right.bar(names, [100 * tag.seen_with, 100 * tag.seen_without, 100 * tag.fooled], color=[RED, GREY, BLUE])
    right.bar_label(bars, fmt="%.0f %%", fontsize=9)
    right.tick_params(axis="x", labelsize=8)
    right.set(ylim=(0, 112), ylabel=f"% predicted {tag.target}")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def _is_long(shown: NDArray[Any]) -> bool:
    rows, columns = shown.shape[:2]
    return bool(max(rows, columns) > 3 * min(rows, columns))
