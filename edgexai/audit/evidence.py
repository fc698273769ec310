"""What an audit stands on: the files that were given, and what is measured on them once and used by many sections."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.audit.outputs import Kind, chances, classes, kind_of, numbers
from edgexai.audit.quality import FILLS, Fill
from edgexai.board import Board
from edgexai.compress.measure.execute import quantized
from edgexai.compress.measure.faithfulness import values
from edgexai.errors import ConfigError, DataError
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
    def learnt(self) -> Array | None:
        """The samples that the model was trained or calibrated with, in its own type, if they are known."""
        return None if self.data is None else quantized(self.graph, self.data[0])

    @cached_property
    def kind(self) -> Kind:
        """What the model's first output is."""
        return kind_of(self.graph)

    @property
    def has_classes(self) -> bool:
        """Whether a sample is predicted as a class."""
        return self.kind in (Kind.CLASSES, Kind.YES_OR_NO)

    @cached_property
    def y(self) -> NDArray[np.int64] | None:
        """Their classes, if known."""
        given = self.test or self.data
        if given is None or given[1] is None or not self.has_classes:
            return None
        return classes(given[1], len(self.x), self.probabilities.shape[1])

    @cached_property
    def truth(self) -> NDArray[np.float64] | None:
        """What a model of one number should give for them, if that is known."""
        given = self.test or self.data
        return None if given is None or given[1] is None else numbers(given[1], len(self.x))

    @property
    def measured_on(self) -> str:
        """Which samples these are, in words."""
        return "test samples" if self.test is not None else "training or calibration samples, not held out"

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each class (N, classes)."""
        return chances(self.graph, self.x)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The first output as it is (N, values)."""
        return values(self.graph, self.x)

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
        try:
            attached = attach(self.graph, "edge", concepts="auto")
        except ConfigError:  # a model without a layer between its input and its output has no concepts
            attached = attach(self.graph, "edge")
        explainer = Explainer(serialize(attached))
        return [explainer(one, unit="by type") for one in self.x[self.chosen]]

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """What is explained of each chosen sample (N,): the predicted class, else the output's place."""
        if self.has_classes:
            return self.predicted[self.chosen]
        return np.array([e.target for e in self.explanations], np.int64)

    @cached_property
    def signs(self) -> NDArray[np.float32]:
        """-1 where a model of yes or no says no, else 1 (N,): what speaks against yes is what speaks for no."""
        no = (self.kind is Kind.YES_OR_NO) & (self.targets == 0)
        return np.where(no, -1, 1).astype(np.float32)

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """Relevance of the chosen samples (N, …), for their targets."""
        return np.stack([e.relevance * s for e, s in zip(self.explanations, self.signs, strict=True)])

    @cached_property
    def fill(self) -> Fill:
        """Realistic replacement: from neighbours where there are some, else from other samples."""
        return FILLS["diffused" if self.x.ndim > 3 else "marginal"](self.x)

    def called(self, target: int) -> str:
        """The name of a class."""
        return f"class {target}" + (f" ({self.labels[target]})" if 0 <= target < len(self.labels) else "")


def maps_of(graph: Graph, x: Array, target: str | int = "predicted") -> NDArray[np.float32]:
    """Relevance of samples (N, …) under ``edge``."""
    explainer = Explainer(serialize(attach(graph, "edge", target=target)))
    return np.stack([explainer(one, unit="by type").relevance for one in x])
