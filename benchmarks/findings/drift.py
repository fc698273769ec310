"""A shortcut shift while accuracy and input stay: from a moment on, a class is recognised by its artefact.

The baseline are clean frames of all classes. In the stream, from its middle on, all images of the planted class that
come carry the artefact and are still predicted right. Every 20 frames the last 300 are looked at: alarm where a test's
false-discovery rate is at most 0.002. Beside: the same looks at inputs (pixels) and at scores alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.findings.cases import gathered, read
from edgexai.cli import table as text

EVERY, WINDOW, LEVEL = 20, 300, 0.002
LOOKS = ("relevance", "input", "score")


def streams(path: Path, used: float) -> Iterator[dict[str, Any]]:
    """A stream with the shift, if the network uses the artefact, and one without."""
    about, clean, planted, truth = read(path)
    with np.load(path, allow_pickle=False) as file:
        images = [file[key].astype(np.float32) / 255 for key in ("held", "carriers")]
    target = about["target"]
    right = [i for i, f in enumerate(planted) if f.target == target]
    for shifted in (True, False) if about["fooled"] >= used and about["artefact"] != "clean" else (False,):
        random = np.random.default_rng([about["seed"], shifted])
        order = random.permutation(len(clean))
        old, new = order[: len(order) // 2], order[len(order) // 2 :]
        frames, pixels = [clean[i] for i in new], images[0][new]
        begin = len(new) // 2
        places = [j for j in range(begin, len(new)) if truth[new[j]] == target and frames[j].target == target]
        for j, i in zip(places if shifted else [], random.permutation(right), strict=False):
            frames[j], pixels[j] = planted[i], images[1][i]
        baseline = gathered([clean[i] for i in old])
        found = _alarms(baseline, images[0][old], gathered(frames), pixels)
        row = {k: about[k] for k in ("data", "artefact", "seed", "fooled")} | {"shifted": shifted, "begin": begin}
        yield row | {"length": len(new), "carriers": len(places) if shifted else 0} | found


def _alarms(baseline: Any, old: NDArray[np.float32], stream: Any, new: NDArray[np.float32]) -> dict[str, int | None]:
    """The frame of the first alarm of each look, None for never."""
    from edgexai.fleet.analysis.drift import drifts
    from edgexai.fleet.analysis.statistics import false_discovery, greatest_shift, mmd

    flat = old.reshape(len(old), -1).astype(np.float64)
    axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:20].T
    first: dict[str, int | None] = dict.fromkeys(LOOKS)
    for end in range(WINDOW, len(stream) + 1, EVERY):
        window = stream.where(np.arange(end - WINDOW, end))
        reasons = [f.p for f in drifts(baseline, window) if f.where == "reasons"]
        seen = new[end - WINDOW : end].reshape(WINDOW, -1) @ axes
        scores = []
        for k in np.unique(window.target):
            one, other = (e.score[e.target == k][:, None] for e in (baseline, window))
            if min(len(one), len(other)) >= 20:
                scores.append(greatest_shift(one, other)[2])
        tested = {"relevance": reasons, "input": [mmd(flat @ axes, seen)[1]], "score": scores}
        for name, p in tested.items():
            if p and first[name] is None and float(false_discovery(p).min()) <= LEVEL:
                first[name] = end
    return first


@dataclass(frozen=True)
class Found:
    """What looking at one thing finds of the shifts; ``delay`` in frames, median, or None."""

    looking_at: str
    found: int
    missed: int
    false: int
    delay: float | None

    @property
    def f1(self) -> float:
        """Of streams with the shift and without."""
        return 2 * self.found / max(1, 2 * self.found + self.false + self.missed)


def judged(rows: list[dict[str, Any]]) -> list[Found]:
    """Relevance, inputs alone, scores alone: each over all streams."""
    made = []
    for name in LOOKS:
        true = [r for r in rows if r["shifted"] and r[name] is not None and r[name] > r["begin"]]
        false = [r for r in rows if r[name] is not None and (not r["shifted"] or r[name] <= r["begin"])]
        missed = [r for r in rows if r["shifted"] and r[name] is None]
        delay = float(np.median([r[name] - r["begin"] for r in true])) if true else None
        made.append(Found(name, len(true), len(missed), len(false), delay))
    return made


def table(rows: list[dict[str, Any]]) -> str:
    """F1 over streams with the shift and without, and the delay."""
    cells = [
        [
            one.looking_at,
            *(str(count) for count in (one.found, one.missed, one.false)),
            f"{one.f1:.2f}",
            "–" if one.delay is None else f"{one.delay:.0f} frames",
        ]
        for one in judged(rows)
    ]
    return text.table(["looking at", "found", "missed", "false", "F1", "median delay"], cells)
