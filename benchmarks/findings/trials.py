"""What trials by intervention make of suspicions, with an artefact and without: confirmed or not."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SUSPECTED = (0.0034, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Samples:
    """The held-out samples of a case in the model's own type, clean and planted, with their relevance."""

    clean: NDArray[Any]
    planted: NDArray[Any]
    clean_maps: NDArray[np.float32]
    planted_maps: NDArray[np.float32]
    scores: Callable[[NDArray[Any]], NDArray[Any]]

    @classmethod
    def of(cls, path: Path) -> "Samples":
        """Those of the files that `cases.make` wrote."""
        from edgexai.runtime.interpreter import Interpreter

        model = Interpreter(path.with_suffix(".tflite").read_bytes())
        port, output = model.inputs[0], model.outputs[0]
        with np.load(path, allow_pickle=False) as file:
            images = [file[key].astype(np.float32) / 255 for key in ("held", "carriers")]
            maps = [file[key].astype(np.float32) for key in ("clean_maps", "planted_maps")]
        clean, planted = (np.stack([port.quantized(one)[0] for one in some]) for some in images)
        return cls(clean, planted, maps[0], maps[1], lambda x: output.real(model.run(x)[0]))

    def stream(self, kept: NDArray[np.bool_], picked: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Samples and relevance of the clean ones that are kept, then of the planted ones that are picked."""
        x = np.concatenate([self.clean[kept], self.planted[picked]])
        return x, np.concatenate([self.clean_maps[kept], self.planted_maps[picked]])


def verdicts(samples: Samples, x: NDArray[Any], maps: NDArray[np.float32], found: Any) -> dict[str, Any]:
    """Of a candidate: what the trial of its cluster says, whatever its p."""
    from edgexai.intervention.tried import HOST, ORDINARY, SUSPECTED, Given, tried

    role = np.full(len(x), HOST)
    role[[m.id for m in found.members]] = [SUSPECTED if m.score >= 0.5 else ORDINARY for m in found.members]
    given = Given(x, maps, role, found.target, samples.scores)
    outcome = tried(given)
    return {"trial": outcome.verdict, "way": outcome.best, "effect": round(outcome.effect(outcome.best), 3)}


def table(rows: list[dict[str, Any]]) -> str:
    """Recall and false alarms of frames alone and with trials, and how many true suspicions trials confirm."""
    from benchmarks.findings.shortcuts import LEVELS, used
    from edgexai.cli import table as text
    from edgexai.fleet.analysis.analyse import SUSPECT, TRIED

    tried, cells = [r for r in rows if "trial" in r], []
    for name, target, some in (
        ("recall at 20 % of the class", "90 %", used(tried, 0.2)),
        ("recall at 5 %", "85 %", used(tried, 0.05)),
        ("clean classes flagged", "2 %, after trials 0.5 %", [r for r in tried if not r["planted"]]),
    ):
        suspected = [r for r in some if r["p"] <= SUSPECT]
        confirmed = sum(r["trial"] == "confirmed" for r in some if r["p"] <= TRIED)
        printed = sum(r["p"] <= LEVELS[1] or (r["p"] <= TRIED and r["trial"] == "confirmed") for r in some)
        cells.append([name, target, *(f"{n} of {len(some)}" for n in (len(suspected), confirmed, printed))])
    for share in (0.2, 0.05):
        sure = [r for r in used(tried, share) if r["p"] <= LEVELS[0]]
        confirmed = sum(r["trial"] == "confirmed" for r in sure)
        cells.append(
            [f"true suspicions of p ≤ {LEVELS[0]}, at {share:.0%}", "90 %", "", f"{confirmed} of {len(sure)}", ""]
        )
    heads = [f"p ≤ {SUSPECT}, frames alone", f"p ≤ {TRIED}, confirmed by a trial", f"confirmed, or p ≤ {LEVELS[1]}"]
    return text.table(["", "target", *heads], cells)


def possible(rows: list[dict[str, Any]]) -> str:
    """What is found, and what is flagged, if more is suspected: frames alone beside trials."""
    from benchmarks.findings.shortcuts import used
    from edgexai.cli import table as text

    tried, cells = [r for r in rows if "trial" in r], []
    true = [used(tried, share) for share in (0.2, 0.05)]
    clean = [r for r in tried if not r["planted"]]
    for level in SUSPECTED:
        for some in (*true, clean):
            suspected = [r for r in some if r["p"] <= level]
            cells.append(f"{len(suspected)} of {len(some)}")
            cells.append(f"{sum(r['trial'] == 'confirmed' for r in suspected)} of {len(some)}")
    width = 2 * (len(true) + 1)
    lines = [[f"p ≤ {level}", *cells[width * i : width * (i + 1)]] for i, level in enumerate(SUSPECTED)]
    heads = [f"{what}, {how}" for what in ("at 20 %", "at 5 %", "clean") for how in ("alone", "confirmed")]
    return text.table(["suspected", *heads], lines)
