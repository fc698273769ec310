"""docs/findings.md: what the fleet's analyses find on networks whose truth is known."""

from collections.abc import Callable

from benchmarks.findings import TABLES, Table
from benchmarks.pages.page import Lines, Page

COMMAND = "python -m benchmarks findings --json -o findings"
UNTOUCHED = (
    "--data digits --seed 50 --seed 51",
    "--data digits --seed 52 --artefact clean --artefact frame --artefact cast --artefact texture",
    "--data mnist --seed 50 --seed 51 --artefact clean --artefact frame --artefact cast --artefact texture",
    "--data mnist --seed 50 --artefact tone --artefact corner_tag",
    "--data cifar --seed 50 --artefact clean --artefact texture",
    "--data kws --seed 50 --seed 51 --seed 52",
)
TRIED = (
    "--data mnist --data digits --seed 40 --seed 41 --artefact clean --artefact frame --artefact cast",
    "--data mnist --seed 40 --artefact tone --artefact corner_tag",
    "--data cifar --seed 40 --artefact cast",
)


def _of(measure: str, table: Table) -> Callable[[Lines], str]:
    return lambda lines: table(lines[measure])


PAGE = Page(
    "findings",
    measures={
        "shortcuts": tuple(f"{COMMAND} {which}" for which in UNTOUCHED),
        "trials": tuple(f"{COMMAND} --trials {which}" for which in TRIED),
        "sick": (
            f"{COMMAND} --measure sick --data mnist --data digits --seed 40 --seed 41 --seed 42",
            f"{COMMAND} --measure sick --data cifar --seed 40",
        ),
        "slow": (f"{COMMAND} --measure slow",),
        "drift": (f"{COMMAND} --measure drift --data digits --seed 31",),
        "bias": (f"{COMMAND} --measure bias --data digits --seed 40 --artefact cast",),
    },
    tables={name: _of(measure, table) for measure, some in TABLES.items() for name, table in some.items()},
)
