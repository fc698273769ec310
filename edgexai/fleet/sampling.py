"""Frames of a store for a view: of a time range or of some ids, and no more than it can read in a moment."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.read import Known, gathered, opened
from edgexai.fleet.store.store import Store, Stored

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
            return _gathered(store, kept)
        begin = -float("inf") if asked.since is None else asked.since
        if asked.last is not None:
            begin = max((one.time for one in store.since(store.last_id() - 1000)), default=0.0) - asked.last
        end = float("inf") if asked.until is None else asked.until
        chosen = _walk(store, -1, lambda one: begin <= one.time < end and (not models or one.model in models))
        return _gathered(store, _thinned(chosen, most))


def of_ids(directory: Path, ids: Collection[int]) -> list[Evidence]:
    """The frames of these ids."""
    wanted = set(ids)
    with opened(directory) as store:
        if not wanted:
            return []
        frames = takewhile(lambda one: one.id <= max(wanted), _walk(store, min(wanted) - 1, lambda one: True))
        return _gathered(store, (one for one in frames if one.id in wanted))


def _gathered(store: Store, frames: Iterable[Stored]) -> list[Evidence]:
    known = Known.of(store)
    return gathered(row for row in map(known.row, frames) if row is not None)


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
