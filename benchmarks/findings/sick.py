"""One sick node among fifty: found within so many of its frames, and is the sickness named right?

Real images of clean networks; 49 nodes see them as they are, the fiftieth through a sensor that is dead (noise alone),
dirty (a blot in one place), rotated (a quarter turn) or saturated. Every case draws the images anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.findings.cases import Images, explained

NODES, CASES = 50, 3
AFTER = (30, 50, 100)
Sickness = Callable[[Images, np.random.Generator], Images]


def dead(x: Images, random: np.random.Generator) -> Images:
    return np.asarray(random.uniform(0, 0.02, x.shape), np.float32)


def dirty(x: Images, random: np.random.Generator) -> Images:
    x, n = x.copy(), x.shape[1] // 3
    row, column = random.integers(n // 2, x.shape[1] - n - n // 2 + 1, 2)
    x[:, row : row + n, column : column + n] = 0.5
    return x


def rotated(x: Images, random: np.random.Generator) -> Images:
    return np.ascontiguousarray(np.rot90(x, 1, (1, 2)))


def saturated(x: Images, random: np.random.Generator) -> Images:
    return np.asarray(np.minimum(3 * x + 0.25, 1.0), np.float32)


SICKNESSES: dict[str, Sickness] = {f.__name__: f for f in (dead, dirty, rotated, saturated)}


def cases(path: Path) -> Iterator[dict[str, Any]]:
    """Of one clean network: every sickness, a few draws each."""
    from benchmarks.findings import gathered, read
    from edgexai import Explainer
    from edgexai.fleet.analysis.health import health
    from edgexai.fleet.analysis.statistics import false_discovery
    from edgexai.heatmap import decode

    about, clean, _, _ = read(path)
    with np.load(path, allow_pickle=False) as file:
        held = file["held"].astype(np.float32) / 255
    explainer = Explainer(path.with_name(f"{path.stem}-explainer.tflite"))
    most = AFTER[-1]
    each = (len(held) - most) // (NODES - 1)
    for name, sicken in SICKNESSES.items():
        for case in range(CASES):
            random = np.random.default_rng([case, len(name)])
            order = random.permutation(len(held))
            own, others = order[:most], order[most : most + each * (NODES - 1)]
            ill = [decode(frame) for frame in explained(explainer, sicken(held[own], random)).frames]
            for after in AFTER:
                evidence = gathered([*ill[:after], *(clean[i] for i in others)])
                who = np.concatenate([np.zeros(after, int), 1 + np.arange(len(others)) % (NODES - 1)])
                found = health(replace(evidence, node=np.char.mod("n%02d", who)))
                rates = false_discovery([f.p for f in found])
                reported = {f.nodes[0]: f.where for f, q in zip(found, rates, strict=True) if q <= 0.1}
                named = reported.pop("n00", None)
                row = {k: about[k] for k in ("data", "seed")} | {"sickness": name, "case": case, "after": after}
                row |= {"found": named is not None, "named": named or ""}
                yield row | {"right": (named or "").startswith(name), "healthy_flagged": len(reported), "each": each}


def table(rows: list[dict[str, Any]]) -> None:
    """The lines of docs/findings.md."""
    for after in AFTER:
        for name in [*SICKNESSES, "all"]:
            some = [r for r in rows if r["after"] == after and name in ("all", r["sickness"])]
            found, right = sum(r["found"] for r in some), sum(r["right"] for r in some)
            healthy = sum(r["healthy_flagged"] for r in some) / max(1, len(some) * (NODES - 1))
            print(f"{after} frames, {name}: found {found} of {len(some)}, named right {right}; healthy {healthy:.2%}")
