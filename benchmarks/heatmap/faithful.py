"""Does a heatmap of few bytes still show what the model uses? Pixel flipping, and the top tenth of the positions.

The measure is the symmetric relevance gain (Blücher, Vielhaben and Strodthoff 2024): the area between the curves of
the predicted class's probability when the least and when the most relevant positions are replaced first. A random
order has 0 by symmetry, however much scattered holes harm the network. Deletion alone has no such zero: against
positions scattered at random the uncoded maps of convolutional networks may lose; it stands beside, as `plain`.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmap.case import Case
from edgexai.compress.measure.faithfulness import probabilities
from edgexai.heatmap import decode, encode
from edgexai.heatmap.search import cosine

Array = NDArray[Any]
Reals = NDArray[np.float64]
Row = dict[str, Any]

CUTS: Reals = np.linspace(0, 1, 9) ** 2
"""Shares of the positions that are replaced."""
BUDGETS = (32, 51, 64, 100, 150, 222, 350, 512)
RESAMPLED = 2000
TYPICAL: dict[str, Any] = {
    "model": b"\1\2\3\4",
    "sequence": 300,
    "time": 1_790_000_000.0,
    "target": 1,
    "score": 9.5,
    "conservation": 0.9,
}
"""What a frame says besides the map when a payload is measured as a node sends it."""


def coded(maps: Array, budget: int) -> Array:
    """The maps as they arrive in frames of so many bytes, with a typical header."""
    return np.stack([decode(encode(one, budget=budget, **TYPICAL)).map for one in maps])


def faithfulness(case: Case, budgets: Iterable[int], rivals: Iterable[str] = ()) -> Iterable[Row]:
    """By budget the share of the uncoded maps' gain that coded maps keep, ours and those of other codecs.

    A map that another codec cannot bring into the budget says nothing, and has no gain.
    """
    from benchmarks.heatmap.rivals import codecs, within

    others = {name: variants for name, variants in codecs().items() if name in rivals} if rivals else {}
    judge = Judge(case)
    yield {"what": "uncoded", "n": len(case.x), **judge.uncoded()}
    for budget in budgets:
        yield {"codec": "edgexai", "budget": budget, **judge(coded(case.maps, budget))}
        for name, variants in others.items():
            found = [within(variants, one, budget, cosine) for one in case.maps]
            fits = np.array([one is not None for one in found])
            if fits.any():
                maps = np.stack([np.zeros_like(m) if f is None else f for f, m in zip(found, case.maps, strict=True)])
                yield {"codec": name, "budget": budget, **judge(maps, fits)}


class Judge:
    """Measures maps of a case against the uncoded ones."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._random = np.random.default_rng(0)
        self._deletion, insertion = flipped(case, case.maps)
        self._gain = insertion - self._deletion
        self._chance = flipped(case, self._random.random(case.maps.shape))[0]

    def uncoded(self) -> Row:
        """The gain of the uncoded maps, with half of its 95 % interval; plain: deletion against random positions."""
        plain = self._chance - self._deletion
        return {"gain": _mean(self._gain), "plain": _mean(plain)}

    def __call__(self, maps: Array, fits: NDArray[np.bool_] | None = None) -> Row:
        """Shares of the uncoded gain with bounds of 95 % (bootstrap over the inputs), overlap and cosine."""
        true = self._case.maps
        fits = np.ones(len(maps), bool) if fits is None else fits
        deletion, insertion = flipped(self._case, maps)
        gain = np.where(fits, insertion - deletion, 0)
        plain = np.where(fits, self._chance - deletion, 0)
        drawn = np.random.default_rng(0).integers(0, len(maps), (RESAMPLED, len(maps)))
        shares = gain[drawn].mean(1) / self._gain[drawn].mean(1)
        return {
            "what": "faithfulness",
            "n": len(maps),
            "fits": float(fits.mean()),
            "share": float(gain.mean() / self._gain.mean()),
            "bounds": np.percentile(shares, [2.5, 97.5]).tolist(),
            "lost": _mean(self._gain - gain),
            "plain": float(plain.mean()),
            "overlap": float(np.mean([overlap(a, b) for a, b in zip(maps, true, strict=True)])),
            "cosine": float(np.median([cosine(a, b) for a, b in zip(maps, true, strict=True)])),
        }


def flipped(case: Case, maps: Array) -> tuple[Reals, Reals]:
    """Mean probability (N,) of the predicted class while the most, and while the least relevant positions go first.

    Positions of equal relevance go in random order.
    """
    x, count, each = case.x, maps[0].size, np.arange(len(maps))
    flat = maps.reshape(len(maps), -1)
    order = np.lexsort((np.random.default_rng(1).random(flat.shape), -flat), axis=1)
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(count)[None], axis=1)
    whole = probabilities(case.graph, x)[each, case.targets]
    nothing = probabilities(case.graph, case.fill[None])[0, case.targets]
    areas = []
    for least_first in (False, True):
        heights = [whole]
        for cut in np.rint(CUTS[1:-1] * count).astype(int):
            gone = (rank >= count - cut if least_first else rank < cut).reshape(*x.shape[:3], 1)
            shown = np.where(gone, case.fill[None], x).astype(x.dtype)
            heights.append(probabilities(case.graph, shown)[each, case.targets])
        areas.append(np.asarray(np.trapezoid(np.stack([*heights, nothing]), CUTS, axis=0)))
    return areas[0], areas[1]


def overlap(found: Array, true: Array, share: float = 0.1) -> float:
    """How much of the most relevant tenth of the positions is the same."""
    count = max(1, round(share * true.size))
    tops = [set(np.argsort(-m.reshape(-1), kind="stable")[:count].tolist()) for m in (found, true)]
    return len(tops[0] & tops[1]) / count


def _mean(values: Reals) -> list[float]:
    return [float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))]
