"""Which transform? Each in the frame's tree and contexts, with first probabilities learned in the same way for all.

What is counted is the ideal code length of the shortest prefix that reaches a cosine, without any header. The maps are
halved: what is measured on one half begins with the probabilities of the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.basis import Basis
from benchmarks.heatmap.case import Case
from benchmarks.heatmap.decisions import Decisions, learned, played, price, recorded
from benchmarks.heatmap.linear import FIVE_THREE, HAAR, NINE_SEVEN, cosines, cosines_back, lifted, lifted_back
from benchmarks.heatmap.rate import TARGETS
from edgexai.heatmap import relevance
from edgexai.heatmap.search import cosine
from edgexai.heatmap.stream import PLANES

Map = NDArray[Any]
Row = dict[str, Any]

COMPONENTS = (16, 64, 500)
"""Of learned bases."""


class Transform(Protocol):
    """A map (rows, columns) to coefficients, coarse ones first along each axis, and back."""

    def forward(self, values: Map) -> Map: ...
    def inverse(self, coefficients: Map) -> Map: ...


@dataclass(frozen=True)
class Pair:
    """A transform of two functions."""

    forward: Any
    inverse: Any


@dataclass(frozen=True)
class Coded:
    """A map's decisions, the map itself, and what map some of the decisions give (``back``)."""

    decisions: Decisions
    true: Map
    back: Any

    def needed(self, target: float) -> int | None:
        """The fewest decisions whose map has this cosine to the true one; None if all have not."""
        low, high = 0, len(self.decisions.bits)
        if cosine(self.back(self.decisions, high), self.true) < target:
            return None
        while low < high:
            middle = (low + high) // 2
            if cosine(self.back(self.decisions, middle), self.true) >= target:
                high = middle
            else:
                low = middle + 1
        return high


def transforms(case: Case, teacher: Case | None = None) -> Iterable[Row]:
    """Median bytes of every transform at each cosine; a ``teacher`` is another network to learn a basis from."""
    shape = case.maps.shape[1:]
    ways: dict[str, Transform] = {"cosine": Pair(cosines, cosines_back)}
    if all(n % 8 == 0 for n in shape):
        ways["cosine, blocks of 8"] = Pair(partial(cosines, block=8), partial(cosines_back, block=8))
    for name, steps in (("Haar", HAAR), ("wavelet 5/3", FIVE_THREE), ("wavelet 9/7", NINE_SEVEN)):
        ways[name] = Pair(partial(lifted, wavelet=steps), partial(lifted_back, wavelet=steps))
    if len(case.spare):
        for most in COMPONENTS:
            ways[f"{most} components of {len(case.spare)} other maps of the model"] = Basis(case.spare_maps, most)
    if teacher is not None and teacher.spare_maps.shape[1:] == shape:
        title = f"{COMPONENTS[-1]} components of {len(teacher.spare)} maps of another network"
        ways[title] = Basis(teacher.spare_maps, COMPONENTS[-1])
    for name, way in ways.items():
        yield _row(name, [_through(way, one) for one in case.maps if one.any()])
    yield _row("9/7 behind the pattern", [_ours(one, False) for one in case.maps if one.any()])
    yield _row("9/7 behind the pattern, companded", [_ours(one, True) for one in case.maps if one.any()])


def _row(name: str, coded: list[Coded]) -> Row:
    halves = [coded[::2], coded[1::2]]
    sizes = []
    for own, other in (halves, halves[::-1]):
        first = learned(one.decisions for one in other)
        for one in own:
            spent = np.append(0, price(one.decisions, *first)) / 8
            counts = [one.needed(target) for target in TARGETS]
            sizes.append([np.inf if count is None else spent[count] for count in counts])
    median = np.median(sizes, axis=0)
    return {
        "what": "transforms",
        "transform": name,
        "n": len(coded),
        "median": [float(m) if np.isfinite(m) else None for m in median],
    }


def _through(way: Transform, values: Map) -> Coded:
    coefficients = way.forward(values.astype(np.float64))
    unit = 2.0 ** (PLANES - np.frexp(np.abs(coefficients).max())[1])
    integers = np.trunc(coefficients * unit).astype(np.int64)

    def back(decisions: Decisions, count: int) -> Map:
        return way.inverse(played(decisions, count, integers.shape).coefficients.astype(np.float64))

    return Coded(recorded(integers), values, back)


def _ours(values: Map, companded: bool) -> Coded:
    found = relevance.coefficients(values, companded=companded)
    assert found is not None

    def back(decisions: Decisions, count: int) -> Map:
        return relevance.synthesis(found.exponent, played(decisions, count, values.shape), companded)

    return Coded(recorded(found.integers, found.pattern), values, back)
