"""Suspicions that a service has nodes try, where its operator gives it the key that signs orders.

Every look finds a suspicion by another plane, so that what is suspected now brings the names of planes that were tried
and divide its frames alike (`analysis.same`): what was asked about these was asked about it.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError
from edgexai.fleet.analysis.same import About
from edgexai.fleet.findings import Answer
from edgexai.fleet.orders.command import SILENT, Order, Reply
from edgexai.fleet.read import Place, opened, places, statuses
from edgexai.fleet.store.journal import NodeNote
from edgexai.fleet.store.lines import append, rows
from edgexai.fleet.tried import ORDERS, about, outcomes
from edgexai.intervention.suspicion import suspicion
from edgexai.intervention.trial import together

log = logging.getLogger(__name__)

COUNT = 100
"""Samples of other classes that a trial takes."""
NODES = 3
"""Nodes that try a suspicion: those that sent most carriers of it, of those that can be asked."""
SOON, DAY, MONTH = 3_600.0, 86_400.0, 30 * 86_400.0
"""Seconds until a node is asked again that was silent; that refused, or has not ended its trial; and until a suspicion
is tried anew that was decided."""

Trial = tuple[str, str, str, int, str]
Ask = Callable[[Sequence[Order]], "Sequence[Reply | None]"]
Look = Callable[[], "Looked"]


@dataclass(frozen=True)
class Suspected:
    """A suspicion about a class of a model, as the command `probe` takes it; whom to ask, those first that sent most
    carriers; whether trials have ``decided`` it. It is ``like`` others of these names, of all that were there when the
    look ``begun``."""

    model: str
    target: int
    probe: dict[str, Any]
    nodes: tuple[Place, ...]
    decided: bool = False
    like: frozenset[str] = frozenset()
    begun: float = float("inf")

    def is_of(self, one: "Asked") -> bool:
        """Whether an order about its class was about this. What nobody has compared yet may be, and what an older
        service asked is."""
        return one.name in self.like or not one.name or one.time >= self.begun


@dataclass(frozen=True)
class Looked:
    """What is suspected, the surest first, and which trials have ``begun`` and have ``ended``, for all that is known:
    of (fleet, node, model, class, the suspicion's name, or nothing where a node does not say which it was)."""

    suspected: Sequence[Suspected] = ()
    ended: frozenset[Trial] = frozenset()
    begun: frozenset[Trial] = frozenset()

    def has_ended(self, one: "Asked") -> bool:
        """Whether the trial of an order has."""
        return not self.ended.isdisjoint(one.trials)

    def has_begun(self, one: "Asked") -> bool:
        """Whether it goes on, or has ended."""
        return not self.begun.isdisjoint(one.trials)


def looked(directory: Path, suspicions: Sequence[Answer]) -> Looked:
    """What the last look at a store suspects (`findings.Watch.suspicions`), and what nodes have said of their trials
    and of themselves since."""
    with opened(directory) as store:
        where, notes = places(store), store.journal.nodes(limit=1_000_000)
    models, said = _models(notes), outcomes(notes)
    found = []
    for one in sorted(suspicions, key=lambda one: float(one["p"])):
        model, target = one["model"], one["target"]
        senders = [place for name in one["senders"] for place in where.get(name, [])]
        able = tuple(place for place in senders if models.get(place) in (model, ANY))
        like = frozenset([*one["like"], suspicion(one["probe"]).name])
        tried = [of.outcome for of in about(said, (model, target), like)]
        decided = bool(tried) and together(tried).verdict != "open"
        found.append(Suspected(model, target, one["probe"], able, decided, like, one["begun"]))
    which = {(*of.place, *of.about, of.name): of.outcome.done for of in said}
    return Looked(found, frozenset(trial for trial, done in which.items() if done), frozenset(which))


ANY = ""
"""The model of a node that does not say which it runs."""


def _models(notes: Sequence[NodeNote]) -> dict[Place, str]:
    """What the nodes run that are there and, for all that they say, take orders."""
    return {
        place: str(said.get("model", ANY))
        for place, said in statuses(notes).items()
        if said.get("state") == "online" and said.get("commands", True)
    }


@dataclass(frozen=True)
class Asked:
    """A line of the file: who was asked when (Unix seconds) to try what, and what came of it: `taken`, `refused`,
    `not asked` where there was no connection, or `asked` before all that. The suspicion's ``name`` is nothing in lines
    of an older service."""

    time: float
    fleet: str
    node: str
    model: str
    target: int
    outcome: str
    name: str = ""

    @classmethod
    def of(cls, row: Any) -> "Asked | None":
        """None for what is no line of ours."""
        try:
            fleet, node, model = (str(row[key]) for key in ("fleet", "node", "model"))
            name = str(row.get("suspicion", ""))
            return cls(float(row["time"]), fleet, node, model, int(row["class"]), str(row["outcome"]), name)
        except (TypeError, KeyError, ValueError):
            return None

    @property
    def trials(self) -> set[Trial]:
        """Which it is, of a node that says it and of one that does not."""
        return {(self.fleet, self.node, self.model, self.target, name) for name in (self.name, "")}

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        row = {"time": self.time, "fleet": self.fleet, "node": self.node, "do": "probe"}
        return row | {"model": self.model, "class": self.target, "suspicion": self.name, "outcome": self.outcome}


@dataclass
class Trials:
    """Of one store: ``ask`` gives orders to nodes and has their replies; ``look`` is `looked`.

    What was asked stays in the store's ``orders.jsonl``, written before it is asked, and all is decided by that file:
    a service that is started anew, or a second one on the store, asks nobody twice.
    """

    directory: Path
    ask: Ask
    look: Look
    clock: Callable[[], float] = time.time

    def once(self) -> int:
        """Give every suspicion that wants it to nodes that are free, all at once; how many orders were taken."""
        with _alone(self.directory / ORDERS) as mine:
            if not mine:
                return 0
            now = self.look()
            asked = [one for one in map(Asked.of, rows(self.directory / ORDERS)) if one is not None]
            chosen = list(self._chosen(now, asked))
            return self._given(chosen) if chosen else 0

    def _chosen(self, now: Looked, asked: Sequence[Asked]) -> Iterator[tuple[Suspected, Place]]:
        last = {(one.fleet, one.node): one for one in asked}
        for place, row in last.items():
            if row.outcome == "asked" and now.has_begun(row):  # its answer came too late
                last[place] = replace(row, outcome="taken")
        taken: dict[About, list[Asked]] = {}
        for row in (*asked, *last.values()):
            if row.outcome == "taken":
                taken.setdefault((row.model, row.target), []).append(row)
        busy = {place for place, row in last.items() if self._is_busy(row, now)}
        for one in now.suspected:
            orders = [row for row in taken.get((one.model, one.target), ()) if one.is_of(row)]
            if one.decided and not (orders and all(self._age(row) >= MONTH for row in orders)):
                continue
            tried = {(row.fleet, row.node) for row in orders if self._age(row) < DAY}
            free = [place for place in one.nodes if place not in busy | tried]
            for place in free[: max(0, NODES - len(tried))]:
                busy.add(place)
                yield one, place

    def _is_busy(self, last: Asked, now: Looked) -> bool:
        if last.outcome == "taken":
            return not now.has_ended(last) and self._age(last) < DAY
        return self._age(last) < {"refused": DAY, "asked": SOON}.get(last.outcome, 0.0)

    def _age(self, one: Asked) -> float:
        """Seconds; what a clock that was wrong has put into the future is long ago."""
        age = self.clock() - one.time
        return age if age >= 0 else float("inf")

    def _given(self, chosen: Sequence[tuple[Suspected, Place]]) -> int:
        for one, place in chosen:
            self._keep(one, place, "asked")
        try:
            replies = self.ask([Order(*place, "probe", {**one.probe, "count": COUNT}) for one, place in chosen])
        except ConfigError:  # there is no connection: nobody has heard of it
            for one, place in chosen:
                self._keep(one, place, "not asked")
            raise
        taken = 0
        for (one, place), reply in zip(chosen, replies, strict=True):
            what = f"class {one.target} of model {one.model}, which is suspected of a shortcut"
            who = "/".join(place)
            if reply is None:
                log.warning("%s says nothing to trying %s: %s", who, what, SILENT)
            elif reply.get("ok") is True:
                log.warning("%s tries %s", who, what)
                self._keep(one, place, "taken")
                taken += 1
            else:
                log.warning("%s does not try %s: %s", who, what, str(reply.get("error"))[:200])
                self._keep(one, place, "refused")
        return taken

    def _keep(self, one: Suspected, place: Place, came: str) -> None:
        plane = suspicion(one.probe).coarse()
        row = Asked(self.clock(), *place, one.model, one.target, came, plane.name).as_json()
        append(self.directory / ORDERS, row | ({"plane": plane.as_json()} if came == "asked" else {}))


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other service asks at this moment."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
