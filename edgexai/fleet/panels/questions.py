"""The questions that a page asks about frames, answered in a process of their own (`fleet.asked`)."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgexai.errors import DataError
from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.analysis.finding import Finding, Member
from edgexai.fleet.findings import found
from edgexai.fleet.panels.cluster import cluster
from edgexai.fleet.panels.compare import Side, compare, sides
from edgexai.fleet.panels.drift import drift
from edgexai.fleet.panels.one_class import one_class
from edgexai.fleet.sampling import Range, of_ids, sample

MOST = 6_000
"""Frames of a model that a view rests on."""
MOST_FOUND = 20_000
"""Frames of all models in which findings of a range are looked for."""
FRESH = 60.0
"""Seconds for which frames that were read are those of the next question too."""
KEPT = 3

Said = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """``kind`` is findings, class, drift, compare or cluster; of a ``range``; the others as the kind wants them.

    ``members`` are (id, score) of the frames of a cluster's class.
    """

    kind: str
    range: Range
    model: str = ""
    target: int = 0
    sides: tuple[str, ...] = ()
    text: str = ""
    members: tuple[tuple[int, float], ...] = ()
    offset: int = 0


def answered(directory: Path, question: Question) -> Said:
    """JSON, with ``error`` in place of everything if it cannot be answered."""
    try:
        return _ANSWERS[question.kind](directory, question)
    except DataError as error:
        return {"error": str(error)}


def _findings(directory: Path, question: Question) -> Said:
    begun = time.time()
    models = sample(directory, question.range, MOST_FOUND)
    findings, frames = found(directory, models), sum(map(len, models))
    took = time.time() - begun
    return {"computed": time.time(), "took": took, "newest": MOST_FOUND, "frames": frames, "findings": findings}


def _one_class(directory: Path, question: Question) -> Said:
    return one_class(_of_model(directory, question.range, question.model), question.target)


def _drift(directory: Path, question: Question) -> Said:
    return drift(_of_model(directory, question.range, question.model), question.target)


def _compare(directory: Path, question: Question) -> Said:
    one, other = (Side.parse(text) for text in question.sides)
    read = [_of_model(directory, question.range, side.model) for side in (one, other)]
    possible = {e.model: sides(e) for e in read}
    return compare(one.of(read[0]), other.of(read[1])) | {"possible": possible}


def _cluster(directory: Path, question: Question) -> Said:
    members = sorted(question.members, key=lambda member: -member[1])
    step = max(1, len(members) // MOST)
    chosen = dict(members if step == 1 else members[: MOST // 2] + members[MOST // 2 :: step])
    own = next((e for e in of_ids(directory, chosen) if e.model == question.model), None)
    if own is None:
        raise DataError("the frames of this finding are no longer in the store")
    tied = tuple(Member(i, "", 0, score) for i, score in chosen.items())
    finding = Finding("shortcut", question.model, question.target, (), 0, 1.0, 0.0, question.text, members=tied)
    return cluster(own, finding, question.offset)


_ANSWERS = {
    "findings": _findings,
    "class": _one_class,
    "drift": _drift,
    "compare": _compare,
    "cluster": _cluster,
}
_read: OrderedDict[tuple[Path, Range, str], tuple[float, Evidence]] = OrderedDict()


def _of_model(directory: Path, asked: Range, model: str) -> Evidence:
    key = (directory, asked, model)
    at, kept = _read.pop(key, (0.0, None))
    if kept is None or time.monotonic() - at > FRESH:
        kept = next((e for e in sample(directory, asked, MOST, [model]) if e.model == model), None)
        if kept is None:
            raise DataError(f"there is no frame of model {model} in this time range")
        at = time.monotonic()
    _read[key] = at, kept
    while len(_read) > KEPT:
        _read.popitem(last=False)
    return kept
