"""Keras model (a file, or in memory) -> `.tflite`."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.tensorflow import tensorflow, to_tflite
from edgexai.errors import ModelError


def from_keras(model: Any, representative: NDArray[Any] | None = None, int8: bool = False) -> bytes:
    """The bytes of a `.tflite` file that computes what the Keras model computes, one sample at a time.

    ``model`` is a Keras model or the path of a `.keras` or `.h5` file; ``representative`` float samples (N, …),
    needed for ``int8``. Raises ModelError if the model cannot be read or converted, DataError if the samples
    do not fit.
    """
    tf = tensorflow()
    if isinstance(model, str | Path):
        model = _read(tf, Path(model))
    if len(model.inputs) != 1:
        raise ModelError(f"the Keras model has {len(model.inputs)} inputs; only models with one are converted")
    given = model.inputs[0]
    shape = tuple(given.shape)[1:]
    if any(n is None for n in shape):
        raise ModelError(f"the Keras model takes inputs of the open shape {shape}; give its Input a fixed shape")
    return to_tflite(lambda x: model(x, training=False), model, shape, given.dtype, int8, representative)


def _read(tf: Any, path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "No such file", str(path))
    try:
        return tf.keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} cannot be read as a Keras model: {first}") from error
