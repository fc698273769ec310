"""The fewest bytes that are good enough: which prefix of which stream, by the likeness of its map."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.checks import finite_number
from edgexai.errors import FrameError
from edgexai.heatmap import relevance as maps
from edgexai.heatmap import stream
from edgexai.heatmap.basis import Basis

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Goal:
    """``quality`` is the cosine to the map, ``kept`` the share of |R| that is right; None asks for nothing."""

    quality: float | None = None
    kept: float | None = None

    def __post_init__(self) -> None:
        for name, share in (("quality", self.quality), ("kept", self.kept)):
            if share is not None:
                finite_number(name, share, 0, 1, FrameError)

    def reached(self, found: Map, true: Map) -> bool:
        """Whether a map is good enough."""
        return (self.quality is None or cosine(found, true) >= self.quality) and (
            self.kept is None or share(found, true) >= self.kept
        )

    def __bool__(self) -> bool:
        return self.quality is not None or self.kept is not None


def shortest(
    rest: Map, companded: bool, basis: Basis | None, good: Callable[[Map], bool]
) -> tuple[bytes, maps.Coefficients]:
    """The shortest prefix whose map is good enough, over four phases; the whole stream if none is."""
    best: tuple[bytes, maps.Coefficients] | None = None
    for phase in range(4):
        found = maps.coefficients(rest, phase, companded, basis)
        assert found is not None
        coder = found

        def enough(content: bytes, coder: maps.Coefficients = coder) -> bool:
            said = stream.decode(content, rest.shape, basis)
            return good(maps.synthesis(coder.exponent, said, companded, basis))

        if best is None:
            room = 32
            while len(content := found.stream(room)) >= room and not enough(content):
                room *= 2
            best = content, found
            if not enough(content):
                continue
        else:
            content = found.stream(len(best[0]))
            if not enough(content[:-1]):
                continue
            content = content[:-1]
        low, high, step = 0, len(content), 1
        while high - step > low:  # later phases end near the first: look there before halving what is left
            if enough(content[: high - step]):
                high, step = high - step, 2 * step
            else:
                low = high - step + 1
                break
        while low < high:
            middle = (low + high) // 2
            if enough(content[:middle]):
                high = middle
            else:
                low = middle + 1
        best = content[:low], found
    assert best is not None
    return best


def cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Between two maps; 0 if one is blank."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    length = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float((x * y).sum()) / length if length else 0.0


def share(found: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Share of |R| that is right: 1 - Σ|R - R'| / Σ|R|."""
    total = float(np.abs(true).sum(dtype=np.float64))
    return 1.0 - float(np.abs(np.asarray(true, np.float64) - found).sum()) / total if total else 1.0
