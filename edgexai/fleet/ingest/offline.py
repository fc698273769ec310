"""Frames that came by file instead of by broker: what an agent wrote with ``--to``, and arrays of an ``.npz``.

Either is taken in exactly once: a node's frames by (node, boot, sequence) as always, the rows of an ``.npz`` by the
file's content and the row.
"""

import base64
import hashlib
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai import npy
from edgexai.errors import DataError, FrameError
from edgexai.fleet.ingest.ingest import Note, read
from edgexai.fleet.store.journal import Arrival, Journal, Refusal, Saying
from edgexai.messaging.messages import address, name, pack_heatmap, topic, unpack

BATCH = 5000
LAST = 253_402_300_800
"""Unix seconds of the year 10,000."""
FLEET = "imported"
"""The fleet of an ``.npz``, which names none."""


@dataclass(frozen=True)
class Taken:
    """How many frames a file has, how many of them were ``new``, how many more were ``refused``, and ``why`` the first
    of these was."""

    count: int
    new: int
    refused: int = 0
    why: str = ""


def take_in(path: Path, journal: Journal) -> Taken:
    """Store a file's frames. DataError for a file of another kind, or whose frames are all refused."""
    contents = _arrays(path) if zipfile.is_zipfile(path) else _messages(path)
    new = count = refused = 0
    why = ""
    arrivals: list[Arrival] = []
    refusals: list[Refusal] = []
    notes: dict[tuple[str, str, str], Saying] = {}

    def store() -> int:
        stored = journal.add(arrivals, refusals, list(notes.values()))
        arrivals.clear()
        refusals.clear()
        notes.clear()
        return stored

    for content in contents:
        if isinstance(content, Arrival):
            arrivals.append(content)
            count += 1
        elif isinstance(content, Refusal):
            refusals.append(content)
            refused, why = refused + 1, why or content.reason
        else:
            notes[content.fleet, content.node, content.kind] = _noted(content)
        if len(arrivals) + len(refusals) >= BATCH:
            new += store()
    if count == 0 and not notes and not refused:
        torn = (
            "is no .npz, or a torn one" if path.suffix == ".npz" and not zipfile.is_zipfile(path) else "holds no frames"
        )
        raise DataError(f"{path} {torn}; take a file of `edgexai agent --to`, or an .npz with `frames`")
    new += store()
    if count == 0 and refused:
        raise DataError(f"{path}: none of its {refused} frames can be read; the first: {why}")
    return Taken(count, new, refused, why)


def _noted(note: Note) -> Saying:
    return note.fleet, note.node, note.kind, note.received, note.text


def _messages(path: Path) -> Iterator[Arrival | Refusal | Note]:
    now = time.time()
    with path.open("rb") as file:
        for text in file:
            try:
                said = unpack(text)
                to, payload = said["topic"], base64.b64decode(said["payload"], validate=True)
                kind = address(to).channel
            except (FrameError, KeyError, TypeError, ValueError, AttributeError):
                continue  # broken off, or no message
            content = read(to, payload, now)
            if content is None:
                continue
            yield content
            if isinstance(content, Note) and kind == "status":
                yield from _context(content)


def _context(status: Note) -> Iterator[Note]:
    said = json.loads(status.text or "{}")
    if isinstance(said.get("context"), dict) and isinstance(said.get("boot"), str):
        text = json.dumps(said["context"])
        yield Note(status.fleet, status.node, f"context/{said['boot']}", status.received, text)


def _arrays(path: Path) -> Iterator[Arrival | Refusal | Note]:
    """Rows of ``frames`` (N, bytes) uint8, each ``length`` bytes long; ``node``, ``group`` and ``time`` if given."""
    data: dict[str, Any] = dict(npy.members(path, _KEYS))
    frames = data.get("frames")
    if frames is None or frames.ndim != 2 or frames.dtype != np.uint8:
        raise DataError(f"{path} lacks `frames`, one row of uint8 a frame")
    count, width = frames.shape
    length = data.get("length", np.full(count, width))
    node, group = data.get("node", np.full(count, "node-0")), data.get("group", np.full(count, ""))
    seconds = data.get("time")
    for key, column in (("length", length), ("node", node), ("group", group), ("time", seconds)):
        if column is not None and column.shape != (count,):
            raise DataError(f"{path}: `{key}` has shape {column.shape}, not one value for each of {count} frames")
    if length.dtype.kind not in "iu" or (count and (length.min() < 0 or length.max() > width)):
        raise DataError(f"{path}: `length` holds other than 0 to {width}, the bytes of a row")
    if seconds is not None and (wrong := _no_times(seconds)) is not None:
        raise DataError(f"{path}: the time of row {wrong} is {str(seconds[wrong])[:40]!r}; take Unix seconds")
    digest, now, told = _digest(data), time.time(), set()
    for i in range(count):
        who, which = name(_text(node[i]), f"node name ({path}, row {i})"), _text(group[i])
        boot = hashlib.sha256(f"{digest}/{which}".encode()).hexdigest()[:14]
        if (who, boot) not in told:
            told.add((who, boot))
            yield Note(FLEET, who, f"context/{boot}", now, json.dumps({"group": which} if which else {}))
        payload = frames[i, : int(length[i])].tobytes()
        content = read(topic(FLEET, who, "heatmap"), pack_heatmap(boot, payload), now)
        if isinstance(content, Arrival):
            when = content.time if seconds is None else float(seconds[i])
            yield Arrival(**{**vars(content), "sequence": i, "time": when})
        elif isinstance(content, Refusal):
            yield content


def _no_times(column: NDArray[Any]) -> int | None:
    """The first row that is no moment that a calendar knows (milliseconds, say), None if all are."""
    if column.dtype.kind not in "iuf":
        return 0 if len(column) else None
    wrong = ~((column >= 0) & (column < LAST))  # so that nan is wrong, too
    return int(wrong.argmax()) if wrong.any() else None


_KEYS = ("frames", "length", "node", "group", "time")


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _digest(data: dict[str, Any]) -> str:
    """A name of the content, the same for the same arrays however the file is packed."""
    found = hashlib.sha256()
    for key in _KEYS:
        if key in data:
            found.update(f"{key} {data[key].dtype.str} {data[key].shape} ".encode())
            found.update(np.ascontiguousarray(data[key]).tobytes())
    return found.hexdigest()
