"""How a pruned model is repaired, said once for Python and for the command."""

from dataclasses import dataclass

from edgexai.checks import of_type, one_of, whole_number
from edgexai.compress.repair.distillation import Schedule

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
        one_of("repair", self.method, METHODS)
        whole_number("steps of repair", self.steps, 1, 1000)
        if self.distillation is not None:
            of_type("distillation", self.distillation, Schedule, "a Schedule, or None")

    @classmethod
    def of(cls, given: "Repair | str") -> "Repair":
        """A repair as it is, or by its method's name; ConfigError for anything else."""
        return given if isinstance(given, cls) else cls(given)  # type: ignore[arg-type]
