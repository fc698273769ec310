"""docs/benchmarks.md: time and bytes of explaining, against predicting and against zennit."""

from benchmarks.pages.page import Lines, Page
from benchmarks.results import Row
from edgexai.cli.table import table

NAMES = {"kws_int8": "KWS", "ic_int8": "IC", "ad_int8": "AD", "vww_int8": "VWW"}
COMPOSITES = ("epsilon", "epsilon_plus_flat", "edge")
AIMS = {
    ("KWS", "epsilon"): 1.6,
    ("KWS", "epsilon_plus_flat"): 1.9,
    ("IC", "epsilon"): 2.2,
    ("IC", "epsilon_plus_flat"): 2.7,
    ("AD", "epsilon"): 2.5,
    ("AD", "epsilon_plus_flat"): 2.8,
}
MODELS = " ".join(f"{name}.tflite" for name in NAMES)
ALL = " ".join(f"--composite {name}" for name in COMPOSITES)

Key = tuple[str, str]


def explaining(lines: Lines) -> str:
    """Explaining over predicting by runtime and arithmetic."""
    floats, integers = (_by_model(lines[name], "ratio") for name in ("explain", "explain_integers"))
    old = _by_model(lines["explain_tflite_runtime"], "ratio")
    cells = [
        [f"{model} `{name}`", *(_figure(found.get((model, name))) for found in (AIMS, floats, integers, old))]
        for model, name in floats
    ]
    return table(["model, composite", "aim", "LiteRT", "LiteRT, integers", "tflite-runtime 2.14"], cells)


def floor(lines: Lines) -> str:
    """What a pass in floats takes at least, against what was measured."""
    head = ["", "predict, int8", "predict, float copy", "(predict + float) / predict", "`epsilon`"]
    head += ["(predict + 2 float) / predict", "`epsilon_plus_flat`", "`edge`"]
    rows = {(NAMES[r["model"]], r["composite"]): r for r in lines["explain"]}
    cells = []
    for model in dict.fromkeys(model for model, _ in rows):
        own = [rows[model, name] for name in COMPOSITES]
        predict, real = own[0]["predict_ms"], own[0]["float_ms"]
        least = [(predict + passes * real) / predict for passes in (1, 2)]
        ratios = [row["ratio"] for row in own]
        figures = [f"{least[0]:.1f}", f"{ratios[0]:.2f}", f"{least[1]:.1f}", f"{ratios[1]:.2f}", f"{ratios[2]:.2f}"]
        cells.append([model, f"{predict:.3f} ms", f"{real:.3f} ms", *figures])
    return table(head, cells)


def on_events(lines: Lines) -> str:
    """Of a node that explains one input in twenty, over one that only predicts."""
    floats, integers = (_by_model(lines[name], "on_event") for name in ("explain", "explain_integers"))
    old = {key: 0.95 + 0.05 * r for key, r in _by_model(lines["explain_tflite_runtime"], "ratio").items()}
    models = dict.fromkeys(model for model, _ in floats)
    chosen = ("epsilon", "edge")
    head = [
        "",
        *(f"{where}, `{name}`" for where in ("LiteRT", "integers", "tflite-runtime 2.14") for name in chosen),
    ]
    return table(
        head, [[m, *(_figure(f.get((m, name))) for f in (floats, integers, old) for name in chosen)] for m in models]
    )


def grids(lines: Lines) -> str:
    """Explaining over predicting by the resolution at which relevance stops."""
    rows = [r for name in ("grids", "grids_vww") for r in lines[name] if "x" in r["grid"] or r["grid"] == "input"]
    cells = [
        [f"{NAMES[r['model']]} `{r['composite']}`", r["grid"].replace("x", "×"), f"{r['ratio']:.2f}"] for r in rows
    ]
    return table(["model, composite", "grid", "explaining / predicting"], cells)


def sizes(lines: Lines) -> str:
    """Bytes of the explainer over those of the model."""
    floats, integers = (_by_model(lines[name], "file_ratio") for name in ("explain", "explain_integers"))
    head = ["", *(f"`{name}`" for name in COMPOSITES), *(f"`{name}`, integers" for name in COMPOSITES)]
    models = dict.fromkeys(model for model, _ in floats)
    return table(
        head, [[m, *(_figure(f.get((m, name))) for f in (floats, integers) for name in COMPOSITES)] for m in models]
    )


def zennit(lines: Lines) -> str:
    """Milliseconds of zennit and of ours, and how far the maps are apart."""
    integers = {(r["model"], r["composite"]): r for r in lines["zennit_integers"]}
    cells = []
    for row in lines["zennit"]:
        name = f"{NAMES[row['model']]} `{row['composite']}`"
        figures = [f"{row['zennit_ms']:.1f} ms"]
        for one in (row, integers[row["model"], row["composite"]]):
            figures += [f"{one['edgexai_ms']:.3f} ms", f"{one['faster']:.0f} ×"]
        cells.append([name, *figures, f"{row['error']:.0e}"])
    return table(["", "zennit", "LiteRT", "", "LiteRT, integers", "", "difference of the maps"], cells)


def attaching(lines: Lines) -> str:
    """The whole command `edgexai attach`."""
    cells = [
        [f"`{r['composite']}`", f"{r['seconds']:.2f} s", f"{r['processor']:.2f} s", f"{r['megabytes']:.0f} MB"]
        for r in lines["attach"]
    ]
    return table(["composite", "on the clock", "of processor", "memory at most"], cells)


def _by_model(rows: list[Row], key: str) -> dict[Key, float]:
    return {(NAMES[r["model"]], r["composite"]): r[key] for r in rows}


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


PAGE = Page(
    "benchmarks",
    measures={
        "attach": ("python -m benchmarks attach -o vww_int8.tflite --json",),
        "explain": (f"edgexai bench explain {MODELS} {ALL} --json",),
        "explain_integers": (f"edgexai bench explain {MODELS} {ALL} --precision int8 --json",),
        "explain_tflite_runtime": tuple(
            command
            for model in ("kws_int8", "ic_int8", "ad_int8")
            for command in (
                *(f"edgexai attach {model}.tflite -o {model}.{name}.tflite --composite {name}" for name in COMPOSITES),
                f".venv-node/bin/python scripts/time --json {model}.tflite "
                + " ".join(f"{model}.{name}.tflite" for name in COMPOSITES),
            )
        ),
        "grids": (
            "edgexai bench explain ic_int8.tflite kws_int8.tflite --composite epsilon --grids --json",
            "edgexai bench explain ic_int8.tflite --composite edge --grids --json",
        ),
        "grids_vww": ("edgexai bench explain vww_int8.tflite --composite edge --grids --json",),
        "zennit": ("python -m benchmarks zennit kws_int8.tflite ic_int8.tflite ad_int8.tflite --json",),
        "zennit_integers": (
            "python -m benchmarks zennit kws_int8.tflite ic_int8.tflite ad_int8.tflite --precision int8 --json",
        ),
    },
    tables={
        "explaining": explaining,
        "floor": floor,
        "on-events": on_events,
        "grids": grids,
        "bytes": sizes,
        "zennit": zennit,
        "attaching": attaching,
    },
)
