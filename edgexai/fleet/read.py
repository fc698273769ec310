"""From the store to what the analyses read: frames decoded, by model, with the group that their node declared."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from edgexai.errors import ConfigError, FrameError
from edgexai.fleet.analysis.evidence import Evidence, gather
from edgexai.fleet.store.bases import FOLDER, at_hand
from edgexai.fleet.store.store import Store, Stored
from edgexai.heatmap import decode
from edgexai.intervention.trial import Outcome, outcome

MOST = 200_000
"""Newest frames of a model that are read at once."""
BATCH = 50_000


@dataclass(frozen=True)
class Range:
    """From ``since`` up to ``until`` (the nodes' clocks, Unix seconds), or the ``last`` seconds before the newest frame
    that arrived; of everything, the frames that arrived last, if none is given."""

    since: float | None = None
    until: float | None = None
    last: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it says nothing."""
        return self.since is self.until is self.last is None


def evidence(
    directory: Path, since: float = -float("inf"), until: float = float("inf"), newest: int | None = None
) -> list[Evidence]:
    """What a store has of every model, from ``since`` up to ``until`` (the nodes' clocks, Unix seconds).

    ``newest`` leaves all but so many of the frames out that arrived last.
    """
    with opened(directory) as store:
        after = -1 if newest is None else store.last_id() - newest
        return gathered(store, _walk(store, after, lambda one: since <= one.time < until))


def decoded(
    directory: Path, since: float = -float("inf"), until: float = float("inf"), newest: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """The frames of `evidence` batch by batch, as dicts of what the store says of each (the frame, too), its group,
    map and concepts. Those of a basis or a version that is not here are left out."""
    with opened(directory) as store:
        groups, bases = _groups(store), at_hand(directory / FOLDER)
        after = -1 if newest is None else store.last_id() - newest
        while batch := store.since(after):
            after = batch[-1].id
            rows = (_row(one, groups, bases) for one in batch if since <= one.time < until)
            yield [row for row in rows if row is not None]


def sample(directory: Path, asked: Range, most: int, models: Sequence[str] = ()) -> list[Evidence]:
    """At most ``most`` frames of a range, evenly over their arrivals; of everything, the newest. ``models`` leaves
    others out."""
    with opened(directory) as store:
        if asked.is_open:
            kept: list[Stored] = []
            for after in dict.fromkeys((max(-1, store.last_id() - most), -1)):
                kept = _thinned(_walk(store, after, lambda one: not models or one.model in models), most)
                if not models or len(kept) * 10 >= most:  # a model of few nodes is not among the newest
                    break
            return gathered(store, kept)
        begin = -float("inf") if asked.since is None else asked.since
        if asked.last is not None:
            begin = max((one.time for one in store.since(store.last_id() - 1000)), default=0.0) - asked.last
        end = float("inf") if asked.until is None else asked.until
        chosen = _walk(store, -1, lambda one: begin <= one.time < end and (not models or one.model in models))
        return gathered(store, _thinned(chosen, most))


def of_ids(directory: Path, ids: Collection[int]) -> list[Evidence]:
    """The frames of these ids."""
    wanted = set(ids)
    with opened(directory) as store:
        if not wanted:
            return []
        frames = takewhile(lambda one: one.id <= max(wanted), _walk(store, min(wanted) - 1, lambda one: True))
        return gathered(store, (one for one in frames if one.id in wanted))


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


def gathered(store: Store, frames: Iterable[Stored]) -> list[Evidence]:
    """Frames of a store, decoded, by model."""
    groups, bases = _groups(store), at_hand(store.directory / FOLDER)
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in frames:
        if (row := _row(one, groups, bases)) is not None:
            rows.setdefault(one.model, []).append(row)
    return [gather(model, some[-MOST:]) for model, some in sorted(rows.items())]


def _walk(store: Store, after: int, keep: Callable[[Stored], bool]) -> Iterator[Stored]:
    while batch := store.since(after, BATCH):
        after = batch[-1].id
        yield from (one for one in batch if keep(one))


def _thinned(frames: Iterable[Stored], most: int) -> list[Stored]:
    """Every frame, every second, every fourth …, so that they are at most so many and memory is bounded too."""
    kept: list[Stored] = []
    step = 1
    for count, one in enumerate(frames):
        if count % step == 0:
            kept.append(one)
        if len(kept) > most:
            kept, step = kept[::2], 2 * step
    return kept


def newest(directory: Path) -> float:
    """The time of the newest frame: what "an hour ago" counts from, in a store of old frames too."""
    store, last, after = Store(directory), -float("inf"), -1
    try:
        while batch := store.since(after):
            after, last = batch[-1].id, max(last, *(one.time for one in batch))
    finally:
        store.close()
    return last


def trials(directory: Path) -> dict[tuple[str, int], list[Outcome]]:
    """What nodes have found by the command `probe`, by model and class: the last of each node."""
    store, found = Store(directory), dict[tuple[str, int], list[Outcome]]()
    try:
        for _, _, kind, _, text in store.journal.nodes(limit=1_000_000):
            if kind.startswith("trial/"):
                with suppress(FrameError):  # of another version
                    one = outcome(json.loads(text))
                    found.setdefault((kind.split("/")[1], one.target), []).append(one)
    finally:
        store.close()
    return found


def _row(one: Stored, groups: dict[tuple[str, str, str], str], bases: Any) -> dict[str, Any] | None:
    try:
        said = decode(one.frame, None, bases)
    except FrameError:
        return None  # of a basis or a version that is not here
    group = groups.get((one.fleet, one.node, one.boot), "")
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
