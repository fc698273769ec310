"""One model under one composite: the maps that are measured, and others of the same model to learn from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edgexai.compress.measure.execute import quantized
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.data import read
from edgexai.graph import Graph, load, serialize
from edgexai.relevance import attach
from edgexai.runtime.explainer import Explainer

Array = NDArray[Any]
Maps = NDArray[np.float32]

SPARE = 500
"""At most so many maps to learn from."""


@dataclass(frozen=True)
class Case:
    """Inputs ``x`` (N, rows, columns, channels) are measured, ``spare`` ones are not; ``fill`` is the data's mean."""

    model: str
    composite: str
    graph: Graph
    x: Array
    spare: Array
    fill: Array
    quiet: bool

    @cached_property
    def maps(self) -> Maps:
        """Relevance (N, rows, columns) of the predicted classes."""
        return self._explained(self.x, "")

    @cached_property
    def spare_maps(self) -> Maps:
        """The same of the inputs that are not measured."""
        return self._explained(self.spare, ", to learn from")

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Predicted classes of the inputs that are measured."""
        return np.asarray(probabilities(self.graph, self.x).argmax(1))

    @cached_property
    def spare_targets(self) -> NDArray[np.int64]:
        """And of the others."""
        return np.asarray(probabilities(self.graph, self.spare).argmax(1))

    def _explained(self, x: Array, what: str) -> Maps:
        explain = Explainer(serialize(attach(self.graph, self.composite)))
        title = f"{self.model} {self.composite}{what}"
        found = [explain(one).relevance for one in track(x, description=title, disable=self.quiet)]
        return np.asarray(np.reshape(found, (-1, *self.x.shape[1:3])), np.float32)


def case(model: str | Path, data: str | Path, composite: str, count: int, quiet: bool = False) -> Case:
    """``count`` inputs drawn at random from a file, as the model takes them, and up to `SPARE` of the others."""
    graph = load(model)
    x = quantized(graph, read(data).x)
    fill = np.asarray(np.rint(x.mean(0)) if x.dtype.kind in "iu" else x.mean(0), x.dtype)
    order = np.random.default_rng(0).permutation(len(x))
    return Case(Path(model).stem, composite, graph, x[order[:count]], x[order[count:][:SPARE]], fill, quiet)
