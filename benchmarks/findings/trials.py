"""What trials by intervention make of suspicions, with an artefact and without: confirmed or not."""

from benchmarks.findings.shortcuts import LEVELS, used
from benchmarks.results import Row
from edgexai.cli import table as text

SUSPECTED = (0.0034, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


def table(rows: list[Row]) -> str:
    """Recall and false alarms of frames alone and with trials, and how many true suspicions trials confirm."""
    from edgexai.fleet.analysis.analyse import SUSPECT, TRIED

    tried, cells = [r for r in rows if "trial" in r], []
    for name, target, some in (
        ("recall at 20 % of the class", "90 %", used(tried, 0.2)),
        ("recall at 5 %", "85 %", used(tried, 0.05)),
        ("clean classes flagged", "2 %, after trials 0.5 %", [r for r in tried if not r["planted"]]),
    ):
        suspected = [r for r in some if r["p"] <= SUSPECT]
        confirmed = sum(r["trial"] == "confirmed" for r in some if r["p"] <= TRIED)
        printed = sum(r["p"] <= LEVELS[1] or (r["p"] <= TRIED and r["trial"] == "confirmed") for r in some)
        cells.append([name, target, *(f"{n} of {len(some)}" for n in (len(suspected), confirmed, printed))])
    for share in (0.2, 0.05):
        sure = [r for r in used(tried, share) if r["p"] <= LEVELS[0]]
        confirmed = sum(r["trial"] == "confirmed" for r in sure)
        cells.append(
            [f"true suspicions of p ≤ {LEVELS[0]}, at {share:.0%}", "90 %", "", f"{confirmed} of {len(sure)}", ""]
        )
    heads = [f"p ≤ {SUSPECT}, frames alone", f"p ≤ {TRIED}, confirmed by a trial", f"confirmed, or p ≤ {LEVELS[1]}"]
    return text.table(["", "target", *heads], cells)


def possible(rows: list[Row]) -> str:
    """What is found, and what is flagged, if more is suspected: frames alone beside trials."""
    tried, cells = [r for r in rows if "trial" in r], []
    true = [used(tried, share) for share in (0.2, 0.05)]
    clean = [r for r in tried if not r["planted"]]
    for level in SUSPECTED:
        for some in (*true, clean):
            suspected = [r for r in some if r["p"] <= level]
            cells.append(f"{len(suspected)} of {len(some)}")
            cells.append(f"{sum(r['trial'] == 'confirmed' for r in suspected)} of {len(some)}")
    width = 2 * (len(true) + 1)
    lines = [[f"p ≤ {level}", *cells[width * i : width * (i + 1)]] for i, level in enumerate(SUSPECTED)]
    heads = [f"{what}, {how}" for what in ("at 20 %", "at 5 %", "clean") for how in ("alone", "confirmed")]
    return text.table(["suspected", *heads], lines)
