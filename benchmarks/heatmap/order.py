"""Which bits first? Energy, against orders that may serve faithfulness better.

Coding sign(R)·|R|^p gives small values their part of the bits, and thereby the ranks among them. Multiplying each band
by a power of two before the planes are cut puts it that many planes ahead.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.case import Case
from benchmarks.heatmap.decisions import played, price, recorded
from benchmarks.heatmap.faithful import TYPICAL, Judge
from edgexai.heatmap import encode, relevance
from edgexai.heatmap.priors import COUNTS, ONES
from edgexai.heatmap.stream import PLANES, Stream
from edgexai.heatmap.wavelet import sizes

Map = NDArray[Any]
Row = dict[str, Any]

POWERS = (1.0, 2 / 3, 0.5)
DECISIONS = 40
"""A byte holds at most so many, on average."""
AHEAD = (0.5, -0.5)
"""Planes that each finer level is ahead of the next coarser one; below 0, behind."""


def order(case: Case, budgets: Iterable[int]) -> Iterable[Row]:
    """By budget and order, what `faithfulness` measures. The header is a typical one."""
    judge = Judge(case)
    for budget in budgets:
        room = budget - len(encode(np.zeros_like(case.maps[0]), budget=budget, **TYPICAL))
        for power in POWERS:
            found = np.stack([_ordered(one, room, power, 0.0) for one in case.maps])
            yield {**judge(found), "what": "order", "budget": budget, "power": power, "ahead": 0.0}
        for ahead in AHEAD:
            found = np.stack([_ordered(one, room, 1.0, ahead) for one in case.maps])
            yield {**judge(found), "what": "order", "budget": budget, "power": 1.0, "ahead": ahead}


def _ordered(values: Map, room: int, power: float, ahead: float) -> Map:
    """The map after so many bytes of a stream in this order."""
    flat = (np.sign(values) * np.abs(values) ** power).astype(np.float32)
    found = relevance.coefficients(flat, companded=False)
    if found is None:
        return np.zeros_like(values)
    weight = 2.0 ** (ahead * levels(values.shape))
    weighted = found.integers * weight
    unit = 2.0 ** (PLANES - np.frexp(np.abs(weighted).max())[1])
    decisions = recorded(np.trunc(weighted * unit).astype(np.int64), found.pattern, found.phase, DECISIONS * room)
    count = int(np.searchsorted(price(decisions, ONES, COUNTS), 8 * room, side="right"))
    said = played(decisions, count, values.shape)
    coefficients = np.rint(said.coefficients / (weight * unit)).astype(np.int64)
    back = relevance.synthesis(found.exponent, Stream(said.pattern, said.phase, coefficients), companded=False)
    return np.asarray(np.sign(back) * np.abs(back) ** (1 / power), np.float32)


def levels(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Of each coefficient its level, 0 for the coarsest."""
    found = np.zeros(shape, np.int64)
    steps = sizes(shape)
    for level, size in enumerate(steps[1:]):
        inside = np.zeros(shape, bool)
        inside[tuple(slice(n) for n in size)] = True
        found[~inside & (found == 0)] = len(steps) - 1 - level
    return found
