"""The command `probe`: a suspicion is tried on the node's own next samples; counts leave, no input does."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.agent.privacy import pooled as summed
from edgexai.agent.state import State
from edgexai.errors import ConfigError
from edgexai.heatmap.concepts import folded
from edgexai.intervention.features import channels, flat, pooled
from edgexai.intervention.suspicion import Suspicion, suspicion
from edgexai.intervention.trial import Donor, Trial
from edgexai.runtime.explanation import Explanation

MOST_ANSWERS = 8
"""Answers that a node keeps and tells with its metrics, the newest of each suspicion."""


class Probing:
    """One trial at a time, and what the last ones have found. Six more predictions a sample while it goes on."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._suspicion: Suspicion | None = None
        self._trial: Trial | None = None
        self._answers: dict[str, Trial] = {}
        explainer, predictor = state.explainer, state.predictor
        self._port = explainer.input
        predict: Callable[[Any], tuple[NDArray[Any], ...]]
        predict = predictor.run if predictor is not None else lambda x: explainer(x, unit="by type").outputs
        output = (explainer.outputs if predictor is None else predictor.outputs)[0]
        self._scores = lambda x: output.real(predict(x)[0])

    def begin(self, said: dict[str, Any], count: int) -> None:
        """Try a suspicion on the next ``count`` samples of other classes; ConfigError where it cannot be."""
        explainer, found = self._state.explainer, suspicion(said)
        if len(explainer.inputs) > 1:
            raise ConfigError("a model of several inputs has no one sample to paste into; probe takes models of one")
        if found.target >= self._state.classes:
            raise ConfigError(f"the model has classes 0 to {self._state.classes - 1}, not {found.target}")
        width = self._width(found.of)
        if width != len(found.weights):
            raise ConfigError(f"this node's {found.of} are {width} numbers, the suspicion weighs {len(found.weights)}")
        self._suspicion, self._trial = found, Trial(found.target, count, self._scores)
        self._trial.outcome.of = found.coarse()
        self._answers.pop(found.name, None)
        self._answers[found.name] = self._trial
        for old in list(self._answers)[:-MOST_ANSWERS]:
            del self._answers[old]

    def told(self) -> list[dict[str, Any]]:
        """What the last trials have found, as it travels."""
        return [trial.outcome.as_json() for trial in self._answers.values()]

    def wants(self, target: int) -> bool:
        """Whether a sample of this predicted class has to be explained for the trial."""
        return self._suspicion is not None and target == self._suspicion.target

    def see(self, x: NDArray[Any], target: int, explanation: Explanation | None) -> None:
        """A sample: a donor if it is of the suspected class, else a host. The trial ends with its last host."""
        if self._suspicion is None or self._trial is None:
            return
        if target != self._suspicion.target:
            self._trial.host(self._own(x))
        elif explanation is not None and explanation.target == target:
            suspected = self._distance(self._suspicion, explanation) >= 0
            self._trial.donate(Donor(self._own(x), explanation.relevance), suspected)
        if self._trial.outcome.done:
            self._suspicion = self._trial = None

    def _own(self, x: NDArray[Any]) -> NDArray[Any]:
        """The sample in the model's own type, without its batch axis."""
        own = self._port.quantized(x)
        return own[0] if own.ndim > 1 else own

    def _width(self, of: str) -> int:
        explainer = self._state.explainer
        if of == "concepts":
            return sum(len(part) for part in folded([np.zeros(p.channels) for p in explainer.metadata.concepts]))
        return int(self._pooled(np.zeros(explainer.map_shape, np.float32)).shape[1])

    def _distance(self, wanted: Suspicion, e: Explanation) -> float:
        if wanted.of == "maps" or e.concepts is None:
            features = self._pooled(e.relevance)
        else:
            parts = folded([part.of(e.concepts) for part in self._state.explainer.metadata.concepts])
            features = channels(np.concatenate(parts)[None])
        return float(wanted.distance(features, e.score)[0])

    def _pooled(self, relevance: NDArray[np.float32]) -> NDArray[np.float64]:
        """As the fleet sees the map."""
        grid = self._state.settings.privacy.grid
        return pooled(flat(relevance if grid is None else summed(relevance, grid))[None])
