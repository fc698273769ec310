"""Suspicions that a service has nodes try, where its operator gives it the key that signs orders."""

import fcntl
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError
from edgexai.fleet.findings import Answer
from edgexai.fleet.orders.command import SILENT, Order, Reply
from edgexai.fleet.read import Place, opened, outcomes, places, statuses
from edgexai.fleet.store.journal import NodeNote
from edgexai.fleet.store.lines import append, rows
from edgexai.intervention.trial import together

log = logging.getLogger(__name__)

FILE = "orders.jsonl"
COUNT = 100
"""Samples of other classes that a trial takes."""
NODES = 3
"""Nodes that try a suspicion: those that sent most carriers of it, of those that can be asked."""
SOON, DAY, MONTH = 3_600.0, 86_400.0, 30 * 86_400.0
"""Seconds until a node is asked again that was silent; that refused, or has not ended its trial; and until a suspicion
is tried anew that was decided."""

Trial = tuple[str, str, str, int]
Ask = Callable[[Sequence[Order]], "Sequence[Reply | None]"]
Look = Callable[[], "Looked"]


@dataclass(frozen=True)
class Suspected:
    """A suspicion about a class of a model, as the command `probe` takes it; whom to ask, those first that sent most
    carriers; whether trials have ``decided`` it."""

    model: str
    target: int
    probe: dict[str, Any]
    nodes: tuple[Place, ...]
    decided: bool = False


@dataclass(frozen=True)
class Looked:
    """What is suspected, the surest first, and which trials have ``begun`` and have ``ended``, for all that is known:
    of (fleet, node, model, class)."""

    suspected: Sequence[Suspected] = ()
    ended: frozenset[Trial] = frozenset()
    begun: frozenset[Trial] = frozenset()


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
        tried = [of for (_, _, m, k), of in said.items() if (m, k) == (model, target)]
        decided = bool(tried) and together(tried).verdict != "open"
        found.append(Suspected(model, target, one["probe"], able, decided))
    return Looked(found, frozenset(which for which, of in said.items() if of.done), frozenset(said))


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
    `not asked` where there was no connection, or `asked` before all that."""

    time: float
    fleet: str
    node: str
    model: str
    target: int
    outcome: str

    @classmethod
    def of(cls, row: Any) -> "Asked | None":
        """None for what is no line of ours."""
        try:
            fleet, node, model = (str(row[key]) for key in ("fleet", "node", "model"))
            return cls(float(row["time"]), fleet, node, model, int(row["class"]), str(row["outcome"]))
        except (TypeError, KeyError, ValueError):
            return None

    @property
    def trial(self) -> Trial:
        """Which it is."""
        return self.fleet, self.node, self.model, self.target

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        row = {"time": self.time, "fleet": self.fleet, "node": self.node, "do": "probe"}
        return row | {"model": self.model, "class": self.target, "outcome": self.outcome}


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
        with _alone(self.directory / FILE) as mine:
            if not mine:
                return 0
            now = self.look()
            asked = [one for one in map(Asked.of, rows(self.directory / FILE)) if one is not None]
            chosen = list(self._chosen(now, asked))
            return self._given(chosen) if chosen else 0

    def _chosen(self, now: Looked, asked: Sequence[Asked]) -> Iterator[tuple[Suspected, Place]]:
        last = {(one.fleet, one.node): one for one in asked}
        for place, row in last.items():
            if row.outcome == "asked" and row.trial in now.begun:  # its answer came too late
                last[place] = replace(row, outcome="taken")
        taken: dict[tuple[str, int], list[Asked]] = {}
        for row in (*asked, *last.values()):
            if row.outcome == "taken":
                taken.setdefault((row.model, row.target), []).append(row)
        busy = {place for place, row in last.items() if self._is_busy(row, now.ended)}
        for one in now.suspected:
            about = taken.get((one.model, one.target), [])
            if one.decided and not (about and all(self._age(a) >= MONTH for a in about)):
                continue
            tried = {(a.fleet, a.node) for a in about if self._age(a) < DAY}
            free = [place for place in one.nodes if place not in busy | tried]
            for place in free[: max(0, NODES - len(tried))]:
                busy.add(place)
                yield one, place

    def _is_busy(self, last: Asked, ended: frozenset[Trial]) -> bool:
        if last.outcome == "taken":
            return last.trial not in ended and self._age(last) < DAY
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
        row = Asked(self.clock(), *place, one.model, one.target, came)
        append(self.directory / FILE, row.as_json())


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
