"""Generated sources that explain, as a shared library, beside the explainer file on the same integer kernels."""

import ctypes
import subprocess
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from native import SANITIZED, SEVERAL, STRICT, kernels
from numpy.typing import NDArray
from shared import SHARED

import edgexai
from converters.c99 import Explaining, Firmware, write
from edgexai.graph import Graph, load, serialize
from edgexai.runtime.explanation import Explanation


class Both:
    """A model's C and its explainer."""

    def __init__(self, model: Graph | Path, asked: Explaining, folder: Path, name: str = "model") -> None:
        graph = model if isinstance(model, Graph) else load(model)
        attached = edgexai.attach(graph, asked.composite, asked.target, asked.grid)
        self.explainer = edgexai.Explainer(serialize(attached), runtime="micro")
        self.firmware: Firmware = write(graph, folder, name, explains=asked)
        library = folder / "model.so"
        options = ["-O1", "-shared", "-fPIC", *STRICT, SEVERAL, *SANITIZED]
        options += [f"-I{folder}", f"-I{folder / 'src'}", str(folder / f"{name}.c")]
        objects = kernels("gcc", SANITIZED)
        subprocess.run(["gcc", *options, *objects, "-o", str(library)], check=True)
        self._call = getattr(ctypes.CDLL(str(library)), f"{name}_explain")

    def of(self, library: Path) -> "Both":
        """The same with a library that was built otherwise."""
        other = copy(self)
        other._call = getattr(ctypes.CDLL(str(library)), f"{self.firmware.name}_explain")
        return other

    def __call__(self, x: NDArray) -> "Pair":
        x = np.ascontiguousarray(x.reshape(self.explainer.input.shape))
        return self.answer(x, self.explainer(x))

    def answer(self, x: NDArray, theirs: Explanation) -> "Pair":
        """Ours, beside what is given as theirs."""
        arena = np.full((self.firmware.explain_arena or 0) // 8 + 16, 0x5A5A5A5A5A5A5A5A, np.int64)
        y, relevance = np.empty_like(theirs.outputs[0]), np.empty(theirs.relevance.shape, np.float32)
        target, score = np.empty(1, np.int32), np.empty(1, np.float32)
        self._call(*(ctypes.c_void_p(a.ctypes.data) for a in (arena, x, y, relevance, target, score)))
        assert np.all(arena[-15:] == 0x5A5A5A5A5A5A5A5A), "the arena is too small"
        return Pair(theirs, y, relevance.astype(float), int(target[0]), float(score[0]))


@dataclass(frozen=True)
class Pair:
    """One input's explanation, theirs and ours."""

    theirs: Explanation
    y: NDArray[np.int8]
    relevance: NDArray[np.float64]
    target: int
    score: float

    @property
    def correlation(self) -> float:
        return float(np.corrcoef(self.relevance.ravel(), self.theirs.relevance.ravel())[0, 1])

    @property
    def size(self) -> float:
        """Ours over theirs, by least squares."""
        a, b = self.relevance.ravel(), self.theirs.relevance.astype(float).ravel()
        return float(a @ b / (b @ b))


def samples(model: str, count: int) -> NDArray[np.int8]:
    """Inputs of a reference model."""
    if model == "kws":
        return np.load(SHARED / "data" / "kws01.npz")["x"][:: 700 // count][:count].astype(np.int8)
    if model == "ic":
        return (np.load(SHARED / "data" / "cifar10_test.npz")["x"][:count].astype(np.int16) - 128).astype(np.int8)
    return np.random.default_rng(0).normal(0, 30, (count, 640)).clip(-128, 127).astype(np.int8)
