"""What the page shows, kept up to date frame by frame: sums a class, the last maps of each node."""

import base64
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import FrameError
from edgexai.fleet.analysis.regions import Map, Shares, areas, flat, names, shares
from edgexai.fleet.panels.picture import picture
from edgexai.fleet.store.bases import FOLDER, at_hand
from edgexai.fleet.store.store import Store, Stored
from edgexai.fleet.web.bounded import Bounded
from edgexai.heatmap import decode
from edgexai.heatmap.basis import Basis

RECENT = 24  # frames of a node that are at hand
RECENT_BYTES = 64 * 2**20  # of these frames and of the nodes' own sums, of all nodes together
NODES = 500  # nodes whose own sums and frames are at hand: those that were heard last
SLICE = 500  # frames that are decoded at a time
CELLS = 24 * 2**20  # values of maps that the sums of all nodes together hold
TALLIES = 20_000  # classes of models of all nodes together, and
OWN = 64  # of a node, that are at hand
LOOK_BACK = 5_000  # frames that are read at most to catch up: at a start, or when more arrive than can be decoded


@dataclass
class Tally:
    """One class of one model, on one node or on all."""

    count: int = 0
    map: NDArray[np.float32] | None = None
    shares: Shares | None = None
    score: float = 0.0
    bytes: int = 0

    def add(self, relevance: Map, share: Shares, score: float, size: int) -> None:
        """Count a frame. Its map is scaled to a greatest magnitude of 1, so that each explanation has one voice."""
        peak = float(np.abs(relevance).max(initial=0.0))
        scaled = relevance / peak if peak > 0 else relevance
        self.map = scaled.astype(np.float32) if self.map is None else self.map + scaled.astype(np.float32)
        self.shares = share.copy() if self.shares is None else self.shares + share
        self.count += 1
        self.score += score
        self.bytes += size


Decoded = tuple[Map, Shares] | None


def decoded(frames: list[bytes], folder: Path) -> list[Decoded]:
    """Map and shares of each frame, in the bases of a folder.

    None for one that builds upon another, whose basis is not there, or that only a newer version can read.
    """
    bases = at_hand(folder)
    return [_decoded(frame, bases) for frame in frames]


def _decoded(frame: bytes, bases: Iterable[Basis]) -> Decoded:
    try:
        read = decode(frame, None, bases)
    except FrameError:
        return None
    relevance = flat(read.map)
    return None if read.missing is not None else (relevance, shares(relevance))


Key = tuple[str, tuple[int, int], int]
"""Model, shape of the map, target."""


def _cells(tally: Tally) -> int:
    return 64 + (0 if tally.map is None else tally.map.size)


