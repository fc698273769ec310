"""The chance of the next bit, from several contexts at once: logistic mixing (Mahoney 2005), in integers.

Each context remembers how often its next bit was a one. Their chances p are stretched, ln(p / (1 - p)), weighted,
summed and squashed; the weights follow the error. Integers only, so that every machine decodes alike.
"""

from collections.abc import Hashable, Sequence

from edgexai.transit.rangecoder import Context

HALF = 1 << 15
RATE = 10
"""How fast weights follow the error."""

_CURVE = (1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047)
_SQUASHED: tuple[int, ...] = (*_CURVE, *(4095 - v for v in reversed(_CURVE[:-1])))
"""4096 / (1 + exp(-x)) at x = -8, -7.5 … 8."""


def squash(x: int) -> int:
    """The chance, 1 … 4095 of 4096, of a stretched one in units of 1 / 256."""
    if x >= 2047:
        return 4095
    if x <= -2047:
        return 1
    at, part = (x + 2048) >> 7, x & 127
    return (_SQUASHED[at] * (128 - part) + _SQUASHED[at + 1] * part + 64) >> 7


def _inverse() -> tuple[int, ...]:
    table, last = [2047] * 4096, 0
    for x in range(-2047, 2048):
        p = squash(x)
        for i in range(last, p + 1):
            table[i] = x
        last = p + 1
    return tuple(table)


STRETCH = _inverse()


class Mixed(Context):
    """A bit's chance by contexts, for the range coder: ``look`` before each bit, which then calls ``learn``.

    A context moves by 1 / (n + 1.5) of the distance after n bits, and never slower than by 1 / ``slowest``.
    """

    __slots__ = ("_at", "_memory", "_p", "_slots", "_slowest", "_stretched", "_weights")

    def __init__(self, slowest: int = 255) -> None:
        super().__init__()
        self._memory: dict[Hashable, list[int]] = {}
        self._weights: dict[Hashable, list[int]] = {}
        self._slowest = slowest
        self._slots: list[list[int]] = []
        self._stretched: list[int] = []
        self._at: list[int] = []
        self._p = HALF >> 4

    def look(self, mixer: Hashable, contexts: Sequence[Hashable]) -> "Mixed":
        """Set the chance of the next bit; ``mixer`` chooses the weights."""
        memory = self._memory
        self._slots = []
        for n, context in enumerate(contexts):
            key = (n, context)
            slot = memory.get(key)
            if slot is None:
                slot = memory[key] = [HALF, 0]
            self._slots.append(slot)
        weights = self._weights.get(mixer)
        if weights is None:
            weights = self._weights[mixer] = [(1 << 16) * 2 // (len(contexts) + 2)] * len(contexts)
        self._at = weights
        self._stretched = [STRETCH[slot[0] >> 4] for slot in self._slots]
        total = sum([w * s for w, s in zip(weights, self._stretched, strict=True)])
        self._p = squash(total >> 16)
        self.chance = (4096 - self._p) << 4
        return self

    def learn(self, bit: int) -> None:
        """Move towards what was seen."""
        error = ((bit << 12) - self._p) * RATE
        weights = self._at
        for n, stretched in enumerate(self._stretched):
            weights[n] += (stretched * error + (1 << 13)) >> 14
        for slot in self._slots:
            p, count = slot
            slot[0] = min(65535, max(0, p + (((bit << 16) - p) * 2) // (2 * count + 3)))
            if count < self._slowest:
                slot[1] = count + 1
