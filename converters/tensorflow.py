"""TensorFlow, imported late and quietly, and the one call of its converter."""

import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError, ModelError

REPRESENTATIVE = 500
"""Samples that calibration looks at; more make it slower and the ranges hardly wider."""


def tensorflow() -> Any:
    """The module, without its start-up messages."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    tf = import_module("tensorflow")
    tf.get_logger().setLevel("ERROR")
    return tf


def to_tflite(
    function: Callable[[Any], Any],
    owner: Any,
    shape: Sequence[int],
    dtype: Any,
    int8: bool,
    representative: NDArray[Any] | None,
) -> bytes:
    """A TensorFlow function of one input as the bytes of a `.tflite` file that takes one sample of ``shape``.

    ``owner`` is what holds its variables. ``int8`` makes weights, maps, inputs and outputs integer;
    ``representative`` (N, …), in the units that the model is fed with, sets the ranges. Raises DataError if it
    is missing or does not fit, ModelError if TensorFlow cannot convert the model.
    """
    tf = tensorflow()
    samples = _representative(shape, representative) if int8 else None
    try:
        with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints about the converter's own future, not about the model
            # By way of an export archive: only there are the variables of Keras 3 frozen into constants.
            archive = tf.keras.export.ExportArchive()
            archive.track(owner)
            archive.add_endpoint("serve", function, input_signature=[tf.TensorSpec((1, *shape), dtype)])
            archive.write_out(directory, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(directory)
            if samples is not None:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = lambda: _one_by_one(samples)
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
                converter.inference_input_type = tf.int8
                converter.inference_output_type = tf.int8
            return bytes(converter.convert())
    except (ValueError, RuntimeError, tf.errors.OpError, _converter_error()) as error:
        raise ModelError(f"TensorFlow cannot convert the model: {_reason(error)}") from error


def _converter_error() -> type[Exception]:
    """What the converter raises for operators that TFLite lacks; it has no public name."""
    found: type[Exception] = import_module("tensorflow.lite.python.convert").ConverterError
    return found


def _reason(error: Exception) -> str:
    """One line of what the converter says: the operators that it lacks if that is it."""
    lacking = re.search(r"(?:TF Select|Custom) ops: (.+)", str(error))
    if lacking is not None:
        return f"TFLite has no operator for {lacking[1].strip()}; build the model without"
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first.strip()[:200]


def _representative(shape: Sequence[int], samples: NDArray[Any] | None) -> NDArray[np.float32]:
    if samples is None or len(samples) == 0:
        raise DataError("int8 needs representative samples to find the ranges of the maps; give some inputs (N, …)")
    if samples.shape[1:] != tuple(shape):
        raise DataError(
            f"the model takes samples of shape {tuple(shape)}, the representative ones have {samples.shape[1:]}"
        )
    if not np.all(np.isfinite(samples)):
        raise DataError("the representative samples hold values that are not finite; clean them")
    spread = np.linspace(0, len(samples) - 1, min(len(samples), REPRESENTATIVE)).astype(int)
    return np.asarray(samples[spread], np.float32)


def _one_by_one(samples: NDArray[np.float32]) -> Iterator[list[NDArray[np.float32]]]:
    for sample in samples:
        yield [sample[None]]
