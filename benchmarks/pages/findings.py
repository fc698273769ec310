"""docs/findings.md: what the fleet's analyses find on networks whose truth is known."""

import numpy as np

from benchmarks.findings import LEVELS, USED
from benchmarks.findings.drift import judged
from benchmarks.findings.sick import SICKNESSES
from benchmarks.pages.page import Lines, Page
from benchmarks.results import Row
from edgexai.cli.table import table
from edgexai.fleet.analysis.analyse import SUSPECT

COMMAND = "python -m benchmarks findings --json -o findings"
AFTER = 100
TARGETS = {0.2: "90 %", 0.05: "85 %"}


def _used(rows: list[Row], share: float) -> list[Row]:
    """Streams of so many carriers, of artefacts that their network uses."""
    return [r for r in rows if r["planted"] and r["share"] == share and r["fooled"] >= USED and r["carriers"] >= 1]


def shortcuts(lines: Lines) -> str:
    """Recall, carriers named, and false alarms, of frames alone."""
    rows, levels = lines["shortcuts"], LEVELS[:2]
    cells = []
    for share in (0.2, 0.05, 0.01):
        some = _used(rows, share)
        found = " / ".join(f"{np.mean([r['p'] <= level for r in some]):.0%}" for level in levels)
        cells.append([f"recall at {share:.0%} of the class, {len(some)} streams", TARGETS.get(share, "–"), found])
    named = float(np.median([r["auroc"] for r in _used(rows, 0.05) if "auroc" in r]))
    cells.append(["AUROC of carriers at 5 %, median over used artefacts", "0.95", f"{named:.3f}"])
    clean = [r["p"] for r in rows if not r["planted"]]
    flagged = " / ".join(f"{np.mean(np.array(clean) <= level):.1%}" for level in levels)
    cells.append([f"clean classes flagged, of {len(clean):,}", "2 %", flagged])
    return table(["", "target", f"p ≤ {levels[0]} / p ≤ {levels[1]}"], cells)


def trials(lines: Lines) -> str:
    """Recall and false alarms with trials, and how many true suspicions they confirm."""
    tried = [r for r in lines["trials"] if "trial" in r]
    clean = [r for r in tried if not r["planted"]]
    cells = []
    for name, target, some in (
        ("recall at 20 % of the class", "90 %", _used(tried, 0.2)),
        ("recall at 5 %", "85 %", _used(tried, 0.05)),
        ("clean classes flagged", "2 %, after trials 0.5 %", clean),
    ):
        suspected = [r for r in some if r["p"] <= SUSPECT]
        confirmed = sum(r["trial"] == "confirmed" for r in suspected)
        cells.append([name, target, f"{len(suspected)} of {len(some)}", f"{confirmed} of {len(some)}"])
    for share in (0.2, 0.05):
        sure = [r for r in _used(tried, share) if r["p"] <= LEVELS[0]]
        confirmed = sum(r["trial"] == "confirmed" for r in sure)
        cells.append([f"true suspicions of p ≤ {LEVELS[0]}, at {share:.0%}", "90 %", "", f"{confirmed} of {len(sure)}"])
    return table(["", "target", f"p ≤ {SUSPECT}, frames alone", "and confirmed by a trial"], cells)


def sick(lines: Lines) -> str:
    """One sick node among fifty: found, and named right."""
    rows = [r for r in lines["sick"] if r["after"] == AFTER]
    groups = {name: [r for r in rows if r["sickness"] == name] for name in SICKNESSES} | {"all": rows}
    cells = [
        [title, *(f"{sum(r[key] for r in some)} of {len(some)}" for some in groups.values())]
        for title, key in (("found", "found"), ("named right", "right"))
    ]
    return table([f"after {AFTER} frames", *groups], cells)


def drift(lines: Lines) -> str:
    """A shortcut shift that accuracy does not show: found, missed, false, delay."""
    cells = [
        [
            one.looking_at,
            *(str(count) for count in (one.found, one.missed, one.false)),
            f"{one.f1:.2f}",
            "–" if one.delay is None else f"{one.delay:.0f} frames",
        ]
        for one in judged(lines["drift"])
    ]
    return table(["looking at", "found", "missed", "false", "F1", "median delay"], cells)


PAGE = Page(
    "findings",
    measures={
        "shortcuts": (f"{COMMAND} --data mnist --data digits --seed 10 --seed 11 --seed 12",),
        "trials": (
            f"{COMMAND} --trials --data digits --data cifar --seed 20 --seed 21",
            f"{COMMAND} --trials --data mnist --seed 20",
        ),
        "sick": (f"{COMMAND} --measure sick --data mnist --data cifar --seed 20 --seed 21",),
        "drift": (f"{COMMAND} --measure drift --data digits --seed 20 --seed 21",),
    },
    tables={"shortcuts": shortcuts, "trials": trials, "sick": sick, "drift": drift},
)
