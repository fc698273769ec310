"""Tables of what `python -m benchmarks heatmap` has measured, as they stand in docs/heatmap-benchmark.md."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.heatmap.rate import TARGETS
from edgexai.cli.table import show

Row = dict[str, Any]

NAMES = ("model", "composite", "n")
TABLES: list[tuple[str, str, Sequence[str], Sequence[str]]] = [
    ("cosine", "cosine at so many bytes: median, and what nine of ten reach", NAMES, ("budgets", "median", "tenth")),
    ("uncoded", "symmetric relevance gain of the uncoded maps, and deletion against random", NAMES, ("gain", "plain")),
    (
        "faithfulness",
        "what is left of the gain, with a typical header",
        ("model", "composite", "codec", "n", "budget"),
        ("fits", "share", "bounds", "lost", "plain", "overlap", "cosine"),
    ),
    ("tag", "share of the positive relevance on the tag", (*NAMES, "images", "budget"), ("true", "share")),
    (
        "basis",
        f"with components learned from other maps: bytes of their file, and of frames at a cosine of {TARGETS}",
        (*NAMES, "spare", "components"),
        ("file", "without", "median", "saved"),
    ),
    (
        "basis gain",
        "what is left of the gain with them, with a typical header",
        (*NAMES, "spare", "components", "budget"),
        ("share", "bounds", "lost", "plain", "overlap", "cosine"),
    ),
    ("transforms", f"ideal bytes at a cosine of {TARGETS}", (*NAMES, "transform"), ("median",)),
    (
        "order",
        "bits in another order",
        (*NAMES, "budget", "power", "ahead"),
        ("share", "bounds", "plain", "overlap", "cosine"),
    ),
    (
        "bound",
        "bytes of frame and stream, ideal ones of its decisions",
        (*NAMES, "cosine"),
        ("frame", "stream", "adaptive", "known", "signs"),
    ),
    (
        "references",
        f"class means as references: bytes at a cosine of {TARGETS}",
        (*NAMES, "spare", "reference"),
        ("without", "with", "saved", "used"),
    ),
    (
        "speed",
        "processor time, ms: median and fastest",
        ("model", "shape", "n", "budget"),
        ("encode", "decode", "first"),
    ),
]


def tables(rows: list[Row]) -> None:
    """Print everything, a table a question."""
    for model, composite in dict.fromkeys((r["model"], r["composite"]) for r in rows if r["what"] == "bytes"):
        own = [r for r in rows if r["what"] == "bytes" and (r["model"], r["composite"]) == (model, composite)]
        print(f"\n{model}, {composite}: median bytes at a cosine of")
        show(["codec", "maps", *map(str, TARGETS)], [[r["codec"], str(r["n"]), *map(_whole, r["median"])] for r in own])
        ratios = share_of_best(own)
        if ratios:
            print("share of the best of the others: " + "  ".join(f"{r:.0%} ({name})" for r, name in ratios))
    for what, title, names, values in TABLES:
        own = [r for r in rows if r["what"] == what]
        if own:
            print(f"\n{what}: {title}")
            show([*names, *values], [[_text(r[n]) for n in names] + [_text(r[v]) for v in values] for r in own])


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


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _text(value: Any) -> str:
    if isinstance(value, str) or value is None:
        return value or "–"
    if isinstance(value, Iterable):
        return " ".join(map(_text, value))
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 2 else f"{value:.1f}"
