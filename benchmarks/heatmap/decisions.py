"""The binary decisions of a stream: recorded, priced with any first probabilities, and played back one by one.

So other transforms go through the very tree and contexts of the frame, and what adaptation costs can be told apart.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgexai.heatmap import priors, rangecoder, stream
from edgexai.heatmap.rangecoder import Full

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

MOST = 60_000
LEARNED = 1600
"""How many decisions of a map count when first probabilities are learned: about 200 bytes, as for the frame's own."""
CERTAIN = 15
"""At most so many decisions do learned probabilities count for."""


@dataclass(frozen=True)
class Decisions:
    """Each decision's context, and its bit."""

    contexts: tuple[int, ...]
    bits: tuple[int, ...]


def recorded(integers: Ints, pattern: Any = None, phase: int = 0, most: int = MOST) -> Decisions:
    """What `stream.encode` would say first of integer coefficients, of which the greatest has 15 bits."""
    said: list[tuple[int, int]] = []

    def spy(*_: Any) -> Any:
        def tell(context: int, bit: int) -> None:
            said.append((context, int(bit)))
            if len(said) >= most:
                raise Full

        return tell, bytes

    with _instead("encoder", spy):
        stream.encode(integers, tuple(() for _ in integers.shape) if pattern is None else pattern, phase, 1 << 20)
    return _decisions(said)


def read(content: bytes, shape: tuple[int, ...]) -> Decisions:
    """What the bytes of a stream settle."""
    said: list[tuple[int, int]] = []

    def spy(*given: Any) -> Any:
        ask = rangecoder.decoder(*given)

        def listen(context: int) -> int:
            bit = ask(context)
            said.append((context, bit))
            return bit

        return listen

    with _instead("decoder", spy):
        stream.decode(content, shape)
    return _decisions(said)


def played(decisions: Decisions, count: int, shape: tuple[int, ...]) -> stream.Stream:
    """What the first ``count`` decisions say."""

    def replay(*_: Any) -> Any:
        bits = iter(decisions.bits[:count])

        def ask(_: int) -> int:
            for bit in bits:
                return bit
            raise Full

        return ask

    with _instead("decoder", replay):
        return stream.decode(b"", shape)


def price(decisions: Decisions, ones: Sequence[float], counts: Sequence[float]) -> Reals:
    """Bits spent up to each decision by contexts that adapt as the range coder's do, from these first probabilities."""
    chance, count = [one / rangecoder.ONE for one in ones], [int(c) for c in counts]
    spent, total = [], 0.0
    rates = [rate / rangecoder.ONE for rate in rangecoder.RATES]
    for context, bit in zip(decisions.contexts, decisions.bits, strict=True):
        p, n = chance[context], count[context]
        total -= math.log2(p if bit else 1 - p)
        spent.append(total)
        p += (bit - p) * rates[n]
        chance[context] = min(max(p, rangecoder.FLOOR / rangecoder.ONE), 1 - rangecoder.FLOOR / rangecoder.ONE)
        count[context] = min(n + 1, rangecoder.SLOWEST)
    return np.array(spent)


def learned(many: Iterable[Decisions]) -> tuple[list[float], list[float]]:
    """First probabilities from maps, and from how many decisions they count as learned; as the frame's own were."""
    seen = np.zeros((len(priors.ONES), 2))
    for one in many:
        np.add.at(seen, (one.contexts[:LEARNED], one.bits[:LEARNED]), 1)
    ones = (seen[:, 1] + 0.4) / (seen.sum(1) + 0.8)
    return (np.clip(ones, 1 / 256, 255 / 256) * rangecoder.ONE).tolist(), np.minimum(seen.sum(1) / 4, CERTAIN).tolist()


def _decisions(said: list[tuple[int, int]]) -> Decisions:
    return Decisions(tuple(c for c, _ in said), tuple(b for _, b in said))


@contextmanager
def _instead(name: str, coder: Any) -> Iterator[None]:
    """`stream` with another coder: it takes one by name, and its callers need no other."""
    real = getattr(stream, name)
    setattr(stream, name, coder)
    try:
        yield
    finally:
        setattr(stream, name, real)
