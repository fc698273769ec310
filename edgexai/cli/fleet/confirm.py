"""Tries suspicions of `edgexai fleet analyse` on samples that the operator has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.data import preprocessing, read
from edgexai.errors import ConfigError
from edgexai.fleet.analysis.analyse import TRIED
from edgexai.heatmap.concepts import folded
from edgexai.intervention.features import channels, flat, pooled
from edgexai.intervention.suspicion import Suspicion
from edgexai.intervention.trial import Outcome
from edgexai.intervention.tried import Given, roles, tried
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.explanation import Explanation

MOST = 2000
"""Samples that are explained."""


@dataclass(frozen=True)
class Seen:
    """Explained samples ``x`` (N, …) of a model."""

    explainer: Explainer
    x: NDArray[Any]
    said: list[Explanation]

    @classmethod
    def of(cls, model: Path, data: Path) -> "Seen":
        """ConfigError for a file that has to be told what to explain, or explains several inputs."""
        explainer = Explainer(model)
        if explainer.takes_weights or explainer.takes_box or len(explainer.inputs) > 1:
            raise ConfigError(f"{model} explains what it is told, or several inputs; --confirm takes the nodes' file")
        x = read(data, explainer.input, preprocessing(model.read_bytes())).x[:MOST]
        return cls(explainer, x, [explainer(one, unit="by type") for one in x])

    @property
    def model(self) -> str:
        """As frames name it."""
        return self.explainer.metadata.source[:16]

    def worth(self, model: str, suspicion: Suspicion | None, p: float) -> Outcome | None:
        """What comes of a suspicion that is worth a trial; None for those of other models."""
        return None if suspicion is None or model != self.model or p > TRIED else self.tried(suspicion)

    def tried(self, suspicion: Suspicion) -> Outcome:
        """What suspected samples of the class do to others; ConfigError if the suspicion is of other numbers."""
        target = np.array([e.target for e in self.said])
        distance = suspicion.distance(self._features(suspicion), np.array([e.score for e in self.said]))
        role = roles(target, suspicion.target, distance)
        inputs, maps = np.stack([e.inputs[0] for e in self.said]), np.stack([e.relevance for e in self.said])
        return tried(Given(inputs, maps, role, suspicion.target, self._scores))

    def _scores(self, x: NDArray[Any]) -> NDArray[Any]:
        return self.explainer.outputs[0].real(self.explainer(x, unit="by type").outputs[0])

    def _features(self, suspicion: Suspicion) -> NDArray[np.float64]:
        parts, rows = self.explainer.metadata.concepts, [e.concepts for e in self.said]
        if suspicion.of == "maps":
            found = pooled(np.stack([flat(e.relevance) for e in self.said]))
        else:
            known = [folded([part.of(row) for part in parts]) for row in rows if row is not None]
            found = channels(np.array([np.concatenate(one) for one in known])) if known else np.zeros((1, 0))
        if found.shape[1] != len(suspicion.weights):
            raise ConfigError(
                f"the file gives {found.shape[1]} {suspicion.of}, the frames had {len(suspicion.weights)}"
            )
        return found
