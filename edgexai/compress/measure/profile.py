"""The relevance profile: how much relevance each channel of each map gets, class by class, on unlabelled samples.

Two profiles of the same model add up, so that many nodes can collect one together.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import file_content, finite_number, function_or_none, told
from edgexai.compress.channels.coupling import couple
from edgexai.compress.channels.labels import FROZEN
from edgexai.compress.measure.execute import opened, quantized, real
from edgexai.errors import DataError
from edgexai.graph import Graph, Model, fingerprint, plain_of
from edgexai.graph.write import write
from edgexai.profile.file import OCTAVES, Map, pack, reach, unpack
from edgexai.profile.sums import ProfileSums
from edgexai.relevance import Composite, attach_inner, reached
from edgexai.relevance.composite_file import composite_of
from edgexai.relevance.targets.start import logits_of

METADATA = "edgexai_profiler"

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Channels:
    """Sums over samples for one map; each sample counts with its sum (relevance) or mean (values) over positions.

    ``relevance`` (classes, channels) is of |R|, ``signed`` of R; ``margin`` of the mean square over the three nearest
    rivals of (sum of R of the predicted class - sum of R of the rival), ``net`` of |sum of R|, ``square`` of the
    activation's square and ``value`` of the activation are (channels,). ``spread`` (octaves, channels) counts the
    samples by the channel's share of the map's |R|: above 1/2, above 1/4, and so on.
    """

    relevance: Sums
    signed: Sums
    margin: Sums
    net: Sums
    square: Sums
    value: Sums
    spread: Sums

    @classmethod
    def of(cls, found: Map) -> "Channels":
        """The sums as they are collected and kept."""
        relevance, signed, (margin, net, square, value), spread = found
        return cls(relevance, signed, margin, net, square, value, spread)

    def __add__(self, other: "Channels") -> "Channels":
        return Channels(
            self.relevance + other.relevance,
            self.signed + other.signed,
            self.margin + other.margin,
            self.net + other.net,
            self.square + other.square,
            self.value + other.value,
            self.spread + other.spread,
        )


@dataclass(frozen=True)
class Profile:
    """What a set of samples says about a model's channels: ``count`` samples a predicted class, and sums a map.

    ``model`` is the SHA-256 of the model's file, ``channels`` by the index of the map's tensor.
    """

    model: str
    composite: str
    count: NDArray[np.int64]
    channels: dict[int, Channels]

    def __add__(self, other: "Profile") -> "Profile":
        if not isinstance(other, Profile):
            raise DataError(f"profiles are added to profiles, not to {told(other)}; load_profile reads one")
        if (self.model, self.composite) != (other.model, other.composite):
            raise DataError("the two profiles are of different models or composites; they cannot be added")
        both = {t: c + other.channels[t] for t, c in self.channels.items()}
        return replace(self, count=self.count + other.count, channels=both)

    @property
    def samples(self) -> int:
        return int(self.count.sum())

    def _of(self, tensor: int) -> Channels:
        if not isinstance(tensor, int) or tensor not in self.channels:
            known = ", ".join(map(str, self.channels))
            raise DataError(f"the profile has no map {told(tensor)}; it has those of tensors {known}")
        return self.channels[tensor]

    def relevance(self, tensor: int) -> Sums:
        """Mean |R| a channel: the maximum over classes, so that no class is forgotten. Shape (channels,)."""
        seen = self.count > 0
        sums = self._of(tensor).relevance[seen]
        return np.asarray((sums / self.count[seen, None]).max(axis=0))

    def quantile(self, tensor: int, q: float) -> Sums:
        """The share of its map's |R| that a channel stays below on a share ``q`` of the samples, (channels,).

        To the next power of two, and not below 2⁻¹⁵. A file keeps the shares `QUANTILES` of the samples; others count
        as the next of them.
        """
        return np.asarray(
            2.0 ** (reach(self._of(tensor).spread, finite_number("q", q, 0, 1), self.samples) - OCTAVES + 1)
        )

    def margin(self, tensor: int) -> Sums:
        """Root mean square of what each channel adds to the predicted logit's lead over another, (channels,)."""
        return np.asarray(np.sqrt(self._of(tensor).margin / self.samples))

    def mean(self, tensor: int) -> Sums:
        """Mean activation of each channel, shape (channels,)."""
        return np.asarray(self._of(tensor).value / self.samples)

    def save(self, path: str | Path) -> None:
        """Write the profile; see `edgexai.profile.file` for the bytes."""
        maps = {
            t: (c.relevance, c.signed, np.stack([c.margin, c.net, c.square, c.value]), c.spread)
            for t, c in self.channels.items()
        }
        write(pack(self.model, self.composite, self.count, maps), path)


