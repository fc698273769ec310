"""docs/edge-composite.md: faithfulness of every composite against its time, and networks that remember."""

from pathlib import Path

import numpy as np

from benchmarks.edge import plot
from benchmarks.pages.page import Lines, Page
from benchmarks.results import Row
from edgexai.cli.table import table

NAMES = {
    "mnist_int8": "digits",
    "kws_int8": "KWS",
    "ic_int8": "IC",
    "mobilenet_int8": "MobileNet",
    "bottlenecks_int8": "bottlenecks",
}
SHOWN = (
    "edge",
    "edge, with bias",
    "edge, from the logit",
    "edge, stabilizers of 1",
    "edge, gamma 0.25",
    "epsilon_plus",
    "epsilon",
    "gamma",
    "epsilon_gamma_box",
)
"""Methods of the table of conservation."""
DATA = {"mnist_int8": "mnist", "kws_int8": "kws_int8.tflite=kws01.npz", "ic_int8": "ic_int8.tflite=cifar10_test.npz"}
DATA |= {name: f"networks/{name}.tflite=networks/{name.removesuffix('_int8')}.npz" for name in list(NAMES)[3:]}


def by_model(lines: Lines) -> dict[str, dict[str, Row]]:
    """Rows by method and model."""
    found: dict[str, dict[str, Row]] = {}
    for row in lines["edge"]:
        found.setdefault(row["method"], {})[row["model"]] = row
    return found


def gains(lines: Lines) -> str:
    """Gain by model, its mean, and the geometric mean of time; the best first."""
    ranked = []
    for method, rows in by_model(lines).items():
        own = [rows[model]["gain"] for model in NAMES]
        time = float(np.exp(np.mean([np.log(rows[model]["time"]) for model in NAMES])))
        name = f"**{method}**" if method == "edge" else method
        ranked.append((float(np.mean(own)), [name, *(f"{g:.3f}" for g in own), f"{np.mean(own):.3f}", f"{time:.2f}"]))
    head = ["composite", *NAMES.values(), "mean", "time"]
    return table(head, [cells for _, cells in sorted(ranked, key=lambda r: -r[0])])


def intervals(lines: Lines) -> str:
    """Half widths of the 95 % intervals of `edge`."""
    own = by_model(lines)["edge"]
    return table(["", *NAMES.values()], [["± (95 %) of `edge`", *(f"{own[m]['interval']:.3f}" for m in NAMES)]])


def conservation(lines: Lines) -> str:
    """The median of Σ relevance / score."""
    found = by_model(lines)
    cells = [[method, *(f"{found[method][m]['conservation']:.2f}" for m in NAMES)] for method in SHOWN]
    return table(["composite", *NAMES.values()], cells)


def recurrence(lines: Lines) -> str:
    """Relevance at a planted bump, in float and int8."""
    cells = [
        [f"{r['network']}, `{r['composite']}`", f"{r['float']:.2f}", f"{r['int8']:.2f}", f"{r['correlation']:.3f}"]
        for r in lines["recurrence"]
    ]
    return table(["network, composite", "at the bump, float", "int8", "correlation"], cells)


def rules(lines: Lines) -> str:
    """What other rules and other methods put at the bump: float / int8, and Σ relevance / score."""
    found: dict[str, list[str]] = {}
    for r in lines["rules"]:
        shares = " / ".join(f"{r[k]:.2f}" for k in ("float", "int8") if k in r)
        found.setdefault(r["what"], []).extend([shares, f"{r['conservation']:.2f}" if "conservation" in r else ""])
    head = ["in the cells", "GRU, float / int8", "adds up to", "LSTM, float / int8", "adds up to"]
    return table(head, [[what, *cells] for what, cells in found.items()])


def picture(lines: Lines, path: Path) -> None:
    """Gain over time, a panel a model."""
    plot({name: [r for r in lines["edge"] if r["model"] == model] for model, name in NAMES.items()}, path)


PAGE = Page(
    "edge-composite",
    measures={
        "edge": (
            f"python -m benchmarks edge {' '.join(DATA.values())} -o edge --samples 120 --no-rivals --runs 100 --json",
        ),
        "recurrence": ("python -m benchmarks recurrence --json",),
        "rules": ("python -m benchmarks recurrence_rules --json",),
    },
    tables={
        "gains": gains,
        "intervals": intervals,
        "conservation": conservation,
        "recurrence": recurrence,
        "rules": rules,
    },
    pictures={"edge-composite.png": picture},
)
