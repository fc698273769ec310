"""From the store to what the analyses read: frames decoded, by model, with the group that their node declared."""

import json
from collections.abc import Iterator
from contextlib import suppress
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


def evidence(
    directory: Path, since: float = -float("inf"), until: float = float("inf"), newest: int | None = None
) -> list[Evidence]:
    """What a store has of every model, from ``since`` up to ``until`` (the nodes' clocks, Unix seconds).

    ``newest`` leaves all but so many of the frames out that arrived last.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in decoded(directory, since, until, newest):
        for row in batch:
            found.setdefault(row["model"], []).append(row)
    return [gather(model, some[-MOST:]) for model, some in sorted(found.items())]


def decoded(
    directory: Path, since: float = -float("inf"), until: float = float("inf"), newest: int | None = None
) -> Iterator[list[dict[str, Any]]]:
    """The frames of `evidence` batch by batch, as dicts of what the store says of each (the frame, too), its group,
    map and concepts. Those of a basis or a version that is not here are left out."""
    if not directory.is_dir():
        raise ConfigError(f"there is no store in {directory}; `edgexai fleet import … --store {directory}` makes one")
    store = Store(directory)
    try:
        groups = _groups(store)
        bases = at_hand(directory / FOLDER)
        after = -1 if newest is None else store.last_id() - newest
        while batch := store.since(after):
            after = batch[-1].id
            rows = (_row(one, groups, bases) for one in batch if since <= one.time < until)
            yield [row for row in rows if row is not None]
    finally:
        store.close()


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