def load_profile(path: str | Path) -> Profile:
    """Read a profile; DataError if the file is none or damaged, FileError (an OSError too) if it cannot be opened."""
    model, composite, count, maps = unpack(file_content("the profile", path), str(path))
    return Profile(model, composite, count, {t: Channels.of(found) for t, found in maps.items()})


def profile_relevance(
    graph: Model,
    samples: NDArray[Any],
    composite: str | Composite = "epsilon",
    progress: Callable[[int, int], None] | None = None,
) -> Profile:
    """The relevance of every channel for the predicted class of each sample (N, …); no labels are needed.

    ``progress(done, all)`` is called after each sample. Raises DataError if the samples do not fit, and what
    `attach` raises for models that it does not cover.
    """
    graph, composite = plain_of(graph), composite_of(composite)
    function_or_none("progress", progress)
    x = quantized(graph, samples)
    tensors = reached(graph, profiled(graph), composite)
    if not tensors:
        raise DataError("the model has no channel that could go; there is nothing to profile")
    run = _Runner(graph, tensors, composite)
    sums = ProfileSums(run.classes, [graph.tensors[t].shape[-1] for t in tensors])
    for done, sample in enumerate(x, 1):
        logits, values, _ = run(sample, 0)
        real_values = [real(graph, t, v) for t, v in zip(tensors, values, strict=True)]
        sums.add(logits, real_values, partial(run.relevance, sample))
        if progress is not None:
            progress(done, len(x))
    name = composite.name
    channels = {t: Channels.of(found) for t, found in zip(tensors, sums.maps(), strict=True)}
    return Profile(fingerprint(graph), name, sums.count, channels)


def profiler(graph: Model, composite: str | Composite = "epsilon") -> Graph:
    """A graph with which a node collects the profile of ``graph``: inputs sample and one weight an output; outputs the
    relevance of each profiled map, ``target``, the values of these maps, and the logits.

    Raises what `profile_relevance` raises.
    """
    graph, composite = plain_of(graph), composite_of(composite)
    tensors = reached(graph, profiled(graph), composite)
    if not tensors:
        raise DataError("the model has no channel that could go; there is nothing to profile")
    logits = logits_of(graph, graph.outputs[0])
    inner = attach_inner(graph, tensors, composite, target="input")
    name = composite.name
    about = {"model": fingerprint(graph), "composite": name, "maps": tensors}
    return replace(
        inner,
        outputs=(*inner.outputs, *tensors, logits),
        signatures=(),
        metadata={**inner.metadata, METADATA: json.dumps(about).encode()},
    )


class _Runner:
    """The profiler of a graph on the runtime."""

    def __init__(self, graph: Graph, tensors: list[int], composite: Composite) -> None:
        inner = profiler(graph, composite)
        self.classes = int(np.prod(graph.tensors[inner.outputs[-1]].shape[1:]))
        self._maps = len(tensors)
        self._inner = opened(inner)
        self._source, self._weights = (d["index"] for d in self._inner.get_input_details())
        self._ports = [d["index"] for d in self._inner.get_output_details()]

    def __call__(self, sample: NDArray[Any], target: int) -> tuple[NDArray[Any], list[NDArray[Any]], list[Any]]:
        """Logits (classes,), values and relevance of each tensor, for one sample without batch axis."""
        self._inner.set_tensor(self._source, sample[None])
        self._inner.set_tensor(self._weights, np.eye(1, self.classes, target, dtype=np.float32))
        self._inner.invoke()
        found = [self._inner.get_tensor(p) for p in self._ports]
        return found[-1].ravel(), found[self._maps + 1 : -1], found[: self._maps]

    def relevance(self, sample: NDArray[Any], target: int) -> list[NDArray[Any]]:
        """Relevance of each tensor for a class."""
        return self(sample, target)[2]


def profiled(graph: Graph) -> list[int]:
    """The maps whose channels are free to go and that relevance reaches."""
    lines = couple(graph).lines
    reached = _explained(graph)
    return [
        t
        for t, line in lines.items()
        if t in reached and line.axis == len(graph.tensors[t].shape) - 1 and np.any(line.labels != FROZEN)
    ]


def _explained(graph: Graph) -> set[int]:
    """Tensors that lead to the first output."""
    reached = {graph.outputs[0]}
    for op in reversed(graph.ops):
        if any(t in reached for t in op.outputs):
            reached.update(op.inputs)
    return reached