@dataclass
class Heard:
    """What is at hand of a node: its last frames, and its own sums. Both go when others were heard later."""

    frames: deque[Stored] = field(default_factory=lambda: deque(maxlen=RECENT))
    tallies: Bounded[Key, Tally] = field(default_factory=lambda: Bounded(_cells, CELLS // 16, OWN))

    @property
    def size(self) -> int:
        """Bytes of frames and maps."""
        return sum(len(one.frame) for one in self.frames) + 4 * self.tallies.held

    def add(self, stored: Stored, key: Key, count: Callable[[Tally], None]) -> None:
        """A frame of the node, which ``count`` counts."""
        self.frames.append(stored)
        self.tallies.use(key, Tally, count)


@dataclass
class View:
    """Reads the store as it grows. ``catch_up`` is called now and then; the other calls give JSON-ready answers."""

    store: Store
    look_back: int = LOOK_BACK
    cursor: int = -1
    nodes: int = NODES
    decode: Callable[[list[bytes], Path], list[Decoded]] = decoded
    tallies: Bounded[Key, Tally] = field(default_factory=lambda: Bounded(_cells, CELLS, TALLIES))
    recent: Bounded[str, Heard] = field(init=False)
    shown: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.recent = Bounded(lambda heard: heard.size, RECENT_BYTES, self.nodes)

    @property
    def bases(self) -> Path:
        """Where the bases are in which frames are coded."""
        return self.store.directory / FOLDER

    @property
    def let_go(self) -> int:
        """Sums of classes, and nodes' recent frames, that went since there were too many."""
        return self.tallies.dropped + self.recent.dropped

    def catch_up(self) -> int:
        """Take in what the store has got since, the newest ``look_back`` of it; how many frames."""
        taken, last = 0, self.store.last_id()
        self.cursor = max(self.cursor, last - self.look_back)
        while not self.stopping.is_set() and self.cursor < last and (batch := self.store.since(self.cursor, SLICE)):
            maps = self.decode([stored.frame for stored in batch], self.bases)
            if self.stopping.is_set():
                break
            with self._lock:
                for stored, found in zip(batch, maps, strict=True):
                    if found is not None:
                        self._take(stored, *found)
            self.cursor = batch[-1].id
            taken += len(batch)
        return taken

    def latest(self, fleet: str | None = None, node: str | None = None, limit: int = 8) -> list[dict[str, Any]]:
        """The newest frames of the 50 nodes that were heard last (or of those asked for), newest first."""
        with self._lock:
            kept = dict(self.recent.items())
            names = [tuple(name.split("/")) for name in reversed(kept)]
            wanted = [(f, n) for f, n in names if fleet in (None, f) and node in (None, n)][:50]
            last = (list(kept[f"{f}/{n}"].frames)[::-1][:limit] for f, n in sorted(wanted))
            return [described(stored) for frames in last for stored in frames]

    def last_frames(self) -> list[Stored]:
        """The newest frame of every node whose frames are at hand."""
        with self._lock:
            return [heard.frames[-1] for _, heard in self.recent.items()]

    def classes(self, node: str | None = None) -> list[dict[str, Any]]:
        """Per model: its classes with mean map and shares by region.

        ``node`` as ``FLEET/NODE`` asks for one node's frames alone.
        """
        with self._lock:
            groups: dict[tuple[str, tuple[int, int]], dict[int, Tally]] = defaultdict(dict)
            heard = None if node is None else dict(self.recent.items()).get(node)
            asked = self.tallies if node is None else Heard().tallies if heard is None else heard.tallies
            for (model, shape, target), tally in sorted(asked.items(), key=lambda item: item[0]):
                groups[model, shape][target] = tally
            return [_model(model, shape, tallies) for (model, shape), tallies in groups.items()]

    def _take(self, stored: Stored, relevance: Map, share: Shares) -> None:
        shape = (relevance.shape[0], relevance.shape[1])
        name, key = f"{stored.fleet}/{stored.node}", (stored.model, shape, stored.target)

        def count(tally: Tally) -> None:
            tally.add(relevance, share, stored.score, len(stored.frame))

        self.tallies.use(key, Tally, count)
        self.recent.use(name, Heard, lambda heard: heard.add(stored, key, count))
        self.shown += 1


def described(stored: Stored) -> dict[str, Any]:
    """A frame as JSON; whoever shows its map decodes its own bytes, which are the shortest that a map can have."""
    return {
        "id": stored.id,
        "fleet": stored.fleet,
        "node": stored.node,
        "boot": stored.boot,
        "sequence": stored.sequence,
        "time": stored.time,
        "received": stored.received,
        "model": stored.model,
        "target": stored.target,
        "score": stored.score,
        "conservation": stored.conservation,
        "bytes": len(stored.frame),
        "frame": base64.b64encode(stored.frame).decode(),
    }


def _model(model: str, shape: tuple[int, int], tallies: dict[int, Tally]) -> dict[str, Any]:
    regions = names(shape[0])
    means = {t: tally.shares / tally.count for t, tally in tallies.items() if tally.shares is not None}
    return {
        "model": model,
        "rows": shape[0],
        "columns": shape[1],
        "regions": list(regions),
        "areas": [round(float(a), 4) for a in areas(shape)],
        "classes": [
            {
                "target": target,
                "count": tally.count,
                "score": tally.score / tally.count,
                "bytes": tally.bytes / tally.count,
                "shares": [round(float(s), 4) for s in means[target]],
                "map": picture(tally.map / tally.count),
            }
            for target, tally in tallies.items()
            if tally.map is not None
        ],
    }
