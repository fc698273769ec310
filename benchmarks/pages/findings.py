"""docs/findings.md: what the fleet's analyses find on networks whose truth is known."""

from benchmarks.findings import bias, drift, shortcuts, sick, trials
from benchmarks.pages.page import Page

COMMAND = "python -m benchmarks findings --json -o findings"
UNTOUCHED = ("--data digits --seed 31 --seed 32", "--data mnist --seed 30 --seed 31")
TRIED = (
    "--data mnist --data digits --seed 40 --seed 41 --artefact clean --artefact frame --artefact cast",
    "--data mnist --seed 40 --artefact tone --artefact corner_tag",
    "--data cifar --seed 40 --artefact cast",
)

PAGE = Page(
    "findings",
    measures={
        "shortcuts": tuple(f"{COMMAND} {which}" for which in UNTOUCHED),
        "trials": tuple(f"{COMMAND} --trials {which}" for which in TRIED),
        "sick": (
            f"{COMMAND} --measure sick --data mnist --data digits --seed 40 --seed 41 --seed 42",
            f"{COMMAND} --measure sick --data cifar --seed 40",
        ),
        "drift": (f"{COMMAND} --measure drift --data digits --seed 31",),
        "bias": (f"{COMMAND} --measure bias --data digits --seed 40 --artefact cast",),
    },
    tables={
        "shortcuts": lambda lines: shortcuts.overall(lines["shortcuts"]),
        "artefacts": lambda lines: shortcuts.by_artefact(lines["shortcuts"]),
        "trials": lambda lines: trials.table(lines["trials"]),
        "possible": lambda lines: trials.possible(lines["trials"]),
        "sick": lambda lines: sick.table(lines["sick"]),
        "confused": lambda lines: sick.confused(lines["sick"]),
        "drift": lambda lines: drift.table(lines["drift"]),
        "bias": lambda lines: bias.table(lines["bias"]),
    },
)
