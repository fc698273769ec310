"""docs/firmware-benchmark.md: what generated C takes on a microcontroller."""

from pathlib import Path

from benchmarks.firmware import shown
from benchmarks.pages.page import Lines, Page

NAMES = {
    "kws_int8": "KWS",
    "ic_int8": "IC",
    "ad_int8": "AD",
    "mobilenet": "MobileNet",
    "wake_word_streaming": "wake word",
}
CMSIS_NN = {"M4F": 7.70, "M55": 1.81}
"""Millions of instructions that predicting KWS takes with CMSIS-NN."""


def picture(lines: Lines, path: Path) -> None:
    """firmware.png: predicting, and what explaining adds, in millions of instructions; a panel a core."""
    from matplotlib import pyplot

    rows = [r for r in lines["firmware"] if "limit" not in r]
    names = [", ".join(filter(None, (NAMES[r["model"]], r["composite"], r["grid"]))) for r in rows]
    figure, panels = pyplot.subplots(1, len(CMSIS_NN), figsize=(10, 0.32 * len(rows) + 1.2), sharey=True)
    for axis, (core, theirs) in zip(panels, CMSIS_NN.items(), strict=True):
        counts = [r["cores"][core] for r in rows]
        predict, explain = ([c[what] / 1e6 for c in counts] for what in ("predict", "explain"))
        axis.barh(names, explain, color="#2a6f97", label="explaining adds")
        axis.barh(names, predict, color="#b9c6cf", label="predicting")
        for at, (whole, alone) in enumerate(zip(explain, predict, strict=True)):
            axis.annotate(
                f"{whole / alone:.2f} ×", (whole, at), (4, 0), textcoords="offset points", va="center", fontsize=8
            )
        for at, row in enumerate(rows):
            if row["model"] == "kws_int8":
                axis.plot(
                    [theirs, theirs],
                    [at - 0.4, at + 0.4],
                    color="#c1121f",
                    label="KWS predicted by CMSIS-NN" if at == 0 else None,
                )
        axis.set(title=f"Cortex-{core}", xlabel="million instructions")
        axis.set_xlim(0, 1.15 * max(explain))
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    panels[1].legend(frameon=False, fontsize=8, loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


PAGE = Page(
    "firmware-benchmark",
    measures={
        "firmware": (
            "python -m benchmarks firmware kws_int8.tflite ic_int8.tflite ic_int8.tflite:16x16 ad_int8.tflite:error "
            "mobilenet.tflite mobilenet.tflite:24x24 mobilenet.tflite:12x12 mobilenet.tflite:6x6 "
            "wake_word_streaming.tflite --json",
        )
    },
    tables={"takes": lambda lines: shown(lines["firmware"])},
    pictures={"firmware.png": picture},
)
