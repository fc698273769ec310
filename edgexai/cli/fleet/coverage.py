"""What `analyse` has looked at, in a sentence: nothing found must not pass for nothing wrong where nothing was read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.shortcut import LEAST
from edgexai.fleet.read import MOST, Span, count
from edgexai.fleet.store.bases import FOLDER


def looked_at(there: int, models: Sequence[Evidence]) -> str:
    """How many of the frames that are there were read, of what, and of how many classes there are too few."""
    sizes = [int(size) for one in models for size in np.unique(one.target, return_counts=True)[1]]
    few, read = sum(size < LEAST for size in sizes), sum(map(len, models))
    said = f"looked at {read:,} of {there:,} frames: {_many(len(models), 'model')}, {_many(len(sizes), 'class', 'es')}"
    return said + (f", {few} of them with fewer than the {LEAST} frames that shortcuts need" if few else "")


def gaps(store: Path, now: Span, before: Span | None, read: int | None) -> list[str]:
    """What an operator may have expected to be looked at and was not; ``read`` None where it is not known."""
    there, found = count(store, now), []
    if not there:
        found.append("there is no frame in that range: nothing was looked at")
    elif read is not None and read < there:
        found.append(
            f"{there - read:,} frames were left out: their basis is not in {store / FOLDER}, their map or concepts "
            f"have another shape than most of their model, or their model has {MOST:,} newer ones"
        )
    if before is not None and not count(store, before):
        found.append("there is no frame in the baseline: changes over time were looked for instead")
    return found


def _many(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else plural}"
