"""docs/heatmap-benchmark.md: heatmaps in few bytes, against other codecs, and what is left of their faithfulness."""

from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.heatmap.plot import plots
from benchmarks.heatmap.rate import TARGETS
from benchmarks.heatmap.report import share_of_best
from benchmarks.pages.page import Lines, Page
from benchmarks.results import Row
from edgexai.cli.table import table

NAMES = {
    "kws_int8": "KWS 49×10",
    "ic_int8": "IC 32×32",
    "digits": "digits 28×28",
    "net96": "96×96",
    "net96_ten": "96×96, ten classes",
}
PLUS = "epsilon_plus_flat"
ON = " ".join(
    f"--on {model} {data}"
    for model, data in (
        ("kws_int8.tflite", "kws01.npz"),
        ("ic_int8.tflite", "cifar10_test.npz"),
        ("models/digits.tflite", "models/digits.npz"),
        ("models/net96.tflite", "models/net96.npz"),
    )
)
TEN = "--on models/net96_ten.tflite models/net96_ten.npz"
COMMAND = "python -m benchmarks heatmap --json"


def rows_of(lines: Lines, what: str, composite: str = PLUS) -> list[Row]:
    """All rows of one question, whatever command took them; networks in the order of NAMES."""
    found = [r for rows in lines.values() for r in rows if r["what"] == what and r["composite"] == composite]
    return sorted(found, key=lambda r: list(NAMES).index(r["model"]))


def sizes(lines: Lines) -> str:
    """Ours and the best other at equal likeness."""
    cells = []
    for model, own in _by_model(rows_of(lines, "bytes")).items():
        ours, *others = sorted(own, key=lambda r: r["codec"] != "edgexai")
        shares = share_of_best(own)
        best = [next(o for o in others if o["codec"] == name) for _, name in shares]
        named = ", ".join(f"{o['codec']} {_figure(o['median'][i])}" for i, o in enumerate(best))
        shared = " / ".join(f"{share:.0%}" for share, _ in shares)
        cells.append([model, f"{_three(ours['median'])} ({ours['n']})", f"{named} ({best[0]['n']})", shared])
    return table(["z⁺ maps", "ours (maps)", "the best other (maps)", f"share at {_three(TARGETS)}"], cells)


def others(lines: Lines) -> str:
    """Every other codec."""
    found = _by_model(rows_of(lines, "bytes"))
    codecs = [r["codec"] for r in next(iter(found.values())) if r["codec"] != "edgexai"]
    cells = []
    for model, own in found.items():
        median = {r["codec"]: _three(r["median"]) for r in own}
        cells.append([model, *(median.get(codec, "–") for codec in codecs)])
    return table(["", *codecs], cells)


def rough(lines: Lines) -> str:
    """Bytes of epsilon maps."""
    cells = [
        [NAMES[r["model"]], r["codec"], str(r["n"]), _three(r["median"])] for r in rows_of(lines, "bytes", "epsilon")
    ]
    return table(["epsilon maps", "codec", "maps", "bytes"], cells)


def gain(lines: Lines) -> str:
    """What is left of the gain of uncoded maps."""
    whole = {(r["model"], r["n"]): r["gain"] for r in rows_of(lines, "uncoded")}
    cells = []
    for r in rows_of(lines, "faithfulness"):
        of = whole.get((r["model"], r["n"]))
        lost = f"{r['lost'][0]:.3f} ± {r['lost'][1]:.3f}"
        name = [NAMES[r["model"]], r["codec"], str(r["n"]), str(r["budget"]), f"{r['fits']:.0%}"]
        gained = f"{of[0]:.3f} ± {of[1]:.3f}" if of else "–"
        cells.append([*name, _share(r), gained, lost, f"{r['plain']:.3f}", f"{r['overlap']:.2f}", f"{r['cosine']:.3f}"])
    head = ["maps", "codec", "n", "bytes", "fits", "share of the gain (95 %)", "gain of uncoded maps", "gain lost"]
    return table([*head, "deletion alone", "top tenth", "cosine"], cells)


def _plain(title: Iterable[str], what: str, *columns: Callable[[Row], str]) -> Callable[[Lines], str]:
    """A table with a row a line: the network's name, and what the columns say."""

    def made(lines: Lines) -> str:
        found = [r for rows in lines.values() for r in rows if r["what"] == what]
        return table(["maps", *title], [[NAMES[r["model"]], *(column(r) for column in columns)] for r in found])

    return made


def _share(row: Row) -> str:
    return f"{row['share']:.1%} ({_bounds(row)})"


def _by_model(rows: list[Row]) -> dict[str, list[Row]]:
    return {
        name: [r for r in rows if r["model"] == model]
        for model, name in NAMES.items()
        if any(r["model"] == model for r in rows)
    }


