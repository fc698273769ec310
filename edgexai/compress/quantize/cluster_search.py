"""For transit: the highest price of a bit at which a clustered model is still good enough."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgexai.compress.measure.bench import Point
from edgexai.compress.measure.profile import Profile
from edgexai.compress.quantize.cluster import cluster
from edgexai.compress.quantize.exq import in_transit
from edgexai.graph import Graph
from edgexai.graph.strip import lean

PRICES = (1e-6, 2e-6, 3e-6, 5e-6, 7e-6, 1e-5, 1.5e-5, 2e-5, 3e-5, 5e-5)


@dataclass(frozen=True)
class Packed:
    """A clustered model: the ``price`` of a bit, the bytes of its `.exq`, and what it is worth."""

    price: float
    transit: bytes
    point: Point


def cheapest_transit(
    graph: Graph,
    samples: NDArray[Any],
    profile: Profile,
    measure: Callable[[Graph], Point],
    is_good: Callable[[Point], bool],
    bits: int = 5,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Packed | None, list[Packed]]:
    """The smallest `.exq` whose model is good enough (None if none is), and all that were tried, the largest first.

    Prices are halved between: what is lost grows with the price, up to noise.
    """
    tried: dict[int, Packed] = {}
    low, high = -1, len(PRICES)  # low is good enough
    while high - low > 1:
        n = (low + high) // 2
        small = lean(cluster(graph, samples, PRICES[n], bits, profile))
        tried[n] = Packed(PRICES[n], in_transit(small), measure(small))
        if is_good(tried[n].point):
            low = n
        else:
            high = n
        if progress is not None:
            progress(len(tried), 4)
    return tried.get(low), [tried[n] for n in sorted(tried)]
