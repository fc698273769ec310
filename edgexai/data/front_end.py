"""Sounds -> the spectrograms that keyword spotters take: log-mel and MFCC, as TensorFlow's ``tf.signal`` has them.

Hann windows, the power of two at or above the window as FFT length, magnitudes, 40 mel bands (or as many as the model
has columns) from 20 to 4,000 Hz on the HTK scale, log(m + 1e-6); MFCC: DCT-II of 40 bands by √(2/40), the first ones.
The fixed-point front end of TFLite Micro (noise reduction, PCAN) is another: give such models finished spectrograms.
"""

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import DataError

KINDS = ("log-mel", "mfcc")
BANDS = 40
LOW, HIGH = 20.0, 4000.0
FLOOR = 1e-6


def spectrogram(
    sound: NDArray[np.float32], shape: tuple[int, ...], kind: str, rate: int, window_ms: float, stride_ms: float
) -> NDArray[np.float32]:
    """In the model's shape (times, bands, …): cut, or as of a sound filled up with silence.

    Raises DataError for another kind, a shape without times and bands, or windows that are no windows.
    """
    kept = [n for n in shape if n > 1]
    if kind not in KINDS:
        raise DataError(f"there is no front end {kind!r}; choose one of {', '.join(KINDS)}")
    if len(kept) != 2:
        raise DataError(f"the model takes {shape}, no spectrogram (times, bands)")
    window, stride = round(rate * window_ms / 1000), round(rate * stride_ms / 1000)
    if window < 2 or stride < 1 or window > rate * 10:
        raise DataError(f"windows of {window_ms:g} ms every {stride_ms:g} ms make no spectrogram at {rate} Hz")
    times, columns = kept
    needed = window + stride * (times - 1)
    sound = np.pad(sound[:needed], (0, max(0, needed - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(sound, window)[::stride]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    length = 1 << (window - 1).bit_length()
    magnitudes = np.abs(np.fft.rfft(frames * hann, length))
    bands = BANDS if kind == "mfcc" else columns
    logs = np.log(magnitudes @ mel(bands, magnitudes.shape[1], rate) + FLOOR)
    if kind == "mfcc":
        n = np.arange(bands)
        dct = 2 * np.cos(np.pi / bands * (n[:, None] + 0.5) * n) * np.sqrt(0.5 / bands)
        logs = (logs @ dct)[:, :columns]
    return np.asarray(logs, np.float32).reshape(shape)


def mel(bands: int, bins: int, rate: int) -> NDArray[np.float64]:
    """Triangles (bins, bands), evenly spaced on the HTK mel scale; the bin of 0 Hz counts nowhere."""

    def scale(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))

    at = scale(np.linspace(0, rate / 2, bins))[:, None]
    edges = np.linspace(scale(LOW), scale(min(HIGH, rate / 2)), bands + 2)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0, np.minimum((at - left) / (middle - left), (right - at) / (right - middle)))
    weights[0] = 0
    return np.asarray(weights)
