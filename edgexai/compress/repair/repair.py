"""How a pruned model is repaired, said once for Python and for the command."""

from dataclasses import dataclass

from edgexai.compress.repair.distillation import Schedule
from edgexai.errors import ConfigError

METHODS = ("least_squares", "bias", "none")


@dataclass(frozen=True)
class Repair:
    """What is done after channels have gone.

    ``method`` ``"none"`` leaves every bit of what stays; ``"bias"`` folds the mean activations of what goes into the
    next layer's bias; ``"least_squares"`` refits weights on unlabelled samples, layer by layer and then all at once
    to the answers, in ``steps`` with scores taken anew after each. With ``distillation`` the model is then trained to
    answer as the whole one (needs TensorFlow). Raises ConfigError for a method that does not exist.
    """

    method: str = "least_squares"
    steps: int = 4
    distillation: Schedule | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"repair {self.method!r} is not known; use one of {', '.join(METHODS)}")
        if type(self.steps) is not int or self.steps < 1:
            raise ConfigError(f"repair takes {self.steps!r} steps; give a whole number of at least 1")
