"""What an audit stands on: the files that were given, and what is measured on them once and used by many sections."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.quality import FILLS, Fill
from edgexai.board import Board
from edgexai.compress.measure.execute import quantized
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.errors import DataError
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer
from edgexai.runtime.explanation import Explanation

Array = NDArray[Any]
MOST_EXPLAINED = 600
MOST_JUDGED = 100
"""How many maps are judged by measures that run the model hundreds of times a map."""


@dataclass(frozen=True)
class Evidence:
    """``test`` are held-out samples, ``data`` those that the model was trained or calibrated with, each (x, y or None)
    or None; ``groups`` (N,) names the group of each test sample; ``answers`` are those of ``audit.toml``."""

    model: Path
    data: tuple[Array, Array | None] | None = None
    test: tuple[Array, Array | None] | None = None
    groups: NDArray[np.str_] | None = None
    board: Board | None = None
    store: Path | None = None
    against: Path | None = None
    answers: dict[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    command: str = "edgexai audit"

    @cached_property
    def graph(self) -> Graph:
        """The model."""
        return load(self.model)

    @cached_property
    def x(self) -> Array:
        """The samples that everything is measured on, in the model's own type: the test's, else the data's."""
        given = self.test or self.data
        if given is None:
            raise DataError("there are no samples; give --test or --data")
        return quantized(self.graph, given[0])

    @cached_property
    def y(self) -> NDArray[np.int64] | None:
        """Their labels, if known."""
        given = self.test or self.data
        return None if given is None or given[1] is None else np.asarray(given[1]).astype(np.int64)

    @property
    def measured_on(self) -> str:
        """Which samples these are, in words."""
        return "test samples" if self.test is not None else "training or calibration samples, not held out"

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """The first output (N, classes)."""
        return probabilities(self.graph, self.x)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """Classes (N,)."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @cached_property
    def chosen(self) -> NDArray[np.int64]:
        """Which samples are explained: at most MOST_EXPLAINED, at random."""
        order = np.random.default_rng(0).permutation(len(self.x))[:MOST_EXPLAINED]
        return np.sort(order)

    @cached_property
    def explanations(self) -> list[Explanation]:
        """Of the chosen samples, by the composite ``edge``, with concepts."""
        explainer = Explainer(serialize(attach(self.graph, "edge", concepts="auto")))
        return [explainer(one, unit="by type") for one in self.x[self.chosen]]

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """Relevance of the chosen samples (N, …)."""
        return np.stack([e.relevance for e in self.explanations])

    @cached_property
    def fill(self) -> Fill:
        """Realistic replacement: from neighbours where there are some, else from other samples."""
        return FILLS["diffused" if self.x.ndim > 3 else "marginal"](self.x)

    def called(self, target: int) -> str:
        """The name of a class."""
        return f"class {target}" + (f" ({self.labels[target]})" if target < len(self.labels) else "")


def maps_of(graph: Graph, x: Array, target: str | int = "predicted") -> NDArray[np.float32]:
    """Relevance of samples (N, …) under ``edge``."""
    explainer = Explainer(serialize(attach(graph, "edge", target=target)))
    return np.stack([explainer(one, unit="by type").relevance for one in x])
