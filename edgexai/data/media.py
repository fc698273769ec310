"""Image and sound files -> arrays. Images need pillow; sounds are PCM WAV, which the standard library reads."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
SOUNDS = (".wav",)
MOST_PIXELS = 50_000_000
MOST_SECONDS = 600


def image(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Pixels 0…255 in the model's shape (rows, columns, channels): one channel is grey, three are red, green, blue.

    Resized bilinearly. Raises DataError for what is no image, or too large, or no shape of an image.
    """
    from PIL import Image, UnidentifiedImageError

    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(f"{path} is an image, but the model takes {shape}, not (rows, columns, 1 or 3 channels)")
    try:
        with Image.open(path) as file:
            if file.width * file.height > MOST_PIXELS:
                raise DataError(f"{path} has {file.width}×{file.height} pixels; at most {MOST_PIXELS:,} are read")
            turned = file.convert("L" if shape[2] == 1 else "RGB")
            if turned.size != (shape[1], shape[0]):
                turned = turned.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
            return np.asarray(turned, np.uint8).reshape(shape)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        if isinstance(error, OSError) and error.filename is not None and not path.is_file():
            raise
        raise DataError(f"{path} is no readable image; take it out, or convert it to PNG") from None


def sound(path: Path, shape: tuple[int, ...] | None, rate: int | None) -> NDArray[np.float32]:
    """Samples -1…1 of the first channel, in the model's shape: cut, or filled up with silence; all for shape None.

    Raises DataError for what is no PCM WAV, or of another rate than the model's.
    """
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, hz, count = (
                file.getsampwidth(),
                file.getnchannels(),
                file.getframerate(),
                file.getnframes(),
            )
            if width not in (1, 2, 3, 4):
                raise DataError(f"{path} has samples of {width} bytes; WAV of 1 to 4 are read")
            if count > hz * MOST_SECONDS:
                raise DataError(f"{path} lasts more than {MOST_SECONDS} s; cut it into samples")
            raw = file.readframes(count)
    except (wave.Error, EOFError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} is no readable WAV of PCM samples ({error}); convert it") from None
    if rate is not None and hz != rate:
        raise DataError(f"{path} has {hz} samples a second, the model takes {rate}; resample it")
    raw = raw[: len(raw) // (width * channels) * (width * channels)]
    if width == 3:
        whole = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        values = np.pad(whole, ((0, 0), (1, 0))).reshape(-1).view("<i4") / 2.0**31
    else:
        values = np.frombuffer(raw, {1: "u1", 2: "<i2", 4: "<i4"}[width]) / 2.0 ** (8 * width - 1) - (width == 1)
    first = values.reshape(-1, channels)[:, 0].astype(np.float32)
    if shape is None:
        return first
    wanted = int(np.prod(shape))
    if wanted not in shape and max(shape) != wanted:
        raise DataError(
            f"{path} is a sound, but the model takes {shape}: a spectrogram; say which with --front-end log-mel or mfcc"
        )
    return np.pad(first[:wanted], (0, max(0, wanted - len(first)))).reshape(shape)
