"""From the store to what the analyses read: frames decoded, by model, with the group that their node declared."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError, FrameError
from edgexai.fleet.analysis.evidence import Evidence, gather
from edgexai.fleet.store.bases import FOLDER, at_hand
from edgexai.fleet.store.journal import NodeNote
from edgexai.fleet.store.selection import Selection
from edgexai.fleet.store.store import Store, Stored
from edgexai.heatmap import decode
from edgexai.heatmap.basis import Basis

Place = tuple[str, str]
"""Fleet and node."""
MOST = 200_000
"""Newest frames of a model that are read at once."""


@dataclass(frozen=True)
class Span(Selection):
    """Which frames: those of a selection that were in the table by its ``version``, if that is given."""

    version: int | None = None

    def last(self, store: Store) -> int:
        """The last id that is meant; ConfigError for a version that the table does not know."""
        return sys.maxsize if self.version is None else store.table.last_id_at(self.version)


def evidence(directory: Path, span: Span = Span(), newest: int | None = None) -> list[Evidence]:
    """What a store has of every model, of a span. ``newest`` leaves all but so many of the frames out that arrived
    last."""
    return gathered(row for batch in decoded(directory, span, newest) for row in batch)


def count(directory: Path, span: Span = Span()) -> int:
    """How many frames a store has of a span, also those that cannot be decoded."""
    with opened(directory) as store:
        last = span.last(store)
        return sum(int((some <= last).sum()) for some in store.ids(chosen=span))


def decoded(directory: Path, span: Span = Span(), newest: int | None = None) -> Iterator[list[dict[str, Any]]]:
    """The frames of `evidence` batch by batch, as dicts of what the store says of each (the frame, too), its group,
    map and concepts. Those of a basis or a version that is not here are left out."""
    with opened(directory) as store:
        known, last = Known.of(store), span.last(store)
        after = -1 if newest is None else store.last_id() - newest
        while after < last and (batch := store.since(after, chosen=span)):
            after = batch[-1].id
            rows = (known.row(one) for one in batch if one.id <= last)
            yield [row for row in rows if row is not None]


@contextmanager
def opened(directory: Path) -> Iterator[Store]:
    """The store of a directory; ConfigError if there is none."""
    if not directory.is_dir():
        raise ConfigError(f"there is no store in {directory}; `edgexai fleet import … --store {directory}` makes one")
    store = Store(directory)
    try:
        yield store
    finally:
        store.close()


def gathered(rows: Iterable[dict[str, Any]]) -> list[Evidence]:
    """Rows as `Known` reads them, by model; of each the newest MOST."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["model"], []).append(row)
    return [gather(model, some[-MOST:]) for model, some in sorted(found.items())]


def newest(directory: Path) -> float:
    """The time of the newest frame: what "an hour ago" counts from, in a store of old frames too."""
    with opened(directory) as store:
        return store.last_time()


def places(store: Store) -> dict[str, list[Place]]:
    """Whom a node's name in a finding may mean, alone or behind its fleet's."""
    found: dict[str, list[Place]] = {}
    for fleet, node in sorted(store.journal.names() | store.journal.totals(10_000_000).keys()):
        found.setdefault(node, []).append((fleet, node))
        found[f"{fleet}/{node}"] = [(fleet, node)]
    return found


def statuses(notes: Iterable[NodeNote]) -> dict[Place, dict[str, Any]]:
    """What each node has said of itself last."""
    return {(fleet, node): json.loads(text) for fleet, node, kind, _, text in notes if kind == "status"}


@dataclass(frozen=True)
class Known:
    """What is needed to read a frame: the group of every (fleet, node, boot) that declared one, and bases at hand."""

    groups: dict[tuple[str, str, str], str]
    bases: tuple[Basis, ...]

    @staticmethod
    def of(store: Store) -> "Known":
        """What a store knows."""
        return Known(_groups(store), at_hand(store.directory / FOLDER))

    def row(self, one: Stored) -> dict[str, Any] | None:
        """What `gather` reads of a frame, and all that the store says of it; None if it cannot be decoded."""
        try:
            said = decode(one.frame, None, self.bases)
        except FrameError:
            return None  # of a basis or a version that is not here
        group = self.groups.get((one.fleet, one.node, one.boot), "")
        return vars(one) | {"group": group, "map": said.map, "concepts": said.fields.concepts}


def _groups(store: Store) -> dict[tuple[str, str, str], str]:
    """The group of every (fleet, node, boot) that declared one."""
    found = {}
    for fleet, node, kind, _, text in store.journal.nodes(limit=1_000_000):
        said = json.loads(text)
        context = said.get("context") if kind == "status" else said if kind.startswith("context/") else None
        boot = said.get("boot") if kind == "status" else kind.removeprefix("context/")
        if isinstance(context, dict) and "group" in context and isinstance(boot, str):
            found[fleet, node, boot] = str(context["group"])
    return found
