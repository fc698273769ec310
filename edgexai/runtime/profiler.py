"""Collects a relevance profile on a node, with a file that `edgexai profile --node` made.

Inputs: the sample, and one weight an output. Outputs: the relevance of each map, the target, the values of these maps,
the logits. What is added up is the same as on a workstation, and the profile's file too.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import ModelError
from edgexai.profile.sums import ProfileSums
from edgexai.runtime.interpreter import Interpreter, Port
from edgexai.runtime.metadata import metadata


class Profiler:
    """A profile that grows by samples. Raises ModelError for a file that is no profiler."""

    def __init__(self, model: Path | bytes) -> None:
        content, path = (model, "the file") if isinstance(model, bytes) else (model.read_bytes(), str(model))
        raw = metadata(content, "edgexai_profiler")
        if raw is None:
            raise ModelError(f"{path} is no profiler; make one with `edgexai profile MODEL --node -o FILE`")
        try:
            about = json.loads(raw)
            self.model, self.composite = str(about["model"]), str(about["composite"])
            self.tensors = [int(t) for t in about["maps"]]
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise ModelError(f"{path} has damaged metadata; make it again with `edgexai profile --node`") from None
        self._run = Interpreter(content)
        maps = len(self.tensors)
        if len(self._run.inputs) != 2 or len(self._run.outputs) != 2 * maps + 2:
            raise ModelError(f"{path} lacks its outputs; make it again with `edgexai profile --node`")
        self._ports = self._run.outputs[maps + 1 : -1]
        self._classes = int(np.prod(self._run.outputs[-1].shape[1:]))
        self._channels = [port.shape[-1] for port in self._run.outputs[:maps]]
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._sums = ProfileSums(self._classes, self._channels)

    @property
    def samples(self) -> int:
        return int(self._sums.count.sum())

    def add(self, x: NDArray[Any]) -> None:
        """One sample; DataError if it does not fit."""
        maps = len(self.tensors)

        def run(target: int) -> tuple[NDArray[Any], ...]:
            return self._run.run(x, np.eye(1, self._classes, target, dtype=np.float32))

        first = run(0)
        values = [_real(port, v) for port, v in zip(self._ports, first[maps + 1 : -1], strict=True)]
        self._sums.add(first[-1].ravel(), values, lambda target: run(target)[:maps])

    def packed(self) -> bytes:
        """The profile as a file's bytes, which `edgexai profile --add` and `edgexai prune --profile` read."""
        return self._sums.packed(self.model, self.composite, self.tensors)


def _real(port: Port, values: NDArray[Any]) -> NDArray[Any]:
    return (values.astype(np.float64) - port.zero_point) * port.scale if port.scale else values
