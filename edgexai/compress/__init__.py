"""Smaller models from relevance: measure, prune, repair, quantize, and all of it to one budget.

The room bears the name of the public call, so it can be called: ``edgexai.compress(model, samples, budget)``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgexai.compress.room import callable_room

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgexai.compress.measure.bench import Point
    from edgexai.compress.measure.limits import Budget
    from edgexai.compress.repair.repair import Repair
    from edgexai.graph import Model

__all__ = ["compress"]


def compress(
    model: Model,
    samples: NDArray[Any],
    budget: Budget,
    labels: NDArray[Any] | None = None,
    *,
    explain: str | None = None,
    repair: Repair | str = "least_squares",
    runtime: str = "tflite",
    progress: Callable[[int, int], None] | None = None,
) -> Point:
    """The model that keeps most within the budget, measured; see `edgexai.compress.budget.compress`."""
    from edgexai.compress import budget as room  # what it needs is heavy, and loaded when it is called

    return room.compress(
        model, samples, budget, labels, explain=explain, repair=repair, runtime=runtime, progress=progress
    )


LENT = {"cost": "measure.cost", "dequantize": "quantize.dequantize"}
"""Functions that are asked for here and lie in a room: loaded when they are."""


def __getattr__(name: str) -> Any:
    if name not in LENT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LENT[name]}"), name)


callable_room(__name__, compress)
