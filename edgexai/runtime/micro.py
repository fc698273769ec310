"""TFLite Micro on a workstation (the `tflite-micro` wheel): the kernels of a microcontroller, and their arena."""

import os
import re
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError, ModelError
from edgexai.runtime.interpreter import Port

LARGEST_ARENA = 1 << 30


class MicroInterpreter:
    """A model on TFLite Micro, with the same ``inputs``, ``outputs`` and ``run`` as `Interpreter`."""

    def __init__(self, model: str | Path | bytes) -> None:
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
        where = "the model" if isinstance(model, bytes) else str(model)
        try:
            runtime = import_module("tflite_micro.python.tflite_micro.runtime")
        except ModuleNotFoundError:
            raise ModelError("TFLite Micro is not installed; pip install tflite-micro brings it") from None
        try:
            # Maps are at most a few times as large as what is constant, or small altogether
            arena = min(LARGEST_ARENA, 16 * len(content) + (8 << 20))
            self._inner = runtime.Interpreter.from_bytes(content, arena_size=arena)
        except (RuntimeError, ValueError, TypeError, struct.error) as error:
            raise ModelError(f"TFLite Micro cannot run {where}: {error}") from error
        self.inputs = _ports(self._inner.get_input_details)
        self.outputs = _ports(self._inner.get_output_details)
        self._has_run = False

    def run(self, *xs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Outputs for one sample an input; see `Port.quantized` for what is taken."""
        if len(xs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs, not {len(xs)}")
        for port, x in zip(self.inputs, xs, strict=True):
            self._inner.set_input(np.ascontiguousarray(port.quantized(x)), port.index)
        self._inner.invoke()
        self._has_run = True
        return tuple(np.array(self._inner.get_output(port.index)) for port in self.outputs)

    @property
    def arena(self) -> int:
        """Bytes of RAM that TFLite Micro plans for the model: maps, and its own tables of tensors and operators."""
        if not self._has_run:
            self.run(*(np.zeros(port.shape, port.dtype) for port in self.inputs))
        with _standard_error() as file:
            self._inner.print_allocations()
            file.seek(0)
            said = file.read().decode(errors="replace")
        found = re.search(r"Arena allocation total (\d+) bytes", said)
        if found is None:
            raise ModelError("this version of TFLite Micro does not say how much memory it took")
        return int(found[1])


def _ports(details: Any) -> tuple[Port, ...]:
    ports: list[Port] = []
    with _standard_error():  # the first number that is too high is also printed
        while True:
            try:
                found = details(len(ports))
            except (IndexError, ValueError, RuntimeError):
                return tuple(ports)
            quantization = found["quantization_parameters"]
            scales, zeros = list(quantization["scales"]), list(quantization["zero_points"])
            shape = tuple(int(n) for n in found["shape"])
            scale, zero = (float(scales[0]), int(zeros[0])) if scales else (0.0, 0)
            ports.append(Port(str(len(ports)), len(ports), shape, np.dtype(found["dtype"]), scale, zero))


@contextmanager
def _standard_error() -> Iterator[IO[bytes]]:
    """A file that takes what is printed on the process's standard error, where C++ writes past Python."""
    with tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield file
        finally:
            os.dup2(kept, 2)
            os.close(kept)
