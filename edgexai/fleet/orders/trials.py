"""Suspicions that a service has nodes try, where its operator gives it the key that signs orders."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgexai.errors import Error
from edgexai.fleet.analysis.analyse import SUSPECT
from edgexai.fleet.analysis.shortcut import shortcuts
from edgexai.fleet.findings import NEWEST
from edgexai.fleet.read import evidence, opened, trials
from edgexai.fleet.store.lines import append, rows

log = logging.getLogger(__name__)

FILE = "orders.jsonl"
COUNT = 100
"""Samples of other classes that a trial takes."""
NODES = 3
"""Nodes that try a suspicion: those that sent most of its frames."""
AGAIN, BUSY = 86_400.0, 3_600.0
"""Seconds until a node that tried a suspicion is given it again, and until it is asked anything: one at a time."""

Send = Callable[[str, str, dict[str, Any]], dict[str, Any]]
Look = Callable[[Path], "list[Suspected]"]


@dataclass(frozen=True)
class Suspected:
    """A suspicion about a class of a model that nobody has tried, as the command `probe` takes it, and whom to ask:
    (fleet, node), those first that sent most frames of the class."""

    model: str
    target: int
    probe: dict[str, Any]
    nodes: tuple[tuple[str, str], ...]


def suspected(directory: Path) -> list[Suspected]:
    """What the newest frames of a store suspect (p ≤ SUSPECT), the surest first, but for what nodes have tried."""
    known = trials(directory)
    with opened(directory) as store:
        there = store.journal.names()
    fleets: dict[str, list[str]] = {}
    for fleet, node in there:
        fleets.setdefault(node, []).append(fleet)
    found = []
    for one in evidence(directory, newest=NEWEST):
        for finding in shortcuts(one):
            if finding.probe is None or finding.p > SUSPECT or (one.model, finding.target) in known:
                continue
            sent = Counter(str(n) for n, t in zip(one.node, one.target, strict=True) if t == finding.target)
            nodes = [_place(name, fleets) for name, _ in sent.most_common(NODES)]
            asks = tuple(place for place in nodes if place is not None)
            found.append((finding.p, Suspected(one.model, int(finding.target or 0), finding.probe.as_json(), asks)))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _place(name: str, fleets: dict[str, list[str]]) -> tuple[str, str] | None:
    """The fleet and the node of a name in a finding; None for one that has said nothing but frames."""
    fleet, slash, node = name.rpartition("/")
    if slash:
        return fleet, node
    return (fleets[node][0], node) if len(fleets.get(node, [])) == 1 else None


@dataclass
class Trials:
    """Of one store: ``send`` tells a node to `probe` and gives its reply, ``look`` is `suspected`, where it likes.

    What was asked stays in the store's ``orders.jsonl``, so that a service that is started anew asks nobody twice.
    """

    directory: Path
    send: Send
    look: Look = suspected
    clock: Callable[[], float] = time.time
    _asked: dict[tuple[str, str], float] = field(default_factory=dict)
    _taken: dict[tuple[str, str, str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in rows(self.directory / FILE):
            try:
                self._note(row)
            except (TypeError, KeyError, ValueError):
                continue

    def once(self) -> int:
        """Give every suspicion that nobody has tried to its nodes that are free; how many orders were taken."""
        taken = 0
        for one in self.look(self.directory):
            for fleet, node in one.nodes:
                if self._free(fleet, node, one):
                    taken += self._ask(fleet, node, one)
        return taken

    def _free(self, fleet: str, node: str, one: Suspected) -> bool:
        now = self.clock()
        tried = self._taken.get((fleet, node, one.model, one.target), -AGAIN)
        return now - self._asked.get((fleet, node), -BUSY) >= BUSY and now - tried >= AGAIN

    def _ask(self, fleet: str, node: str, one: Suspected) -> bool:
        what = f"class {one.target} of model {one.model}, which is suspected of a shortcut"
        try:
            reply = self.send(fleet, node, {**one.probe, "count": COUNT})
            taken, said = reply.get("ok") is True, str(reply.get("error"))[:200]
        except Error as error:
            taken, said = False, str(error)
        if taken:
            log.warning("%s/%s tries %s", fleet, node, what)
        else:
            log.warning("%s/%s does not try %s: %s", fleet, node, what, said)
        row = {"time": self.clock(), "fleet": fleet, "node": node, "do": "probe", "taken": taken}
        row |= {"model": one.model, "class": one.target}
        append(self.directory / FILE, row)
        self._note(row)
        return taken

    def _note(self, row: dict[str, Any]) -> None:
        fleet, node, at = str(row["fleet"]), str(row["node"]), float(row["time"])
        self._asked[fleet, node] = at
        if row["taken"] is True:
            self._taken[fleet, node, str(row["model"]), int(row["class"])] = at
