"""What the analyses read: the frames of a model as arrays, one row each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError
from edgexai.intervention.features import channels, flat, pooled

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """N frames of one model. ``maps`` (N, rows, columns) float32; ``concepts`` (N, D), D = 0 where they were not
    sent; ``group`` is "" where none was declared; ``conservation`` nan where it was not sent."""

    model: str
    id: NDArray[np.int64]
    sequence: NDArray[np.int64]
    node: NDArray[np.str_]
    group: NDArray[np.str_]
    time: Array
    target: NDArray[np.int64]
    score: Array
    conservation: Array
    maps: NDArray[np.float32]
    concepts: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.id)

    def where(self, chosen: NDArray[Any]) -> "Evidence":
        """The rows of a mask or of indices."""
        rows = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "model"}
        return Evidence(self.model, **rows)

    def channels(self) -> Array:
        """(N, D) square roots of the concepts, each vector at unit sum, dithered by half a step of four bits, so that
        steps make no clusters; without concepts the pooled maps take their place."""
        if self.concepts.shape[1] == 0:
            return self.pooled()
        roots = self.roots()
        step = roots.max(1, keepdims=True) / 15
        dithered: Array = roots + step * np.random.default_rng(0).uniform(-0.5, 0.5, roots.shape)
        return dithered

    def roots(self) -> Array:
        """The same as they came, without dither."""
        return channels(self.concepts) if self.concepts.shape[1] else self.pooled()

    def pooled(self) -> Array:
        """(N, P) signed square roots of the maps at unit mass, at most 12×12."""
        return pooled(self.maps)


def gather(model: str, rows: Sequence[dict[str, Any]]) -> Evidence:
    """Evidence of decoded frames: dicts with id, sequence, node, group, time, target, score, conservation, map,
    concepts (a tuple of parts). Frames of another shape than most, or with other concepts, are left out."""
    shapes = [flat(row["map"]).shape for row in rows]
    usual = max(set(shapes), key=shapes.count)
    kept = [row for row, shape in zip(rows, shapes, strict=True) if shape == usual]
    widths = [sum(map(len, row["concepts"])) for row in kept]
    width = max(set(widths), key=widths.count)
    kept = [row for row, w in zip(kept, widths, strict=True) if w == width]

    def column(key: str, kind: Any) -> NDArray[Any]:
        return np.array([row[key] for row in kept], kind)

    conservation = [np.nan if row["conservation"] is None else row["conservation"] for row in kept]
    return Evidence(
        model,
        column("id", np.int64),
        column("sequence", np.int64),
        np.array(nodes(kept), np.str_),
        column("group", np.str_),
        column("time", np.float64),
        column("target", np.int64),
        column("score", np.float64),
        np.array(conservation, np.float64),
        np.stack([flat(row["map"]) for row in kept]).astype(np.float32),
        np.array([channels_of(row) for row in kept], np.float32).reshape(len(kept), width),
    )


def nodes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The node of every row by its name; behind its fleet's where nodes of several fleets are called the same."""
    places = {(row.get("fleet", ""), row["node"]) for row in rows}
    times = Counter(node for _, node in places)
    return [f"{row['fleet']}/{row['node']}" if times[row["node"]] > 1 else str(row["node"]) for row in rows]


def channels_of(row: dict[str, Any]) -> list[float]:
    """The concepts of a decoded frame, all parts one behind the other."""
    return [value for part in row["concepts"] for value in part]


def joined(first: Evidence, second: Evidence) -> Evidence:
    """The frames of both, the first's first; DataError if their maps or concepts have other shapes."""
    if first.maps.shape[1:] != second.maps.shape[1:] or first.concepts.shape[1] != second.concepts.shape[1]:
        raise DataError("the baseline's maps or concepts have another shape than those of now; compare like with like")
    names = [f.name for f in fields(first) if f.name != "model"]
    return Evidence(second.model, **{n: np.concatenate([getattr(first, n), getattr(second, n)]) for n in names})
