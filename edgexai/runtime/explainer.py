"""Explainer: runs an explainer file on a node; numpy and a TFLite runtime, nothing else."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError, ModelError
from edgexai.runtime.interpreter import Interpreter
from edgexai.runtime.metadata import metadata
from edgexai.runtime.micro import MicroInterpreter

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Concepts:
    """A part of an explainer's ``concepts``: one statistic of an inner map, a number a channel from ``start`` on.

    ``statistic`` is ``"sum"`` of relevance over a channel's places, ``"positive"``, the sum of its positive part, or
    ``"maximum"``, its largest value at one place.
    """

    map: str
    statistic: str
    start: int
    channels: int

    def of(self, concepts: Map) -> Map:
        """This part of a vector, or of many (…, N)."""
        return concepts[..., self.start : self.start + self.channels]


@dataclass(frozen=True)
class About:
    """What an explainer file says of itself; ``source`` is the SHA-256 (hex) of the model that it explains."""

    composite: str
    target: str | int
    grid: tuple[int, int] | None
    channels: str
    source: str
    version: str
    concepts: tuple[Concepts, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """A prediction and why.

    ``outputs`` are the model's own, bit for bit; ``relevance`` is float32 in the input's shape without batch (and
    without channels if the file sums them); ``score`` is the logit of ``target``, which the relevance adds up to;
    ``concepts`` float32 (N,) says which channels of inner maps took part (``Explainer.metadata.concepts`` names them).
    """

    outputs: tuple[NDArray[Any], ...]
    target: int
    score: float
    relevance: Map
    concepts: Map | None = None

    @property
    def conservation(self) -> float:
        """Σ relevance / score; 1 where nothing was lost to biases and stabilizers, nan for a score of 0."""
        return float(self.relevance.sum(dtype=np.float64) / self.score) if self.score else float("nan")


class Explainer:
    """Loads a file that `edgexai.attach` made and explains one sample a call.

    ``runtime`` is the installed TFLite runtime, or ``"micro"`` for TFLite Micro, which takes one thread.
    Raises ModelError for any other file, DataError for a sample that does not fit.
    """

    def __init__(
        self, model: str | Path | bytes, threads: int = 1, runtime: Literal["tflite", "micro"] = "tflite"
    ) -> None:
        if not isinstance(model, str | PathLike | bytes):
            raise DataError(f"Explainer takes the path or the bytes of an explainer file, not {type(model).__name__}")
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
        self.metadata = _about(content, "the model" if isinstance(model, bytes) else str(model))
        self._interpreter = Interpreter(content, threads) if runtime == "tflite" else MicroInterpreter(content)
        if len(self._interpreter.outputs) < 4:
            raise ModelError("the explainer file lacks its outputs; attach the relevance pass again")
        self.input = self._interpreter.inputs[0]
        self.outputs = self._interpreter.outputs
        self._predict: Callable[[NDArray[Any]], tuple[NDArray[Any], ...]] | None = None

    def predict(self, x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """The model's outputs alone, in the time of the model; for files of `edgexai attach --signatures` on LiteRT."""
        if self._predict is None:
            if isinstance(self._interpreter, MicroInterpreter):
                raise ModelError("TFLite Micro runs no signatures; load the model beside the explainer")
            self._predict = self._interpreter.signature("predict")
        return self._predict(x)

    @property
    def arena(self) -> int | None:
        """Bytes of RAM that TFLite Micro plans for the file; None on the other runtimes."""
        return self._interpreter.arena if isinstance(self._interpreter, MicroInterpreter) else None

    @property
    def takes_weights(self) -> bool:
        """Whether the file was attached with ``target="input"`` and wants a weight for each output."""
        return self.metadata.target == "input"

    def __call__(self, x: NDArray[Any], weights: NDArray[Any] | None = None) -> Explanation:
        """Explain one sample, with or without batch axis: its own type as it is, floats by the input's scale.

        ``weights``, one an output in any shape, says for ``target="input"`` what is explained: 1 for a class speaks
        for it, 1 and -1 for the difference of two, 1 over a region of an output a pixel for that region.
        """
        if self.takes_weights != (weights is not None):
            wants = "takes one weight an output" if self.takes_weights else "takes no weights"
            raise DataError(f"the explainer file was attached for target {self.metadata.target!r} and {wants}")
        extra = () if weights is None else (np.asarray(weights, np.float32).reshape(-1),)
        found = list(self._interpreter.run(x, *extra))
        concepts = None
        if self.metadata.concepts:
            concepts = found.pop()[0]
        *outputs, relevance, target, score = found
        return Explanation(tuple(outputs), int(target[0]), float(score[0]), relevance[0], concepts)

    def batch(self, samples: NDArray[Any], weights: NDArray[Any] | None = None) -> list[Explanation]:
        """Explain samples (N, …) one after another: files for nodes take one at a time. ``weights`` are for each."""
        return [self(x, weights) for x in samples]


def _about(model: bytes, where: str) -> About:
    raw = metadata(model, "edgexai")
    if raw is None:
        raise ModelError(f"{where} explains nothing: it has no relevance pass; run `edgexai attach` on it first")
    try:
        said = json.loads(raw)
        grid = said["grid"]
        return About(
            composite=str(said["composite"]),
            target=said["target"],
            grid=None if grid is None else (int(grid[0]), int(grid[1])),
            channels=str(said["channels"]),
            source=str(said["source"]),
            version=str(said["version"]),
            concepts=_concepts(said.get("concepts", [])),
        )
    except (ValueError, KeyError, TypeError, IndexError):
        raise ModelError(f"{where} has damaged metadata; attach the relevance pass again") from None


def _concepts(said: list[dict[str, Any]]) -> tuple[Concepts, ...]:
    parts: list[Concepts] = []
    for part in said:
        start = parts[-1].start + parts[-1].channels if parts else 0
        parts.append(Concepts(str(part["map"]), str(part["statistic"]), start, int(part["channels"])))
    return tuple(parts)
