"""One sick node among fifty: found within so many of its frames, and is the sickness named right?

Real images of clean networks; 49 nodes see them as they are, the fiftieth through a sensor that is dead (noise, black
or grey alone), frozen (one image again and again), dirty (a blot in one place), rotated (a quarter turn or more),
saturated, noisy or blurred. Every case draws the images, and how bad it is, anew. The cases that the diagnosis was
taught are others than those that are measured.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.findings.cases import Images, explained, gathered, read
from edgexai.cli import table as text

NODES = 50
TAUGHT, MEASURED = range(5), range(5, 8)
AFTER = (100,)
RATE = 0.1
FIRST = RATE / NODES / sum(1 / k for k in range(1, NODES + 1))
"""p that the first finding among so many nodes needs at this false-discovery rate (Benjamini–Yekutieli)."""
Sickness = Callable[[Images, np.random.Generator], Images]


def dead(x: Images, random: np.random.Generator) -> Images:
    level, noise = random.choice([0.0, 0.0, 0.5, 1.0]), random.choice([0.0, 0.01, 0.02])
    seen = level + random.uniform(-noise, noise, x.shape)
    return np.asarray(np.clip(seen, 0, 1), np.float32)


def frozen(x: Images, random: np.random.Generator) -> Images:
    return np.repeat(x[random.integers(len(x))][None], len(x), 0)


def dirty(x: Images, random: np.random.Generator) -> Images:
    x, n = x.copy(), x.shape[1] // 3
    row, column = random.integers(n // 2, x.shape[1] - n - n // 2 + 1, 2)
    x[:, row : row + n, column : column + n] = random.choice([0.0, 0.5, 1.0]) if x.shape[3] > 1 else 0.5
    return x


def rotated(x: Images, random: np.random.Generator) -> Images:
    return np.ascontiguousarray(np.rot90(x, int(random.integers(1, 4)), (1, 2)))


def saturated(x: Images, random: np.random.Generator) -> Images:
    return np.asarray(np.minimum(random.uniform(2, 4) * x + 0.25, 1.0), np.float32)


def noisy(x: Images, random: np.random.Generator) -> Images:
    return np.asarray(np.clip(x + random.normal(0, random.uniform(0.15, 0.3), x.shape), 0, 1), np.float32)


def blurred(x: Images, random: np.random.Generator) -> Images:
    from scipy.ndimage import gaussian_filter

    width = random.uniform(0.06, 0.1) * x.shape[1]
    return np.asarray(gaussian_filter(x, (0, width, width, 0)), np.float32)


SICKNESSES: dict[str, Sickness] = {f.__name__: f for f in (dead, frozen, dirty, rotated, saturated, noisy, blurred)}


def cases(path: Path, which: range = MEASURED) -> Iterator[dict[str, Any]]:
    """Of one clean network: every sickness, a few draws each; ``signs`` are those of the sick node."""
    from edgexai import Explainer
    from edgexai.fleet.analysis.difference import difference, views
    from edgexai.fleet.analysis.health import health, peers_of, strangest
    from edgexai.fleet.analysis.sickness import diagnosis
    from edgexai.fleet.analysis.signs import signs
    from edgexai.fleet.analysis.statistics import false_discovery
    from edgexai.heatmap import decode

    about, clean, _, _ = read(path)
    with np.load(path, allow_pickle=False) as file:
        held = file["held"].astype(np.float32) / 255
    explainer = Explainer(path.with_name(f"{path.stem}-explainer.tflite"))
    most = AFTER[-1]
    each = (len(held) - most) // (NODES - 1)
    for name, sicken in SICKNESSES.items():
        for case in which:
            random = np.random.default_rng([case, len(name), ord(name[0])])
            order = random.permutation(len(held))
            own, others = order[:most], order[most : most + each * (NODES - 1)]
            ill = [decode(frame) for frame in explained(explainer, sicken(held[own], random)).frames]
            for after in AFTER:
                evidence = gathered([*ill[:after], *(clean[i] for i in others)])
                who = np.concatenate([np.zeros(after, int), 1 + np.arange(len(others)) % (NODES - 1)])
                evidence = replace(evidence, node=np.char.mod("n%02d", who))
                own = evidence.node == "n00"
                peers = peers_of(evidence, own, strangest(evidence))
                p = float(f"{difference(views(evidence), peers, own).p:.6g}")
                named = diagnosis(evidence, own, peers) if p <= FIRST else ""
                row = {k: about[k] for k in ("data", "seed")} | {"sickness": name, "case": case, "after": after}
                row |= {"found": bool(named), "named": named, "right": named.startswith(name), "p": p, "each": each}
                if (
                    name == "dirty" and case == which[0]
                ):  # all nodes are asked once a network: it takes fifty times as long
                    found = health(evidence)
                    rates = false_discovery([f.p for f in found])
                    flagged = {f.nodes[0] for f, q in zip(found, rates, strict=True) if q <= RATE} - {"n00"}
                    row |= {"healthy": len(found) - 1, "healthy_flagged": len(flagged)}
                yield row | {"signs": signs(evidence, own, peers)}


def taught(rows: list[dict[str, Any]]) -> str:
    """The table that the diagnosis is made of (`edgexai/fleet/analysis/sickness.csv`)."""
    rows = [row for row in rows if row["signs"]]
    lines = [",".join(["sickness", *rows[0]["signs"]])]
    lines += [",".join([row["sickness"], *(f"{round(v, 3):g}" for v in row["signs"].values())]) for row in rows]
    return "\n".join(lines) + "\n"


def confused(rows: list[dict[str, Any]]) -> str:
    """What each sickness is called: first, of all cases of which a node was found."""
    found = [r for r in rows if r["found"]]
    cells = []
    for name in SICKNESSES:
        first = [r["named"].split(":")[0].split(",")[0] for r in found if r["sickness"] == name]
        cells.append([name, *(str(first.count(other) or "·") for other in SICKNESSES)])
    return text.table(["it is / it is called", *SICKNESSES], cells)


def table(rows: list[dict[str, Any]], after: int = AFTER[-1]) -> str:
    """Of every sickness: found, and named right."""
    rows = [r for r in rows if r["after"] == after]
    groups = {name: [r for r in rows if r["sickness"] == name] for name in SICKNESSES} | {"all": rows}
    groups = {name: some for name, some in groups.items() if some}
    cells = [
        [title, *(f"{sum(r[key] for r in some)} of {len(some)}" for some in groups.values())]
        for title, key in (("found", "found"), ("named right", "right"))
    ]
    flagged, healthy = (sum(r.get(key, 0) for r in rows) for key in ("healthy_flagged", "healthy"))
    cells.append(
        [f"healthy nodes flagged{f', of {healthy}' if healthy else ''}", *[""] * (len(groups) - 1), str(flagged)]
    )
    return text.table([f"after {after} frames", *groups], cells)
