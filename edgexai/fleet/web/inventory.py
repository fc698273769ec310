"""All nodes of a store, as a table in memory: filtered, searched, sorted and paged without asking the store anew.

Notes that came since are read and nothing else, so that ten thousand nodes cost a request some milliseconds.
"""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from edgexai.errors import FrameError
from edgexai.fleet.store.journal import Journal
from edgexai.messaging.messages import MAX_PAYLOAD
from edgexai.messaging.strict import loads

FRESH = 0.5
"""Seconds for which the table is as it was."""
OVERLAP = 2.0
"""Seconds that are read again: clocks of several workers differ a little."""
MOST_ROWS = 200
STATES = ("lost", "online", "finished", "stopped")
"""Lost ones first: they want something to be done."""
SORTS: dict[str, Callable[["Node"], Any]] = {
    "name": lambda n: (n.fleet, n.node),
    "state": lambda n: (STATES.index(n.state) if n.state in STATES else 9, -n.seen),
    "site": lambda n: (n.site == "", n.site, n.node),
    "model": lambda n: (n.model, n.node),
    "seen": lambda n: -n.seen,
    "frames": lambda n: -n.frames,
    "waiting": lambda n: -n.waiting,
}


@dataclass
class Node:
    """One row; ``seen`` in Unix seconds (0: never), ``waiting`` frames that it still holds, ``p50`` in ms."""

    fleet: str
    node: str
    state: str = "unknown"
    site: str = ""
    model: str = ""
    board: str = ""
    version: str = ""
    seen: float = 0.0
    frames: int = 0
    bytes: int = 0
    waiting: int = 0
    p50: float | None = None
    explained: int = 0
    ms: float | None = None
    energy: float | None = None

    @property
    def text(self) -> str:
        """What a search looks through."""
        return f"{self.fleet}/{self.node} {self.site} {self.model} {self.board} {self.version}".lower()


@dataclass
class Inventory:
    """Of one journal; ``clock`` gives seconds."""

    journal: Journal
    clock: Callable[[], float] = time.monotonic
    _nodes: dict[tuple[str, str], Node] = field(default_factory=dict)
    _until: float = -1.0
    _changes: tuple[int, int] = (-1, -1)
    _read: float = -float("inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def warm(self) -> None:
        """Read the table for the first time, before somebody waits for it."""
        with suppress(sqlite3.Error), self._lock:  # closed already, say: whoever asks next hears of it
            self._refresh()

    def page(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Rows that the filters ``q``, ``state``, ``site``, ``model``, ``since`` (Unix time) leave, by ``sort``, from
        ``offset`` on, at most ``limit``; and how many there are by state, site, model. ValueError for no number."""
        since, offset = float(asked.get("since") or 0), max(0, int(asked.get("offset") or 0))
        limit = max(1, min(MOST_ROWS, int(asked.get("limit") or 50)))
        words = asked.get("q", "").lower().split()
        with self._lock:
            self._refresh()
            nodes = list(self._nodes.values())
        found = [n for n in nodes if n.seen >= since and (not words or all(w in n.text for w in words))]
        wanted = {part: asked[part] for part in ("state", "site", "model") if asked.get(part)}
        # how many there are by one filter says what the others leave
        counts = {
            part: Counter(
                getattr(n, part) for n in found if all(getattr(n, p) == v for p, v in wanted.items() if p != part)
            )
            for part in ("state", "site", "model")
        }
        found = [n for n in found if all(getattr(n, p) == v for p, v in wanted.items())]
        found.sort(key=SORTS.get(asked.get("sort", ""), SORTS["state"]))
        return {
            "total": len(found),
            "all": len(nodes),
            "offset": offset,
            "counts": {part: dict(count.most_common(100)) for part, count in counts.items()},
            "rows": [asdict(n) for n in found[offset : offset + limit]],
        }

    def summary(self) -> dict[str, Any]:
        """What an explanation costs: bytes of a frame over all nodes, ms and µJ over those that say them (or null)."""
        with self._lock:
            self._refresh()
            nodes = list(self._nodes.values())
        frames = sum(n.frames for n in nodes)
        timed = [n for n in nodes if n.ms is not None and n.explained]
        known = [n for n in nodes if n.energy is not None and n.explained]
        return {
            "bytes": sum(n.bytes for n in nodes) / frames if frames else None,
            "ms": sum(n.ms or 0.0 for n in timed) / sum(n.explained for n in timed) if timed else None,
            "energy_uj": sum(n.energy or 0.0 for n in known) / sum(n.explained for n in known) if known else None,
        }

    def _refresh(self) -> None:
        now = self.clock()
        if now < self._until:
            return
        self._until = now + FRESH
        changes = self.journal.changes()
        if changes == self._changes:
            return
        self._changes = changes
        notes, totals = self.journal.said_since(self._read - OVERLAP), self.journal.totals(10_000_000)
        there = self.journal.names() | totals.keys()
        for gone in self._nodes.keys() - there:
            del self._nodes[gone]
        for key in there - self._nodes.keys():
            self._nodes[key] = Node(*key)
        for fleet, node, kind, received, text in notes:
            self._read = max(self._read, received)
            if (fleet, node) in self._nodes:
                _take(self._nodes[fleet, node], kind, received, text)
        for key, (frames, size) in totals.items():
            self._nodes[key].frames, self._nodes[key].bytes = frames, size


def _take(node: Node, kind: str, received: float, text: str) -> None:
    """A note, by this version or an older one that looked less closely."""
    try:
        said = loads(text.encode("utf-8", "surrogatepass"), MAX_PAYLOAD)
    except FrameError:
        return
    node.seen = max(node.seen, received)
    context = said.get("context") if kind == "status" else said if kind.startswith("context/") else None
    if isinstance(context, dict) and "site" in context:
        node.site = str(context["site"])
    if kind == "status":
        node.state = str(said.get("state") or "unknown")
        node.model, node.board, node.version = (str(said.get(p) or "") for p in ("model", "board", "version"))
    elif kind == "metrics":
        waiting, latency = said.get("waiting"), said.get("latency_ms")
        node.waiting = int(_number(waiting.get("frames"))) if isinstance(waiting, dict) else 0
        node.explained = int(_number(said.get("explained")))
        if isinstance(latency, dict) and latency.get("count") != 0:  # of a gateway, which times none
            node.ms = _number(latency.get("sum"))
            node.p50 = _number(latency["p50"]) if latency.get("p50") is not None else None
        energy = said.get("energy_uj")
        node.energy = None if energy is None else _number(energy)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
