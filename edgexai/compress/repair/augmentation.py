"""Views: more inputs out of few, moved as far as the teacher still knows them and mixed two by two; no labels.

A student that sees the same few inputs over and over learns these alone. Its teacher answers anew for any input, so
that views need not keep the class, only look like inputs (Beyer et al. 2022). What does is asked of the teacher: a
mirrored image still is one, a mirrored word is not. Nor need the teacher be asked about the view that the student is
shown: the mean of its answers to several views can be the better teacher (Radosavovic et al. 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

KNOWN = 0.75
"""Share of the samples whose class must stay."""

PROBES = 256

BETTER = 0.01
"""By how much more of the classes of a further view the mean answer must foretell than the plain answer does."""

PROBED = 16
"""Views that tell."""

FAR = 0.3
"""Of the deviation of an input value over samples: how far at most it moves to where two models disagree more."""


@dataclass(frozen=True)
class Views:
    """How many places samples (N, axes …, channels) may be shifted along each axis, and where they may be mirrored."""

    shifts: tuple[int, ...]
    mirrored: tuple[bool, ...]

    @classmethod
    def known(cls, x: Samples, classes: Callable[[Samples], NDArray[np.int64]] | None) -> "Views":
        """The farthest shift of a quarter, an eighth, a sixteenth of each axis, and mirrors, that keep most classes.

        Without ``classes`` there are none.
        """
        x, axes = x[:PROBES], range(1, x.ndim - 1)
        if classes is None:
            return cls(tuple(0 for _ in axes), tuple(False for _ in axes))
        before = classes(x)

        def stays(*views: Samples) -> bool:
            return bool(np.mean([classes(view) == before for view in views]) >= KNOWN)

        shifts = []
        for axis in axes:
            size = x.shape[axis]
            fars = (far for far in (size // 4, size // 8, size // 16) if far)
            shifts.append(next((far for far in fars if stays(*(_shifted(x, axis, by) for by in (-far, far)))), 0))
        return cls(tuple(shifts), tuple(stays(np.flip(x, axis)) for axis in axes))

    def nearer(self) -> "Views":
        """Half as far: as long as the class stays for most, but for fewer than it could."""
        return Views(tuple(far // 2 for far in self.shifts), self.mirrored)

    def foretell(self, x: Samples, answers: Callable[[Samples], Samples]) -> bool:
        """Whether the mean answer to views of samples x (N, …) is better than the answer to the samples themselves.

        ``answers`` are probabilities (N, classes). Better is what foretells the classes of further views: on ResNet8
        the mean of eight does for 1.2 to 4 percent more of them, and is right more often, on the keyword spotter for
        0 to 0.5, and is not.
        """
        x, random = x[:PROBES], np.random.default_rng(0)
        found = [answers(self.of(x, np.arange(len(x)), random)) for _ in range(PROBED)]
        further = np.argmax(found[PROBED // 2 :], axis=2)
        mean, plain = np.sum(found[: PROBED // 2], axis=0).argmax(1), answers(x).argmax(1)
        return bool((further == mean).mean() - (further == plain).mean() >= BETTER)

    def of(self, x: Samples, rows: NDArray[np.int64], random: np.random.Generator) -> Samples:
        """Views of some rows of samples: what leaves one edge is gone, at the other the edge's values are repeated."""
        count, inner = len(rows), x.shape[1:-1]
        at = [rows.reshape(-1, *[1] * len(inner))]
        for axis, (size, far, mirrored) in enumerate(zip(inner, self.shifts, self.mirrored, strict=True)):
            places = np.arange(size) + random.integers(-far, far + 1, (count, 1))
            turned = (random.random((count, 1)) < 0.5) & mirrored
            places = np.where(turned, size - 1 - places, places).clip(0, size - 1)
            at.append(places.reshape(count, *[size if a == axis else 1 for a in range(len(inner))]))
        return x[tuple(at)]

    def mixtures(
        self, x: Samples, rows: NDArray[np.int64], others: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[Samples, Samples]:
        """Views of some rows of samples, each mixed with one of another row, and the `shares` of the first."""
        share = shares(len(rows), x.shape[1:], random)
        return share * self.of(x, rows, random) + (1 - share) * self.of(x, others, random), share


def strides(spread: Samples, count: int, random: np.random.Generator) -> Samples:
    """How far each of so many samples moves to where two models disagree more, (count, …): a share of `FAR` deviations,
    ``spread`` (…)."""
    return np.asarray(FAR * spread * random.random((count, *[1] * spread.ndim)), np.float32)


def _shifted(x: Samples, axis: int, by: int) -> Samples:
    size = x.shape[axis]
    return np.take(x, (np.arange(size) + by).clip(0, size - 1), axis)


def shares(count: int, shape: tuple[int, ...], random: np.random.Generator) -> Samples:
    """How much of the first of two samples of a shape (axes …, channels) is in their mixture (count, axes … or 1, 1).

    Half are weighted means (Zhang et al. 2018). In the others a box, which may run over the edges, comes from the
    second sample (Yun et al. 2019). Each has every share alike.
    """
    inner = shape[:-1]
    share = random.random((count, *[1] * len(shape)))
    if not inner:
        return share.astype(np.float32)
    inside = np.ones((count, *[1] * len(shape)), bool)
    for axis, size in enumerate(inner):
        places = np.arange(size).reshape([size if a == axis else 1 for a in range(len(shape))])
        start = random.random(share.shape) * size
        inside = inside & ((places - start) % size < size * (1 - share) ** (1 / len(inner)))
    return np.where(random.random(share.shape) < 0.5, share, ~inside).astype(np.float32)
