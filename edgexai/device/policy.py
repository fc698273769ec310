"""When a node explains. A policy is asked after each prediction; policies combine with ``&`` and ``|``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prediction:
    """What a policy sees: the sample's number since the start, its time, the class and its score."""

    number: int
    time: float
    target: int
    score: float


class Policy:
    """Says whether a prediction is explained; every policy sees every prediction, so that its state is right."""

    def wants(self, prediction: Prediction) -> bool:
        """Whether to explain this one."""
        raise NotImplementedError


@dataclass
class Every(Policy):
    """Every n-th prediction, beginning with the first."""

    n: int = 1

    def wants(self, prediction: Prediction) -> bool:
        return prediction.number % self.n == 0
