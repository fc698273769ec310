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
    if int8 and any(_loops(layer.get_config()) for layer in model.layers):
        # A loop cannot be calibrated: TensorFlow's quantizer ends the process there
        model = _unrolled(tf, model)
    return to_tflite(lambda x: model(x, training=False), model, shape, given.dtype, int8, representative)


def _loops(config: Any) -> bool:
    """Whether the configuration of a layer holds a recurrent one that stays a loop."""
    if isinstance(config, dict):
        return config.get("unroll") is False or any(_loops(value) for value in config.values())
    return isinstance(config, list | tuple) and any(_loops(value) for value in config)


def _unrolled(tf: Any, model: Any) -> Any:
    """The same model with every recurrent layer unrolled."""

    def unroll(config: Any) -> Any:
        if isinstance(config, dict):
            return {k: True if k == "unroll" else unroll(v) for k, v in config.items()}
        return [unroll(v) for v in config] if isinstance(config, list) else config

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        return layer.__class__.from_config(unroll(config) if _loops(config) else config)

    copy = tf.keras.models.clone_model(model, clone_function=copied)
    copy.set_weights(model.get_weights())
    return copy


def _read(tf: Any, path: Path) -> Any:
    if not path.exists():
        raise FileNotFoundError(2, "No such file", str(path))
    if path.suffix == ".tflite":
        raise ModelError(f"{path} is a .tflite already; attach, prune and the others take it as it is")
    try:
        return tf.keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} cannot be read as a Keras model: {first}") from error
