"""docs/compression.md: accuracy over what is pruned, what arrives as time, and bytes over the air."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.compress import curves, interval
from benchmarks.compress.plot import plot
from benchmarks.pages.page import Lines, Page
from benchmarks.transit import by_price
from edgexai.cli.table import table

KWS = "kws_int8.tflite --data kws01.npz --hold-out 300"
IC = "ic_int8.tflite --data cifar10_train.npz --test cifar10_test.npz"
MULTIPLES = (1, 8, 16)


def accuracy(measure: str) -> Callable[[Lines], str]:
    """Accuracy by criterion over the share of MACs kept."""
    return lambda lines: curves(lines[measure], "accuracy", 100)


def refitted(lines: Lines) -> str:
    """IC refitted at one share: each seed's accuracy."""
    rows = sorted(lines["least_squares_ic"], key=lambda r: int(r["seed"]))
    found = ", ".join(f"{r['accuracy']:.1%}" for r in rows)
    lost = interval([100 * (r["base"] - r["accuracy"]) for r in rows])
    maps = [r["heatmap"] for r in rows]
    cells = [[str(rows[0]["per_class"]), str(len(rows)), found, lost, f"{min(maps):.2f} to {max(maps):.2f}"]]
    return table(["inputs a class", "seeds", "accuracy", "points lost", "heatmaps"], cells)


def arrives(lines: Lines) -> str:
    """Time over MACs, and the share of what was saved that arrives."""
    rows = {(r["model"], r["keep"], r["multiple"]): r for r in lines["time"]}
    cells = []
    for model, keep in dict.fromkeys((r["model"], r["keep"]) for r in lines["time"]):
        own = [rows.get((model, keep, multiple)) for multiple in MULTIPLES]  # some multiples do not reach a share
        texts = ["–" if r is None else _arrived(r["macs"], r["latency"]) for r in own]
        cells.append([model, f"{keep:g}", *texts])
    return table(["model", "`--keep`", *(f"`--multiple {m}`" for m in MULTIPLES)], cells)


def _arrived(macs: float, latency: float) -> str:
    return f"{macs:.0%} → {latency:.0%} ({(1 - latency) / (1 - macs):.0%})"


def in_transit(measure: str, lines: Lines) -> str:
    """Bytes and accuracy by the price of a bit."""
    return by_price(lines[measure])


def picture(lines: Lines, path: Path) -> None:
    """Accuracy over MACs of both models, without repair."""
    plot([*lines["none_kws"], *lines["none_ic"]], str(path))


PAGE = Page(
    "compression",
    measures={
        "none_kws": (f"python -m benchmarks compress {KWS} --repair none --json",),
        "none_ic": (f"python -m benchmarks compress {IC} --maps 50 --repair none --json",),
        "least_squares_kws": (
            f"python -m benchmarks compress {KWS} --repair least_squares --criterion relevance --maps 30 --json",
        ),
        "least_squares_ic": (
            f"python -m benchmarks compress {IC} --repair least_squares --criterion relevance --maps 20 --keep 0.7 "
            "--json",
        ),
        "time": tuple(
            f"python -m benchmarks compress {model} --keep {keeps} --multiple {multiple} --repair none "
            "--criterion relevance --seeds 1 --maps 5 --json"
            for multiple in MULTIPLES
            for model, keeps in ((KWS, "0.6 0.5 0.4 0.3"), (IC, "0.7 0.588 0.5"))
        ),
        "transit_kws": (
            f"python -m benchmarks transit {KWS} --per-class 40 --seeds 10 --price 2e-6 5e-6 1e-5 2e-5 --json",
        ),
        "transit_ic_distilled": (
            f"python -m benchmarks transit {IC} --per-class 50 --keep 0.588 --epochs 120 "
            "--price 4e-7 8e-7 1.5e-6 2e-6 2.5e-6 3e-6 --json",
        ),
        "transit_kws_plain": (
            f"python -m benchmarks transit {KWS} --per-class 40 --price 1e-5 2e-5 3e-5 --plain --json",
        ),
        "transit_ic": (f"python -m benchmarks transit {IC} --per-class 50 --seeds 10 --price 2e-6 2.6e-6 --json",),
    },
    tables={
        "none-kws": accuracy("none_kws"),
        "none-ic": accuracy("none_ic"),
        "least-squares-kws": accuracy("least_squares_kws"),
        "least-squares-ic": refitted,
        "time": arrives,
        "transit-kws": partial(in_transit, "transit_kws"),
        "transit-kws-plain": partial(in_transit, "transit_kws_plain"),
        "transit-ic": partial(in_transit, "transit_ic"),
        "transit-ic-distilled": partial(in_transit, "transit_ic_distilled"),
    },
    pictures={"compression.png": picture},
)
