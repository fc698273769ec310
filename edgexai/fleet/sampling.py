"""Frames of a store for a view: of a time range or of some ids, and no more than it can read in a moment."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.fleet.read import Known, gathered, opened
from edgexai.fleet.store.selection import Selection
from edgexai.fleet.store.store import Store


@dataclass(frozen=True)
class Range:
    """From ``since`` up to ``until`` (the nodes' clocks, Unix seconds), or the ``last`` seconds before the newest frame
    (`Store.last_time`); of everything, the frames that arrived last, if none is given."""

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
        kept: list[int] = []
        if asked.is_open:
            for after in dict.fromkeys((max(-1, store.last_id() - most), -1)):
                kept = _thinned(store.ids(after, Selection(models=tuple(models))), most)
                if not models or len(kept) * 10 >= most:  # a model of few nodes is not among the newest
                    break
            return _gathered(store, kept)
        begin = -float("inf") if asked.since is None else asked.since
        if asked.last is not None:
            begin = store.last_time() - asked.last
        end = float("inf") if asked.until is None else asked.until
        return _gathered(store, _thinned(store.ids(-1, Selection(begin, end, models=tuple(models))), most))


def of_ids(directory: Path, ids: Collection[int]) -> list[Evidence]:
    """The frames of these ids."""
    with opened(directory) as store:
        return _gathered(store, ids)


def _gathered(store: Store, ids: Collection[int]) -> list[Evidence]:
    known = Known.of(store)
    return gathered(row for row in map(known.row, store.of(ids)) if row is not None)


def _thinned(ids: Iterable[NDArray[np.int64]], most: int) -> list[int]:
    """Every id, every second, every fourth …, so that they are at most so many and memory is bounded too."""
    kept, step, count = np.zeros(0, np.int64), 1, 0
    for some in ids:
        kept, count = np.concatenate([kept, some[-count % step :: step]]), count + len(some)
        while len(kept) > most:
            kept, step = kept[::2], 2 * step
    found: list[int] = kept.tolist()
    return found
