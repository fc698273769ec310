"""precision="auto": which arithmetic of the backward pass a runtime runs fastest, measured where it can be.

"auto", "auto(litert)"     float32 and int8 are timed with the LiteRT that is installed, on this processor
"auto(tflite-runtime)"     float32: its kernels of mixed types are slower than floats
"auto(micro)"              float32: TFLite Micro refuses such operators

Both of the latter get a matrix for each way, also of large models. Multiplying by a stored matrix from the other side
(BATCH_MATMUL) takes tflite-runtime longer, and TFLite Micro turns the matrix around in its arena first: of a layer of
256x256 floats 274,528 bytes of RAM instead of 9,376, in the same time (`Explainer(…, runtime="micro").arena`).
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as runtime
from numpy.typing import NDArray

from edgexai.errors import ConfigError
from edgexai.graph import Graph, serialize
from edgexai.quiet import ungreeted

GRAMMAR = re.compile(r"auto(?:\((litert|tflite-runtime|micro)\))?")
ROUNDS, SECONDS = 40, 3.0
AGREES = 0.98
"""Integers are no choice where their map of noise correlates less than this with that of floats."""
GAINS = 0.97
"""Nor where they take more than this of the time of floats."""


@dataclass(frozen=True)
class Measured:
    """One precision: its file, the time to explain over that to predict, and its map against that of floats."""

    precision: str
    bytes: int
    time: float | None
    correlation: float | None


def asked(precision: str) -> bool:
    return precision.startswith("auto")


def shares(precision: str) -> bool:
    """Whether the runtime multiplies by a shared matrix from both sides nearly as cheaply as by two."""
    match = GRAMMAR.fullmatch(precision)
    return match is None or match[1] not in ("tflite-runtime", "micro")


def fastest(source: Graph, precision: str, make: Callable[[str], Graph]) -> tuple[Graph, tuple[Measured, ...]]:
    """The explainer that the runtime runs fastest, and what was measured; ConfigError for an unknown runtime."""
    match = GRAMMAR.fullmatch(precision)
    if match is None:
        raise ConfigError(f"precision {precision!r} is not known; use auto, auto(tflite-runtime) or auto(micro)")
    plain = make("float32")
    if match[1] in ("tflite-runtime", "micro"):
        return plain, (Measured("float32", len(serialize(plain)), None, None),)
    integer = make("int8")
    files = [serialize(graph) for graph in (source, plain, integer)]
    if files[1] == files[2]:
        return plain, (Measured("float32", len(files[1]), None, None),)
    predict, *explain = (_Running(content) for content in files)
    least = _race([predict, *explain])
    maps = [one.map for one in explain]
    agreement = _correlation(*maps)
    table = tuple(
        Measured(name, len(content), seconds / least[0], correlation)
        for name, content, seconds, correlation in zip(
            ("float32", "int8"), files[1:], least[1:], (1.0, agreement), strict=True
        )
    )
    pays = least[2] <= GAINS * least[1] and agreement >= AGREES
    return (integer if pays else plain), table


class _Running:
    """A loaded model with noise at its inputs."""

    def __init__(self, content: bytes) -> None:
        with ungreeted():
            self._inner = runtime.Interpreter(model_content=content, num_threads=1)
            self._inner.allocate_tensors()
        random = np.random.default_rng(0)
        for port in self._inner.get_input_details():
            self._inner.set_tensor(port["index"], _noise(random, tuple(port["shape"]), np.dtype(port["dtype"])))
        self._inner.invoke()

    def seconds(self) -> float:
        start = time.perf_counter()
        self._inner.invoke()
        return time.perf_counter() - start

    @property
    def map(self) -> NDArray[np.float32]:
        named = {port["name"]: port["index"] for port in self._inner.get_output_details()}
        return np.asarray(self._inner.get_tensor(named["relevance"]), np.float32).reshape(-1)


def _noise(random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return random.random(shape).astype(dtype)
    if dtype.itemsize <= 2 and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max + 1, shape).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)


def _race(models: list[_Running]) -> list[float]:
    """The least time of each, measured in turn."""
    least = [np.inf] * len(models)
    end = time.perf_counter() + SECONDS
    for round_ in range(ROUNDS):
        if round_ >= 3 and time.perf_counter() > end:
            break
        least = [min(best, model.seconds()) for best, model in zip(least, models, strict=True)]
    return least


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    if a.size < 2 or not np.ptp(a) or not np.ptp(b):
        return 1.0 if np.allclose(a, b) else 0.0
    return float(np.corrcoef(a, b)[0, 1])
