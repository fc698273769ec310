"""What an explainer file says of itself, read from its metadata."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.runtime.metadata import metadata

Map = NDArray[np.float32]
PLAIN = ("relevance", "target", "score")


@dataclass(frozen=True)
class Concepts:
    """A part of an explainer's ``concepts``: one statistic of an inner map, a number a channel from ``start`` on.

    ``statistic`` is ``"sum"`` of relevance over a channel's places, ``"positive"``, the sum of its positive part, or
    ``"maximum"``, its largest value at one place.
    """

    map: str
    statistic: str
    start: int
    channels: int

    def of(self, concepts: Map) -> Map:
        """This part of a vector, or of many (…, N)."""
        return concepts[..., self.start : self.start + self.channels]


@dataclass(frozen=True)
class About:
    """What an explainer file says of itself; ``source`` is the SHA-256 (hex) of the model that it explains."""

    composite: str
    target: str | int
    grid: tuple[int, int] | None
    channels: str
    source: str
    version: str
    concepts: tuple[Concepts, ...] = ()
    outputs: tuple[str, ...] = PLAIN
    """What the file returns behind the model's own outputs."""
    notes: tuple[str, ...] = ()
    """What relevance does not go through, in words."""

    @property
    def maps(self) -> int:
        """How many inputs are explained."""
        return sum(name.startswith("relevance") for name in self.outputs)


def about(model: bytes, where: str) -> About:
    """What an explainer file says of itself; ModelError for a file that explains nothing."""
    if model[4:8] != b"TFL3":
        raise ModelError(
            f"{where} is not a TensorFlow Lite file (no TFL3 identifier); give one that edgexai attach made"
        )
    raw = metadata(model, "edgexai")
    if raw is None:
        raise ModelError(
            f"{where} explains nothing: it has no relevance pass; run `edgexai attach {_named(where)}` first"
        )
    return read_about(raw, where)


def read_about(raw: bytes, where: str) -> About:
    """What JSON metadata says; ModelError where it is damaged."""
    try:
        said = json.loads(raw)
        grid = said["grid"]
        return About(
            composite=str(said["composite"]),
            target=said["target"],
            grid=None if grid is None else (int(grid[0]), int(grid[1])),
            channels=str(said["channels"]),
            source=str(said["source"]),
            version=str(said["version"]),
            concepts=_concepts(said.get("concepts", [])),
            outputs=tuple(str(name) for name in said.get("outputs", PLAIN)),
            notes=tuple(str(note) for note in said.get("notes", [])),
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
        raise ModelError(f"{where} has damaged metadata; attach the relevance pass again") from None


def _concepts(said: list[dict[str, Any]]) -> tuple[Concepts, ...]:
    parts: list[Concepts] = []
    for part in said:
        start = parts[-1].start + parts[-1].channels if parts else 0
        parts.append(Concepts(str(part["map"]), str(part["statistic"]), start, int(part["channels"])))
    return tuple(parts)


def _named(where: str) -> str:
    return where if where.endswith(".tflite") else "MODEL"
