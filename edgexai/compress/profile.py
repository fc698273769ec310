"""The relevance profile: how much relevance each channel of each map gets, class by class, on unlabelled samples.

Two profiles of the same model add up, so that many nodes can collect one together.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from edgexai.compress.channels import FROZEN, couple
from edgexai.compress.execute import quantized, real
from edgexai.errors import DataError
from edgexai.graph import Graph, fingerprint, serialize
from edgexai.relevance import Composite, attach_inner

FORMAT = 1
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Channels:
    """Sums over samples for one map: (classes, channels), each sample's map summed (relevance) or averaged (value).

    ``relevance`` sums |R|, ``net`` the |sum of R|, ``value`` the activation and ``square`` its square.
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
        return np.asarray(self.channels[tensor].value.sum(axis=0) / self.samples)

    def save(self, path: str | Path) -> None:
        """Write the profile as one `.npz` of plain arrays."""
        arrays: dict[str, Any] = {"format": np.int64(FORMAT), "count": self.count}
        arrays["model"] = np.array(self.model)
        arrays["composite"] = np.array(self.composite)
        for t, c in self.channels.items():
            for name, sums in vars(c).items():
                arrays[f"{t}/{name}"] = sums.astype(np.float32)
        with open(path, "wb") as file:  # given a name, numpy would append .npz to it
            np.savez_compressed(file, **arrays)


def load_profile(path: str | Path) -> Profile:
    """Read a profile; DataError if the file is none, OSError if it cannot be opened."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if int(arrays["format"]) != FORMAT:
            raise DataError(f"{path} is a profile of format {int(arrays['format'])}; this edgexai reads {FORMAT}")
        count = np.asarray(arrays["count"], np.int64)
        tensors = sorted({int(name.split("/")[0]) for name in arrays if "/" in name})
        channels = {
            t: Channels(*(np.asarray(arrays[f"{t}/{name}"], np.float64) for name in Channels.__dataclass_fields__))
            for t in tensors
        }
        profile = Profile(str(arrays["model"]), str(arrays["composite"]), count, channels)
    except (ValueError, KeyError, TypeError, EOFError, AttributeError, OverflowError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a relevance profile; make one with edgexai profile") from error
    for t, c in profile.channels.items():
        if count.ndim != 1 or any(s.ndim != 2 or s.shape != (len(count), c.value.shape[1]) for s in vars(c).values()):
            raise DataError(f"{path} is broken: the sums of tensor {t} have the wrong shape; make it again")
    return profile


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
    sums = {t: np.zeros((4, classes, graph.tensors[t].shape[-1])) for t in tensors}
    for done, sample in enumerate(x, 1):
        interpreter.set_tensor(source, sample[None])
        interpreter.invoke()
        found = [interpreter.get_tensor(p) for p in ports]
        target = int(found[len(tensors)].ravel()[0])
        count[target] += 1
        for t, r, a in zip(tensors, found, found[len(tensors) + 1 :], strict=False):
            channels = r.shape[-1]
            r, value = r.reshape(-1, channels), real(graph, t, a).reshape(-1, channels)
            sums[t][:, target] += (np.abs(r).sum(0), np.abs(r.sum(0)), value.mean(0), np.square(value).mean(0))
        if progress is not None:
            progress(done, len(x))
    name = composite if isinstance(composite, str) else composite.name
    return Profile(fingerprint(graph), name, count, {t: Channels(*s) for t, s in sums.items()})


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
