"""Tables and plots of what `edgexai bench heatmap` has measured."""

from pathlib import Path
from typing import Any

import numpy as np

from edgexai.cli.bench.heatmap_rate import TARGETS
from edgexai.cli.table import show

Row = dict[str, Any]


def tables(rows: list[Row]) -> None:
    """Print everything, a table a question."""
    for model, composite in dict.fromkeys((r["model"], r["composite"]) for r in rows if r["what"] == "bytes"):
        own = [r for r in rows if r["what"] == "bytes" and (r["model"], r["composite"]) == (model, composite)]
        print(f"\n{model}, {composite}: median bytes at a cosine of")
        show(["codec", "maps", *map(str, TARGETS)], [[r["codec"], str(r["n"]), *map(_whole, r["median"])] for r in own])
        ratios = share_of_best(own)
        if ratios:
            print("share of the best of the others: " + "  ".join(f"{r:.0%} ({name})" for r, name in ratios))
    kinds: list[tuple[str, list[str], list[str]]] = [
        ("cosine", ["model", "composite", "n"], ["budgets", "median", "tenth"]),
        ("faithfulness", ["model", "composite", "n", "budget"], ["gain", "overlap", "uncoded"]),
        ("corner", ["model", "images", "n", "budget"], ["true", "share", "typical_error"]),
    ]
    for what, names, values in kinds:
        own = [r for r in rows if r["what"] == what]
        if own:
            print(f"\n{what}")
            show([*names, *values], [[str(r[n]) for n in names] + [_text(r[v]) for v in values] for r in own])


def share_of_best(rows: list[Row]) -> list[tuple[float, str]]:
    """Our bytes at each target over the fewest of another codec, and which that is."""
    ours = [r for r in rows if r["codec"] == "edgexai"]
    others = [r for r in rows if r["codec"] != "edgexai"]
    if not ours or not others:
        return []
    found = []
    for i in range(len(TARGETS)):
        best, name = min((r["median"][i], r["codec"]) for r in others if r["median"][i] is not None)
        found.append((ours[0]["median"][i] / best, name))
    return found


def plots(rows: list[Row], directory: Path) -> None:
    """heatmap-rate.png: cosine over bytes, other codecs as points; heatmap-faithful.png: gain over bytes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [r for r in rows if r.get("composite", "epsilon_plus_flat") == "epsilon_plus_flat"]
    models = list(dict.fromkeys(r["model"] for r in rows if r["what"] == "cosine"))
    names = list(dict.fromkeys(r["codec"] for r in rows if r["what"] == "bytes" and r["codec"] != "edgexai"))
    figure, axes = plt.subplots(1, len(models), figsize=(3.6 * len(models), 3.6), sharey=True, squeeze=False)
    for axis, model in zip(axes[0], models, strict=True):
        for r in rows:
            if r["model"] != model:
                continue
            if r["what"] == "cosine":
                axis.plot(r["budgets"], r["median"], color="black", label="edgexai")
                axis.fill_between(r["budgets"], r["tenth"], r["median"], color="black", alpha=0.12, linewidth=0)
            elif r["what"] == "bytes" and r["codec"] != "edgexai":
                size = [np.nan if m is None else m for m in r["median"]]
                axis.plot(size, TARGETS, "o-", ms=4, lw=1, color=f"C{names.index(r['codec'])}", label=r["codec"])
        axis.set_xscale("log")
        axis.set_ylim(0.7, 1.005)
        axis.set_xlim(14, 3000)
        axis.set_xlabel("bytes")
        axis.set_title(model)
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("cosine to the map, median")
    entries = {
        label: handle for axis in axes[0] for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    axes[0][-1].legend(entries.values(), entries.keys(), fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(directory / "heatmap-rate.png", dpi=130)
    faithful = [r for r in rows if r["what"] == "faithfulness"]
    if faithful:
        figure, axis = plt.subplots(figsize=(5.5, 3.6))
        for model in dict.fromkeys(r["model"] for r in faithful):
            own = [r for r in faithful if r["model"] == model]
            axis.plot([r["budget"] for r in own], [100 * r["gain"] for r in own], "o-", label=model)
        axis.axhline(100, color="black", lw=0.8)
        axis.set_xscale("log")
        axis.set_xticks([r["budget"] for r in own], [str(r["budget"]) for r in own])
        axis.minorticks_off()
        axis.set_xlabel("bytes of the frame, a typical header included")
        axis.set_ylabel("% of the uncoded maps' gain\nof deletion over chance")
        axis.legend()
        axis.grid(alpha=0.3)
        figure.tight_layout()
        figure.savefig(directory / "heatmap-faithful.png", dpi=130)


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(str(v) if isinstance(v, int) else f"{v:.3f}" for v in value)
    return f"{value:.3f}"
