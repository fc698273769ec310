"""Evidence with known truth: classes with channels of their own, and what may be planted in it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgexai.fleet.analysis.evidence import Evidence
from edgexai.heatmap import encode


def clean(seed: int, classes: int = 5, each: int = 120, width: int = 40, nodes: int = 4) -> Evidence:
    """Frames of a model that looks at what it should: skewed channels, correlated as in a network."""
    random = np.random.default_rng(seed)
    n = classes * each
    target = random.permutation(np.repeat(np.arange(classes), each))
    usual = np.random.default_rng(1000).gamma(1.0, 1.0, (classes, width))
    mixing = np.random.default_rng(2000).normal(0, 0.3, (6, width))
    concepts = usual[target] * np.exp(random.normal(size=(n, 6)) @ mixing + random.normal(0, 0.3, (n, width)))
    blobs = np.exp(-((np.indices((12, 12)) - 5.5) ** 2).sum(0) / 12)
    tilt = np.linspace(0.4, 1.6, 12)[:, None] * np.linspace(0.7, 1.3, 12)[None]
    maps = (blobs * tilt)[None] * random.uniform(0.5, 1.5, (n, 12, 12))
    return Evidence(
        "00" * 8,
        np.arange(n),
        np.arange(n),
        np.array([f"n{i % nodes}" for i in range(n)]),
        np.full(n, "", dtype="<U8"),
        1.79e9 + np.arange(n) * 60.0,
        target,
        random.normal(8, 1.5, n),
        np.ones(n),
        maps.astype(np.float32),
        concepts.astype(np.float32),
    )


def planted(
    evidence: Evidence, target: int, share: float, seed: int = 0, cause: Sequence[int] = (3, 17, 30)
) -> tuple[Evidence, np.ndarray]:
    """Some frames of a class recognised by three channels of their own, with a higher score; and which."""
    random = np.random.default_rng(seed)
    own = np.flatnonzero(evidence.target == target)
    carriers = np.zeros(len(evidence), bool)
    carriers[random.permutation(own)[: round(share * len(own))]] = True
    concepts, score = evidence.concepts.copy(), evidence.score.copy()
    concepts[np.ix_(carriers, cause)] += random.gamma(20, 0.4, (carriers.sum(), 3)).astype(np.float32)
    score[carriers] += 6
    return replace(evidence, concepts=concepts, score=score), carriers


def frames_file(path: Path, **columns: np.ndarray) -> Path:
    """The frames of evidence with a shortcut in class 2, as `fleet import` takes them."""
    truth, carriers = planted(clean(1, classes=3), 2, 0.2)
    frames = [
        encode(m, budget=64, model=bytes(8), target=int(t), score=float(s), concepts=[c])
        for m, t, s, c in zip(truth.maps, truth.target, truth.score, truth.concepts, strict=True)
    ]
    rows = np.zeros((len(frames), 64), np.uint8)
    for row, frame in zip(rows, frames, strict=True):
        row[: len(frame)] = np.frombuffer(frame, np.uint8)
    given = {"frames": rows, "length": np.array([len(f) for f in frames]), "node": truth.node, "time": truth.time}
    np.savez(path, **(given | columns))
    np.save(path.with_suffix(".carriers.npy"), carriers)
    return path
