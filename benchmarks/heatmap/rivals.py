"""What else could carry a small heatmap: image and array codecs through their usual packages, headers counted.

A codec is a function (map, level) → (bytes, map): higher levels are better and longer. Image codecs get the map as
8-bit grey, cut at a percentile of |R| so that a few peaks do not take all grey values, the best cut for each map;
offset and scale, which they cannot carry, are given to them for nothing.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]
Codec = Callable[[Map, int], tuple[int, Map]]
TOP = 100
"""The highest level; the lowest is 0."""
CUTS = (100.0, 99.0)


def codecs() -> dict[str, list[Codec]]:
    """By name, each with its variants. Raises ImportError with the package that is missing."""
    import blosc2
    import pillow_jxl  # noqa: F401 - registers JPEG XL with pillow
    import zfpy

    def zfp(values: Map, level: int) -> tuple[int, Map]:
        peak = float(np.abs(values).max())
        data = zfpy.compress_numpy(values, tolerance=peak * 2.0 ** (2 - level / 8))
        return len(data), np.asarray(zfpy.decompress_numpy(data), np.float32)

    def blosc(values: Map, level: int) -> tuple[int, Map]:
        steps, unit = _stepped(values, level)
        data = blosc2.compress2(
            steps.tobytes(), typesize=1, codec=blosc2.Codec.ZSTD, clevel=9, filters=[blosc2.Filter.SHUFFLE], nthreads=1
        )
        return len(data), (steps * unit).astype(np.float32)

    found: dict[str, list[Codec]] = {"zfp": [zfp], "blosc2 zstd": [blosc]}
    for name, kind, options in (
        ("WebP", "WEBP", {"method": 6}),
        ("AVIF", "AVIF", {"speed": 6}),
        ("JPEG XL", "JXL", {"effort": 7}),
        ("JPEG", "JPEG", {"optimize": True}),
    ):
        found[name] = [_image(kind, cut, options) for cut in CUTS]
    found["PNG"] = [_png]
    return found


def fewest(
    codec: Codec, values: Map, targets: Sequence[float], cosine: Callable[[Map, Map], float]
) -> list[int | None]:
    """For each cosine to the true map the fewest bytes that had it when levels were halved; None if none has."""
    tried: dict[int, tuple[int, float]] = {}
    for target in targets:
        low, high = 0, TOP + 1
        while low < high:
            middle = (low + high) // 2
            if middle not in tried:
                size, found = codec(values, middle)
                tried[middle] = size, cosine(found, values)
            if tried[middle][1] >= target:
                high = middle
            else:
                low = middle + 1
    return [min((size for size, likeness in tried.values() if likeness >= t), default=None) for t in targets]


def within(variants: Sequence[Codec], values: Map, budget: int, cosine: Callable[[Map, Map], float]) -> Map | None:
    """The best map that a codec brings into so many bytes; None if its shortest is longer."""
    best: Map | None = None
    for codec in variants:
        low, high = 0, TOP + 1
        while low < high:
            middle = (low + high) // 2
            size, found = codec(values, middle)
            if 0 < size <= budget:
                low = middle + 1
                if best is None or cosine(found, values) > cosine(best, values):
                    best = found
            else:
                high = middle
    return best


def _image(kind: str, cut: float, options: dict[str, Any]) -> Codec:
    from PIL import Image

    def code(values: Map, level: int) -> tuple[int, Map]:
        peak = float(np.percentile(np.abs(values), cut)) or float(np.abs(values).max())
        low = max(float(values.min()), -peak)
        unit = (peak - low) / 255 or 1.0
        grey = np.rint((np.clip(values, low, peak) - low) / unit).astype(np.uint8)
        file = io.BytesIO()
        picture = Image.fromarray(grey if grey.ndim == 2 else grey.reshape(1, -1))
        try:
            picture.save(file, kind, quality=max(1, level), **options)
        except RuntimeError:  # JPEG XL's encoder refuses some small pictures at some qualities: as if none were like it
            return 0, np.zeros_like(values)
        with Image.open(io.BytesIO(file.getvalue())) as image:
            decoded = np.asarray(image.convert("L"), np.float32)
        return file.tell(), (decoded.reshape(values.shape) * unit + low).astype(np.float32)

    return code


def _png(values: Map, level: int) -> tuple[int, Map]:
    from PIL import Image

    steps, unit = _stepped(values, level)
    file = io.BytesIO()
    Image.fromarray((steps.astype(np.int16) + 128).astype(np.uint8)).save(file, "PNG", optimize=True)
    return file.tell(), (steps * unit).astype(np.float32)


def _stepped(values: Map, level: int) -> tuple[NDArray[np.int8], float]:
    """The map in 1 to 127 steps of each sign."""
    unit = float(np.abs(values).max()) / (1 + 126 * (level / TOP) ** 2)
    return np.clip(np.rint(values / unit), -127, 127).astype(np.int8), unit
