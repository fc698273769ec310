"""The relevance profile: how much relevance each channel of each map gets, class by class, on unlabelled samples.

Two profiles of the same model add up, so that many nodes can collect one together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgexai.compress.channels import FROZEN, couple
from edgexai.compress.execute import quantized, real
from edgexai.compress.profile_file import pack, unpack
from edgexai.errors import DataError
from edgexai.graph import Graph, fingerprint, serialize
from edgexai.relevance import Composite, attach_inner

Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Channels:
    """Sums over samples for one map; each sample counts with its sum (relevance) or mean (values) over positions.

    ``relevance`` (classes, channels) is of |R|; ``net`` of |sum of R|, ``value`` of the activation and ``square`` of
    its square are (channels,).
    """

    relevance: Sums
    net: Sums
    value: Sums
    square: Sums

    def __add__(self, other: "Channels") -> "Channels":
        return Channels(
            self.relevance + other.relevance,
            self.net + other.net,
            self.value + other.value,
            self.square + other.square,
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
        if (self.model, self.composite) != (other.model, other.composite):
            raise DataError("the two profiles are of different models or composites; they cannot be added")
        both = {t: c + other.channels[t] for t, c in self.channels.items()}
        return replace(self, count=self.count + other.count, channels=both)

    @property
    def samples(self) -> int:
        return int(self.count.sum())

    def relevance(self, tensor: int) -> Sums:
        """Mean |R| a channel: the maximum over classes, so that no class is forgotten. Shape (channels,)."""
        seen = self.count > 0
        sums = self.channels[tensor].relevance[seen]
        return np.asarray((sums / self.count[seen, None]).max(axis=0))

    def mean(self, tensor: int) -> Sums:
        """Mean activation of each channel, shape (channels,)."""
        return np.asarray(self.channels[tensor].value / self.samples)

    def save(self, path: str | Path) -> None:
        """Write the profile; see `profile_file` for the bytes."""
        maps = {t: (c.relevance, np.stack([c.net, c.value, c.square])) for t, c in self.channels.items()}
        Path(path).write_bytes(pack(self.model, self.composite, self.count, maps))


def load_profile(path: str | Path) -> Profile:
    """Read a profile; DataError if the file is none or damaged, OSError if it cannot be opened."""
    model, composite, count, maps = unpack(Path(path).read_bytes(), str(path))
    return Profile(model, composite, count, {t: Channels(relevance, *rows) for t, (relevance, rows) in maps.items()})


def profile_relevance(
    graph: Graph,
    samples: NDArray[Any],
    composite: str | Composite = "epsilon",
    progress: Callable[[int, int], None] | None = None,
) -> Profile:
    """The relevance of every channel for the predicted class of each sample (N, …); no labels are needed.

    ``progress(done, all)`` is called after each sample. Raises DataError if the samples do not fit, and what
    `attach` raises for models that it does not cover.
    """
    x = quantized(graph, samples)
    tensors = profiled(graph)
    if not tensors:
        raise DataError("the model has no channel that could go; there is nothing to profile")
    inner = attach_inner(graph, tensors, composite)
    inner = replace(inner, outputs=(*inner.outputs, *tensors), signatures=())
    interpreter = Interpreter(model_content=serialize(inner), num_threads=1)
    interpreter.allocate_tensors()
    (source,) = (d["index"] for d in interpreter.get_input_details())
    ports = [d["index"] for d in interpreter.get_output_details()]
    classes = int(np.prod(graph.tensors[graph.outputs[0]].shape[1:]))
    count = np.zeros(classes, np.int64)
    relevance = {t: np.zeros((classes, graph.tensors[t].shape[-1])) for t in tensors}
    rows = {t: np.zeros((3, graph.tensors[t].shape[-1])) for t in tensors}
    for done, sample in enumerate(x, 1):
        interpreter.set_tensor(source, sample[None])
        interpreter.invoke()
        found = [interpreter.get_tensor(p) for p in ports]
        target = int(found[len(tensors)].ravel()[0])
        count[target] += 1
        for t, r, a in zip(tensors, found, found[len(tensors) + 1 :], strict=False):
            channels = r.shape[-1]
            r, value = r.reshape(-1, channels), real(graph, t, a).reshape(-1, channels)
            relevance[t][target] += np.abs(r).sum(0)
            rows[t] += (np.abs(r.sum(0)), value.mean(0), np.square(value).mean(0))
        if progress is not None:
            progress(done, len(x))
    name = composite if isinstance(composite, str) else composite.name
    return Profile(fingerprint(graph), name, count, {t: Channels(relevance[t], *rows[t]) for t in tensors})


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
