"""What the demo has found out: frames read back from the store, and everything that the report shows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.cli.demo.digits import CORNER_REGION
from edgexai.fleet.analysis.apart import LEAST_FRAMES, chance
from edgexai.fleet.analysis.regions import Suspect, areas, flat, names, shares, suspects
from edgexai.fleet.store.store import Store, Stored
from edgexai.heatmap import decode

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class Frames:
    """One node's frames as the fleet stored them: maps (N, rows, columns), classes, and which sample each explains."""

    node: str
    maps: Maps
    targets: NDArray[np.int64]
    samples: NDArray[np.int64]
    bytes: NDArray[np.int64]


@dataclass(frozen=True)
class Tag:
    """The planted tag: what it does to the class and to the others, as shares of the held-out images.

    ``corner`` is each class's mean share of positive relevance in the tag's corner on tagged sites, ``corner_clean``
    on the others, ``area`` the corner's share of the image.
    """

    target: int
    seen_with: float
    seen_without: float
    fooled: float
    corner: NDArray[np.float64]
    corner_clean: NDArray[np.float64]
    area: float


@dataclass(frozen=True)
class Findings:
    """All that the report shows. ``models`` maps a name to its row of figures (None where nothing was measured);
    ``sure`` has for each suspect how probable so much is by chance."""

    title: str
    models: dict[str, dict[str, float | None]]
    frames: list[Frames]
    suspects: list[Suspect]
    sure: list[float]
    board: str
    tag: Tag | None = None
    labels: list[str] = field(default_factory=list)

    def label(self, k: int) -> str:
        return self.labels[k] if k < len(self.labels) else str(k)


def read_frames(store: Path, nodes: list[str]) -> list[Frames]:
    """Everything that the store has of these nodes, in the order of their samples."""
    opened = Store(store)
    try:
        stored: list[Stored] = []
        while batch := opened.since(stored[-1].id if stored else -1):
            stored += batch
    finally:
        opened.close()
    found = []
    for node in nodes:
        own = sorted((s for s in stored if s.node == node), key=lambda s: s.sequence)
        found.append(
            Frames(
                node,
                np.stack([flat(decode(s.frame).map) for s in own]),
                np.array([s.target for s in own]),
                np.array([s.sequence for s in own]) - own[0].sequence,
                np.array([len(s.frame) for s in own]),
            )
        )
    return found


def suspicions(frames: list[Frames]) -> list[Suspect]:
    """What the fleet's own detector says of all these frames together; it knows nothing of any tag."""
    maps = np.concatenate([f.maps for f in frames])
    targets = np.concatenate([f.targets for f in frames])
    shape = maps.shape[1], maps.shape[2]
    each = np.stack([shares(m) for m in maps])
    classes = [int(k) for k in np.unique(targets) if (targets == k).sum() >= LEAST_FRAMES]
    means = {k: each[targets == k].mean(0) for k in classes}
    counts = {k: int((targets == k).sum()) for k in classes}
    return suspects(means, counts, names(shape[0]), areas(shape))


def chances(frames: list[Frames], found: list[Suspect]) -> list[float]:
    """How probable it is that a class differs so much in any region as classes do by chance, for each suspect."""
    targets = np.concatenate([f.targets for f in frames])
    each = np.stack([shares(m) for f in frames for m in f.maps])
    means = {int(k): each[targets == k].mean(0) for k in np.unique(targets) if (targets == k).sum() >= LEAST_FRAMES}
    regions = names(frames[0].maps.shape[1])
    return [chance(means, one.target, regions.index(one.region)) for one in found]


def corner_share(frames: list[Frames], classes: int) -> NDArray[np.float64]:
    """Each class's mean share of positive relevance in the tag's corner; nan for classes that nobody predicted."""
    maps = np.maximum(np.concatenate([f.maps for f in frames]).astype(np.float64), 0)
    targets = np.concatenate([f.targets for f in frames])
    share = maps[:, CORNER_REGION[0], CORNER_REGION[1]].sum((1, 2)) / np.maximum(maps.sum((1, 2)), 1e-30)
    return np.array([share[targets == k].mean() if np.any(targets == k) else np.nan for k in range(classes)])


def as_json(findings: Findings) -> dict[str, Any]:
    """The figures for a machine."""
    tag = findings.tag
    return {
        "models": findings.models,
        "frames": sum(len(f.maps) for f in findings.frames),
        "frame_bytes": float(np.mean(np.concatenate([f.bytes for f in findings.frames]))),
        "suspects": [vars(s) for s in findings.suspects],
        "tag": None
        if tag is None
        else {
            "class": tag.target,
            "recognised_with_tag": tag.seen_with,
            "recognised_without_tag": tag.seen_without,
            "others_fooled": tag.fooled,
            "corner_share": [None if np.isnan(v) else float(v) for v in tag.corner],
            "corner_share_clean": [None if np.isnan(v) else float(v) for v in tag.corner_clean],
            "corner_area": tag.area,
        },
    }
