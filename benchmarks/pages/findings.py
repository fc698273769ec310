"""docs/findings.md: what the fleet's analyses find on networks whose truth is known."""

from benchmarks.findings import bias, drift, shortcuts, sick, trials
from benchmarks.pages.page import Page

COMMAND = "python -m benchmarks findings --json -o findings"

PAGE = Page(
    "findings",
    measures={
        "shortcuts": (f"{COMMAND} --data mnist --data digits --seed 10 --seed 11 --seed 12",),
        "trials": (
            f"{COMMAND} --trials --data digits --data cifar --seed 20 --seed 21",
            f"{COMMAND} --trials --data mnist --seed 20",
        ),
        "sick": (f"{COMMAND} --measure sick --data mnist --seed 30",),
        "drift": (f"{COMMAND} --measure drift --data digits --seed 31",),
        "bias": (f"{COMMAND} --measure bias --data digits --seed 31",),
    },
    tables={
        "shortcuts": lambda lines: shortcuts.overall(lines["shortcuts"]),
        "artefacts": lambda lines: shortcuts.by_artefact(lines["shortcuts"]),
        "trials": lambda lines: trials.table(lines["trials"]),
        "sick": lambda lines: sick.table(lines["sick"]),
        "drift": lambda lines: drift.table(lines["drift"]),
        "bias": lambda lines: bias.table(lines["bias"]),
    },
)
