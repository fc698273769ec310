"""SavedModel (a directory) -> `.tflite`."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.tensorflow import tensorflow, to_tflite
from edgexai.errors import ModelError


def from_saved_model(
    path: str | Path, representative: NDArray[Any] | None = None, int8: bool = False, signature: str = "serving_default"
) -> bytes:
    """The bytes of a `.tflite` file that computes one signature of a SavedModel, one sample at a time.

    ``representative`` are float samples (N, …), needed for ``int8``. Raises ModelError if the directory holds
    no such model or signature, DataError if the samples do not fit.
    """
    if not Path(path).is_dir():
        raise FileNotFoundError(2, "No such directory", str(path))
    tf = tensorflow()
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is not a SavedModel: {str(error).strip().splitlines()[0]}") from error
    if signature not in loaded.signatures:
        known = ", ".join(loaded.signatures) or "none"
        raise ModelError(f"{path} has no signature {signature!r}; it has: {known}")
    serve = loaded.signatures[signature]
    given = serve.structured_input_signature[1]
    if len(given) != 1:
        raise ModelError(
            f"signature {signature!r} of {path} has {len(given)} inputs; only models with one are converted"
        )
    name, specification = next(iter(given.items()))
    shape: list[Any] = specification.shape.as_list()[1:] if specification.shape.rank is not None else [None]
    if any(n is None for n in shape):
        raise ModelError(f"signature {signature!r} of {path} takes the open shape {shape}; save it with a fixed one")

    def serve_one(x: Any) -> list[Any]:
        return list(serve(**{name: x}).values())

    return to_tflite(serve_one, loaded, shape, specification.dtype, int8, representative)