def _three(values: Iterable[float | None]) -> str:
    return " / ".join(map(_figure, values))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _bounds(row: Row) -> str:
    return "–".join(f"{100 * b:.0f}" for b in row["bounds"])


def _named(*names: str, form: str = "") -> list[Callable[[Row], str]]:
    return [lambda r, name=name: f"{r[name]:{form}}" for name in names]  # type: ignore[misc]


TABLES: dict[str, Callable[[Lines], str]] = {
    "sizes": sizes,
    "others": others,
    "rough": rough,
    "gain": gain,
    "tag": _plain(
        ("relevance", "images", "maps", "bytes", "uncoded", "coded", "typical error of a map"),
        "tag",
        *_named("composite", "images", "n", "budget"),
        *_named("true", "share", "typical_error", form=".1%"),
    ),
    "transforms": _plain(
        ("transform", "maps", "ideal bytes"), "transforms", *_named("transform", "n"), lambda r: _three(r["median"])
    ),
    "basis": _plain(
        ("n", "components", "its file, B", "without", "with", "saved"),
        "basis",
        *_named("n", "components"),
        *_named("file", form=","),
        lambda r: _three(r["without"]),
        lambda r: _three(r["median"]),
        lambda r: " / ".join(f"{s:.0%}" for s in r["saved"]),
    ),
    "basis-gain": _plain(
        ("n", "bytes", "components", "share of the gain (95 %)", "top tenth", "cosine"),
        "basis gain",
        *_named("n", "budget", "components"),
        _share,
        *_named("overlap", form=".2f"),
        *_named("cosine", form=".3f"),
    ),
    "order": _plain(
        ("bytes", "power of \\|R\\|", "bands ahead", "share of the gain (95 %)", "top tenth", "cosine"),
        "order",
        *_named("budget"),
        *_named("power", "ahead", form=".2g"),
        _share,
        *_named("overlap", form=".2f"),
        *_named("cosine", form=".3f"),
    ),
    "references": _plain(
        ("n, learned from", "the mean's own frame", "without", "with", "bytes saved, all maps", "used for"),
        "references",
        lambda r: f"{r['n']}, {r['spare']}",
        *_named("reference", form=".0f"),
        *(lambda r, k=k: _three(r[k]) for k in ("without", "with")),
        *(lambda r, k=k: " / ".join(f"{v:.0%}" for v in r[k]) for k in ("saved", "used")),
    ),
    "bound": _plain(
        ("cosine", "frame", "of it the stream", "ideal, adapting", "ideal, known", "signs"),
        "bound",
        *_named("cosine", form=".2f"),
        *_named("frame", "stream", "adaptive", "known", "signs", form=".1f"),
    ),
    "speed": _plain(
        ("bytes", "encode, ms (least)", "decode, ms (least)"),
        "speed",
        *_named("budget", form=","),
        *(lambda r, k=k: f"{r[k][0]:.1f} ({r[k][1]:.1f})" for k in ("encode", "decode")),
    ),
}


def pictures(lines: Lines, path: Path) -> None:
    """Cosine over bytes, and share of the gain over bytes."""
    plots([r for rows in lines.values() for r in rows], path.parent)


PAGE = Page(
    "heatmap-benchmark",
    measures={
        "rate": (f"{COMMAND} {ON} --only bytes cosine rivals --rivals 500",),
        "rate_ten": (
            f'{COMMAND} {TEN} --samples 200 --rivals 200 --only bytes cosine rivals --against WebP "blosc2 zstd"',
        ),
        "rate_epsilon": (f"{COMMAND} {ON} --composite epsilon --only bytes rivals",),
        "faithfulness": (f"{COMMAND} {ON} --only faithfulness --against WebP zfp",),
        "faithfulness_ten": (f"{COMMAND} {TEN} --samples 1000 --only faithfulness --budgets 51 222 350 512",),
        "tag": (
            f"{COMMAND} --tag models/digits.tflite --composite {PLUS} --composite edge --composite 'epsilon(0.25)'",
        ),
        "transforms": (f"{COMMAND} {ON} --only transforms --samples 100",),
        "basis": (f"{COMMAND} {ON} {TEN} --only basis --samples 100",),
        "basis_gain": (f"{COMMAND} {ON} {TEN} --only basis_gain --budgets 51 64 222",),
        "order": (f"{COMMAND} {ON} --only order --samples 50 --budgets 64",),
        "references": (f"{COMMAND} {ON} --only references --samples 40",),
        "bound": (f"{COMMAND} {ON} {TEN} --only bound --samples 40",),
        "speed": (f"{COMMAND} --on models/net96.tflite models/net96.npz --samples 30 --only speed",),
    },
    tables=TABLES,
    pictures={"heatmap-rate.png": pictures},
)
