"""What nodes' trials have found, as a store has it, and which findings that is about.

A trial is known by what was suspected: a plane that divides the frames of a class. A class may be suspected today for
another cause than last week, and a cluster moves with every frame that comes. So a trial is about all suspicions that
divide the class's frames as its plane does (`analysis.same`), and about no others.
"""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgexai.errors import ConfigError, FrameError
from edgexai.fleet.analysis.finding import Finding
from edgexai.fleet.analysis.same import About, Planes
from edgexai.fleet.read import Place, opened
from edgexai.fleet.store.journal import NodeNote
from edgexai.fleet.store.lines import rows
from edgexai.intervention.suspicion import Suspicion, suspicion
from edgexai.intervention.trial import Outcome, outcome

ORDERS = "orders.jsonl"
"""In a store: which nodes its services have asked to try what (`orders.trials`)."""
Own = Callable[[Finding], Outcome | None]


@dataclass(frozen=True)
class Told:
    """What a node has found about a class of a model, and when it said so (Unix seconds)."""

    place: Place
    model: str
    received: float
    outcome: Outcome

    @property
    def about(self) -> About:
        """Of which class of which model."""
        return self.model, self.outcome.target

    @property
    def name(self) -> str:
        """Of the suspicion; nothing where an older node does not say which it was."""
        return "" if self.outcome.of is None else self.outcome.of.name


@dataclass(frozen=True)
class Tried:
    """All trials that a store knows, as `analysis.analyse.analysed` takes them: ``planes`` by model and class, and of
    a finding the same with what came of it. ``own`` tries a finding here and now, if it can."""

    told: tuple[Told, ...]
    planes: Planes
    own: Own = lambda finding: None

    def __call__(self, finding: Finding) -> Finding:
        """The newest of every node that is about a finding, together."""
        found = [one.outcome for one in about(self.told, (finding.model, finding.target or 0), finding.like)]
        own = self.own(finding)
        found += [] if own is None else [own]
        return finding.tried(found) if found else finding


def tried(directory: Path, own: Own = lambda finding: None) -> Tried:
    """What a store knows; also of trials that were asked for and have not been heard of."""
    with opened(directory) as store:
        told = outcomes(store.journal.nodes(limit=1_000_000))
    planes: dict[About, dict[str, Suspicion]] = {}
    for one in told:
        if one.outcome.of is not None:
            planes.setdefault(one.about, {})[one.name] = one.outcome.of
    for row in rows(directory / ORDERS):
        with suppress(KeyError, TypeError, ConfigError):  # no line of ours, or one without its plane
            plane = suspicion(row["plane"])
            planes.setdefault((str(row["model"]), plane.target), {})[plane.name] = plane
    return Tried(tuple(told), {which: list(some.values()) for which, some in planes.items()}, own)


def about(told: Iterable[Told], which: About, names: Iterable[str]) -> list[Told]:
    """The newest of every node that is of such a class, and of a suspicion of such a name or of none that is known."""
    found: dict[Place, Told] = {}
    known = {"", *names}
    for one in told:
        if one.about == which and one.name in known:
            last = found.get(one.place)
            if last is None or (one.name != "", one.received) > (last.name != "", last.received):
                found[one.place] = one
    return list(found.values())


def kind(model: str, found: Outcome) -> str:
    """What a note of a trial is kept as."""
    return f"trial/{model}{_which(found)}"


def outcomes(notes: Iterable[NodeNote]) -> list[Told]:
    """What nodes have found by the command `probe`, of all that they said."""
    found = []
    for fleet, node, of, received, text in notes:
        if of.startswith("trial/"):
            with suppress(FrameError):  # of another version
                one = outcome(json.loads(text))
                model = of.removeprefix("trial/").removesuffix(_which(one))
                found.append(Told((fleet, node), model, received, one))
    return found


def _which(found: Outcome) -> str:
    return f"/{found.target}" if found.of is None else f"/{found.target}/{found.of.name}"
