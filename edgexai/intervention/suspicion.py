"""A suspicion as it travels: which explanations of a class are suspected, said by a plane in concepts and score."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ConfigError

MOST = 2048
"""Numbers of a suspicion at most: a command has 64 KiB."""
OF = ("concepts", "maps")
COARSE = 127
"""The largest weight of a coarse plane."""


@dataclass(frozen=True)
class Suspicion:
    """An explanation of class ``target`` is the more suspected, the farther it lies on one side of a plane.

    ``weights`` (D,) of its features ``of`` (`features.channels`, or `features.pooled` maps where no concepts are
    sent), ``score`` the weight of its logit, ``bias`` the constant.
    """

    target: int
    weights: NDArray[np.float64]
    score: float
    bias: float
    of: str = "concepts"

    def distance(self, features: NDArray[np.floating], score: NDArray[np.floating] | float) -> NDArray[np.float64]:
        """(N,) of explanations from the plane, by their features (N, D) and logits (N,): suspected above 0."""
        found: NDArray[np.float64] = features @ self.weights + self.score * np.asarray(score, np.float64) + self.bias
        return found

    def coarse(self) -> "Suspicion":
        """The same plane in whole weights up to COARSE: short enough to travel with every outcome, to be compared."""
        size = max(float(np.abs(self.weights).max()), 1e-30) / COARSE
        return Suspicion(self.target, np.round(self.weights / size), self.score / size, self.bias / size, self.of)

    @property
    def name(self) -> str:
        """Eight digits that every machine gives this suspicion, coarse or not."""
        return hashlib.sha256(json.dumps(self.coarse().as_json()).encode()).hexdigest()[:8]

    def as_json(self) -> dict[str, Any]:
        """For machines: the parameters of the command `probe`, but for how often; six digits are enough."""
        weights, score, bias = [_short(w) for w in self.weights], _short(self.score), _short(self.bias)
        return {"class": self.target, "of": self.of, "weights": weights, "score": score, "bias": bias}


def suspicion(said: dict[str, Any]) -> Suspicion:
    """The suspicion of such parameters; ConfigError for anything else."""
    target, of, weights = said.get("class"), said.get("of"), said.get("weights")
    if type(target) is not int or not 0 <= target < 2**31:
        raise ConfigError(f"probe takes a class as a number of 0 or more, not {_told(target)}")
    if of not in OF:
        raise ConfigError(f"probe takes weights of concepts or maps, not of {_told(of)}")
    if not isinstance(weights, list) or not 1 <= len(weights) <= MOST:
        raise ConfigError(f"probe takes 1 to {MOST} weights; `edgexai fleet analyse --json` prints them")
    numbers = [*weights, said.get("score"), said.get("bias")]
    if not all(type(v) in (int, float) and math.isfinite(v) and abs(v) < 1e30 for v in numbers):
        raise ConfigError("the weights, score and bias of probe are finite numbers")
    return Suspicion(target, np.array(weights, np.float64), float(numbers[-2]), float(numbers[-1]), str(of))


def _short(number: float) -> float:
    six = float(f"{number:.6g}")
    return int(six) if six.is_integer() else six


def _told(what: Any) -> str:
    return repr(what)[:60]
