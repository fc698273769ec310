"""Explanation: a prediction and why."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import one_of, whole_number
from edgexai.errors import Error
from edgexai.extras import how_to_install
from edgexai.runtime.about import Map


@dataclass(frozen=True)
class Explanation:
    """A prediction and why.

    ``outputs`` are the model's own, bit for bit; ``relevance`` is float32 in the input's shape without batch (and
    without channels if the file sums them), ``more`` that of the second input and the further ones; ``score`` is the
    logit of ``target``, which the relevance adds up to; ``state`` is the part of it that a streaming model owes to the
    steps before; ``concepts`` float32 (N,) says which channels of inner maps took part
    (``Explainer.metadata.concepts`` names them). ``inputs`` are the sample that was explained, in the model's own type,
    ``scores`` the first output as real numbers, calibrated where the model's metadata says how, and ``labels`` the
    names of its classes.
    """

    outputs: tuple[NDArray[Any], ...]
    target: int
    score: float
    relevance: Map
    concepts: Map | None = None
    more: tuple[Map, ...] = ()
    state: float = 0.0
    inputs: tuple[NDArray[Any], ...] = ()
    scores: Map | None = None
    labels: tuple[str, ...] = ()
    of: str = "predicted"
    """What was explained, as `attach` was told: ``"predicted"``, ``"error"``, an index …"""
    biases: float | None = None
    """What biases took, where the file tells (``attach(…, absorbed=True)``)."""

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.relevance.shape))
        return f"Explanation({self.name!r}, score {self.score:.4g}, relevance {shape})"

    @property
    def name(self) -> str:
        """What the class is called that is explained: its number where the model has no labels."""
        return self.called(self.target)

    def called(self, target: int) -> str:
        """The name of a class, or its number."""
        target = whole_number("target", target)
        return self.labels[target] if 0 <= target < len(self.labels) else str(target)

    def probability(self, target: int) -> float | None:
        """Of a class, if the model's first output is from 0 to 1; None if it is not."""
        p, target = self.scores, whole_number("target", target)
        known = p is not None and 0 <= target < len(p) and p.min() >= 0 and p.max() <= 1
        return float(p[target]) if p is not None and known else None

    def plot(self, label: int | None = None, kind: str = "auto") -> Any:
        """The heatmap over the input, and beside it, as a figure of matplotlib; ``label`` is the true class.

        ``kind`` is ``"image"``, ``"spectrogram"`` (times, bands), ``"series"``, or what the shape looks like.
        """
        one_of("kind", kind, ("auto", "image", "spectrogram", "series"))
        if label is not None:
            whole_number("label", label)
        try:
            from edgexai.runtime.picture import figure
        except ModuleNotFoundError as error:
            raise Error(f"a picture needs {error.name}; {how_to_install(error.name)}") from None
        return figure([self], [label], kind)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows; nothing without matplotlib."""
        try:
            from edgexai.runtime.picture import png

            return png(self.plot())
        except ModuleNotFoundError:
            return None

    @property
    def maps(self) -> tuple[Map, ...]:
        """The relevance of every input."""
        return (self.relevance, *self.more)

    @property
    def total(self) -> float:
        """All the relevance that arrived."""
        return float(sum(m.sum(dtype=np.float64) for m in self.maps)) + self.state

    @property
    def absorbed(self) -> float:
        """What the model's biases took, which no input has a part in.

        A file that does not count it (see `attach`) gives the score less all the relevance that arrived, what was
        `lost` included."""
        return self.score - self.total if self.biases is None else self.biases

    @property
    def lost(self) -> float | None:
        """What neither arrived nor went to biases: to stabilizers of the composite and other constants of the model.
        None where the file does not tell it from what biases took."""
        return None if self.biases is None else self.score - self.total - self.biases

    @property
    def conservation(self) -> float:
        """Σ relevance / score, 1 where nothing was absorbed; of a score of 0 it is 1 if nothing arrived, else 0."""
        if not self.score:
            return 0.0 if self.total else 1.0
        ratio = self.total / self.score
        return ratio if np.isfinite(ratio) else 0.0
