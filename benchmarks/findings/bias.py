"""Power of the bias analysis: two groups of 500 maps of one class, which differ by a known effect.

Real frames of one class are drawn with repetition. *One*: one channel of the concepts that is not silent is moved by so
many of its own standard deviations (Cohen's d) in one group; *direction*: all are moved along the direction in which
carriers of an artefact differ, the shifts in standard deviations having that length (the root of their squares' sum);
*share*: such a share of the group carries the artefact. *None* is drawn more often: it is the rate of false alarms.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.findings.cases import gathered, read
from edgexai.cli import table as text

EACH, DRAWS, CLEAN_DRAWS, LEVEL = 500, 40, 200, 0.05
SILENT = 0.05
"""Share of the greatest deviation of a channel below which one is silent."""
DIFFERS = {
    "none": "nothing",
    "one": "one channel moved by {} of its standard deviations",
    "direction": "all moved by {} along the artefact's direction",
    "share": "a share of {} carries the artefact",
}
EFFECTS = (("none", 0.0), ("one", 0.2), ("direction", 0.2), ("direction", 0.4), ("share", 0.05), ("share", 0.2))


def draws(path: Path) -> Iterator[dict[str, Any]]:
    """p of many draws of each effect, with a network that uses its artefact."""
    from edgexai.fleet.analysis.bias import biases

    about, clean, planted, _ = read(path)
    target = about["target"]
    own, other = ([f for f in some if f.target == target] for some in (clean, planted))
    both = gathered([*own, *other])
    both = replace(both, target=np.zeros(len(both), np.int64))
    plain, carriers = np.arange(len(own)), np.arange(len(own), len(both))
    roots = np.sqrt(both.concepts)
    spread = roots[plain].std(0) + 1e-9
    apart = (roots[carriers].mean(0) - roots[plain].mean(0)) / spread
    for kind, effect in EFFECTS:
        for draw in range(DRAWS if effect else CLEAN_DRAWS):
            random = np.random.default_rng([draw, round(100 * effect), len(kind)])
            rows = random.choice(plain, 2 * EACH)
            if kind == "share":
                rows[EACH : EACH + round(effect * EACH)] = random.choice(carriers, round(effect * EACH))
            one = both.where(rows)
            moved = np.sqrt(one.concepts)
            if kind == "one":
                channel = int(random.choice(np.flatnonzero(spread > SILENT * spread.max())))
                moved[EACH:, channel] += effect * spread[channel]
            if kind == "direction":
                moved[EACH:] += effect * apart / np.linalg.norm(apart) * spread
            one = replace(one, concepts=(np.maximum(moved, 0) ** 2).astype(np.float32))
            one = replace(one, group=np.repeat(["a", "b"], EACH))
            (found,) = biases(one)
            row = {k: about[k] for k in ("data", "artefact", "seed")} | {"kind": kind, "effect": effect}
            yield row | {"draw": draw, "p": float(f"{found.p:.6g}")}


def table(rows: list[dict[str, Any]]) -> str:
    """Power at 5 %, of each effect."""
    cells = []
    for kind, effect in EFFECTS:
        p = np.array([r["p"] for r in rows if r["kind"] == kind and r["effect"] == effect])
        if len(p):
            cells.append([DIFFERS[kind].format(effect), f"{np.mean(p <= LEVEL):.0%} of {len(p)}"])
    return text.table(["the second group differs by", f"p ≤ {LEVEL} in"], cells)
