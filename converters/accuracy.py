"""How often a `.tflite` model is right, and what integers cost it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.device.interpreter import Interpreter
from edgexai.errors import DataError


@dataclass(frozen=True)
class Accuracy:
    """Share of right answers of the float and of the int8 file, and how often the two agree; all 0 … 1."""

    float_: float
    int8: float
    agreement: float
    samples: int


def predictions(model: bytes | str | Path, x: NDArray[Any]) -> NDArray[np.int64]:
    """The index of the largest value of the first output, for each sample."""
    interpreter = Interpreter(model)
    return np.array([int(np.argmax(interpreter.run(sample[None])[0])) for sample in x], np.int64)


def accuracy(model: bytes | str | Path, x: NDArray[Any], y: NDArray[Any]) -> float:
    """Share of samples whose prediction is the label, 0 … 1; DataError if there are no samples."""
    if len(x) == 0 or len(x) != len(y):
        raise DataError(f"{len(x)} samples with {len(y)} labels give no accuracy; give one label a sample")
    return float(np.mean(predictions(model, x) == y))


def compare(
    float_model: bytes | str | Path, int8_model: bytes | str | Path, x: NDArray[Any], y: NDArray[Any]
) -> Accuracy:
    """Accuracy of a model before and after it was made integer, on the same samples."""
    if len(x) == 0 or len(x) != len(y):
        raise DataError(f"{len(x)} samples with {len(y)} labels give no accuracy; give one label a sample")
    real, integer = predictions(float_model, x), predictions(int8_model, x)
    return Accuracy(float(np.mean(real == y)), float(np.mean(integer == y)), float(np.mean(real == integer)), len(x))
