"""The held-out samples of a case, and what trials by intervention say of a suspicion among them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
