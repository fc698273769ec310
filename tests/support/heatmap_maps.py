"""Maps as relevance looks, and the fields of a frame, for the tests of frames."""

from typing import Any

import numpy as np


def smooth(shape: tuple[int, ...], seed: int = 3) -> np.ndarray:
    """A map as relevance looks: a few blobs of both signs."""
    random = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    total = np.zeros(shape)
    for _ in range(4):
        centre = random.uniform(-0.8, 0.8, len(shape))
        distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        total += random.normal() * np.exp(-distance / 0.1)
    return total.astype(np.float32)


FIELDS: dict[str, Any] = {
    "model": b"\x01\x02\x03\x04\x05\x06\x07\x08",
    "sequence": 70_000,
    "time": 1_790_000_000.123,
    "target": -5,
    "score": 12.3456,
    "conservation": 0.875,
}
