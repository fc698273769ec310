"""What the frame's learned basis saves: one of maps of the same model, of inputs that are not measured."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.case import Case
from benchmarks.heatmap.faithful import TYPICAL, Judge
from benchmarks.heatmap.rate import TARGETS
from edgexai.errors import DataError
from edgexai.heatmap import decode, encode
from edgexai.heatmap.basis import Basis, learn

Row = dict[str, Any]

COMPONENTS = (16, 64, 200)


def sizes(case: Case) -> Iterable[Row]:
    """By components: the file's bytes, and median bytes at each cosine without the basis and with it."""
    without = np.array([[len(encode(one, quality=t)) for t in TARGETS] for one in case.maps])
    for basis in bases(case):
        found = np.array([[len(encode(one, quality=t, basis=basis)) for t in TARGETS] for one in case.maps])
        yield {
            "what": "basis",
            **about(case, basis),
            "without": np.median(without, axis=0).tolist(),
            "median": np.median(found, axis=0).tolist(),
            "saved": (1 - found.sum(0) / without.sum(0)).tolist(),
        }


def gains(case: Case, budgets: Iterable[int]) -> Iterable[Row]:
    """By components and budget what `faithfulness` measures."""
    judge = Judge(case)
    for basis in bases(case):
        for budget in budgets:
            found = judge(coded(case.maps, budget, basis))
            yield {**found, **about(case, basis), "what": "basis gain", "budget": budget}


def bases(case: Case) -> list[Basis]:
    """Of as many components as `COMPONENTS` says; DataError if there are no maps to learn from."""
    if not len(case.spare):
        raise DataError("all samples are measured, none is left to learn a basis from; lower --samples")
    return [learn(case.spare_maps, components) for components in COMPONENTS]


def about(case: Case, basis: Basis) -> Row:
    """What it was measured on."""
    return {"components": len(basis.sizes), "file": len(basis.data), "spare": len(case.spare), "n": len(case.maps)}


def coded(maps: NDArray[np.float32], budget: int, basis: Basis) -> NDArray[np.float32]:
    """The maps as they arrive in frames of so many bytes, with a typical header."""
    frames = [encode(one, budget=budget, basis=basis, **TYPICAL) for one in maps]
    return np.stack([decode(frame, None, [basis]).map for frame in frames])
