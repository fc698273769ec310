"""Recall of planted shortcuts, how well their carriers are named, and false alarms in classes without one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.findings.cases import ARTEFACTS, BAND, auroc, gathered, read
from benchmarks.findings.samples import Samples, verdicts
from edgexai.cli.table import table

SHARES = (0.01, 0.05, 0.2)
USED = 0.3
"""An artefact counts as used if it turns so many of the other classes' images into the class."""
LEVELS = (0.02, 0.0034)
"""The targets' 2 %, and what one of ten classes needs at a false-discovery rate of a tenth (Benjamini–Yekutieli)."""
TARGETS = {0.2: "90 %", 0.05: "85 %"}
Row = dict[str, Any]


def streams(path: Path, trials: bool = False) -> Iterator[Row]:
    """Every class of every stream of one network: p of its shortcut, and how well its carriers are named.

    With ``trials`` those that use the artefact, and clean ones, are tried: the planted class at 5 and 20 %, two other
    classes at 5 % (clean networks: all).
    """
    from edgexai.fleet.analysis.shortcut import LEAST, shortcuts

    about, clean, planted, truth = read(path)
    own = np.flatnonzero(truth == about["target"])
    tried = trials and (about["artefact"] == "clean" or about["fooled"] >= USED)
    samples = Samples.of(path) if tried else None
    for share in SHARES if about["artefact"] != "clean" else (0.0,):
        random, count = np.random.default_rng(0), round(share * len(own))
        kept = np.ones(len(clean), bool)
        kept[random.permutation(own)[:count]] = False
        picked = random.permutation(len(planted))[:count]
        rows = [*np.array(clean, object)[kept], *np.array(planted, object)[picked]]
        carriers = np.arange(len(rows)) >= kept.sum()
        evidence = gathered(rows)
        for found in shortcuts(evidence):
            is_planted = share > 0 and found.target == about["target"]
            row = {**about, "share": share, "class": found.target, "planted": is_planted, "p": found.p}
            there = carriers[evidence.target == found.target]
            row["carriers"], row["least"] = int(there.sum()), LEAST
            if is_planted and there.any() and not there.all():
                row["auroc"] = auroc(there, np.array([m.score for m in found.members]))
            near = (found.target - about["target"]) % 10 in (1, 6)
            if samples and share != 0.01 and (is_planted or share == 0 or (share == 0.05 and near)):
                row |= verdicts(samples, *samples.stream(kept, picked), found)
            yield row


def used(rows: list[Row], share: float) -> list[Row]:
    """Streams of so many carriers, of artefacts that their network uses."""
    return [r for r in rows if r["planted"] and r["share"] == share and r["fooled"] >= USED and r["carriers"] >= 1]


def _found(rows: list[Row]) -> str:
    return " / ".join(f"{np.mean([r['p'] <= level for r in rows]):.0%}" if rows else "–" for level in LEVELS)


def overall(rows: list[Row]) -> str:
    """Recall, carriers named, and false alarms, of frames alone."""
    cells = []
    for share in sorted(SHARES, reverse=True):
        some = used(rows, share)
        cells.append(
            [f"recall at {share:.0%} of the class, {len(some)} streams", TARGETS.get(share, "–"), _found(some)]
        )
    named = float(np.median([r["auroc"] for r in used(rows, 0.05) if "auroc" in r]))
    cells.append(["AUROC of carriers at 5 %, median over used artefacts", "0.95", f"{named:.3f}"])
    clean = [r["p"] for r in rows if not r["planted"]]
    flagged = " / ".join(f"{np.mean(np.array(clean) <= level):.1%}" for level in LEVELS)
    cells.append([f"clean classes flagged, of {len(clean):,}", "2 %", flagged])
    return table(["", "target", f"p ≤ {' / p ≤ '.join(map(str, LEVELS))}"], cells)


def by_artefact(rows: list[Row]) -> str:
    """Recall of every artefact that some network uses."""
    cells = []
    for artefact in [*ARTEFACTS, BAND]:
        some = [[r for r in used(rows, share) if r["artefact"] == artefact] for share in (0.2, 0.05)]
        if any(some):
            cells.append([artefact.replace("_", " "), str(len(some[0])), *map(_found, some)])
    return table(["artefact", "streams", "recall at 20 %", "at 5 %"], cells)
