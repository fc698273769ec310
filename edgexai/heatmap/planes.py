"""Coefficients ↔ an embedded stream: bit plane by bit plane, low frequencies first, so that any prefix is a map.

The coefficients are cut into shells of growing radial frequency. In each plane a shell first says whether any of its
coefficients becomes significant at all; then each of them says so, with its sign; those that already are significant
say their next bit. All decisions go through the range coder, in contexts of what their neighbours did (EZW, Shapiro
1993; EBCOT, Taubman 2000).
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgexai.heatmap.rangecoder import ONE, Context, Decoder, Encoder

PLANES = 12
"""Bit planes of the largest coefficient's magnitude."""
FRACTION = 4
"""Bits below the last plane in what `decode` returns, for values in the middle of what is left open."""


@cache
def _geometry(shape: tuple[int, ...]) -> tuple[list[list[int]], list[tuple[int, ...]]]:
    """Shells of flat indices from low to high frequency, and each index's neighbours in coefficient space."""
    axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    radius2 = np.square(np.stack(axes).astype(np.int64)).sum(0).reshape(-1)
    order = np.argsort(radius2, kind="stable")
    # shells of radius 0, 1, then each about a fifth wider than the last
    edges, r = [0, 1, 2, 4], 2.0
    while edges[-1] <= int(radius2.max()):
        r *= 1.2
        edges.append(max(edges[-1] + 1, int(r * r)))
    cuts = np.searchsorted(radius2[order], edges[1:], side="left")
    shells = [part.tolist() for part in np.split(order, cuts) if len(part)]
    strides = np.array([int(np.prod(shape[i + 1 :])) for i in range(len(shape))])
    places = np.stack([a.reshape(-1) for a in axes], axis=1)
    near: list[tuple[int, ...]] = []
    for index, place in enumerate(places):
        found = []
        for axis, n in enumerate(shape):
            if place[axis] > 0:
                found.append(int(index - strides[axis]))
            if place[axis] < n - 1:
                found.append(int(index + strides[axis]))
        near.append(tuple(found))
    return shells, near


class _Model:
    """What coder and decoder know together: contexts, significant coefficients and their values."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shells, self.near = _geometry(shape)
        size = int(np.prod(shape))
        self.value = [0] * size  # magnitudes, in units of the last plane
        self.sign = [0] * size
        self.active = [False] * len(self.shells)
        self._contexts: dict[tuple[int, ...], Context] = {}

    def context(self, *key: int) -> Context:
        """The adaptive context of a kind of decision; significance starts unlikely."""
        if key not in self._contexts:
            chance = ONE - ONE // 6 if key[0] == 1 else ONE // 2
            self._contexts[key] = Context(chance)
        return self._contexts[key]

    def surroundings(self, index: int) -> int:
        """How many of the nearest coefficients are significant, at most 3."""
        count = 0
        for other in self.near[index]:
            if self.sign[other]:
                count += 1
        return min(count, 3)


Code = Callable[[Context, int, int], int | None]
"""A decision: its context, which coefficient it is about (or shell, if negative), and which question; the answer."""

SHELL, SIGNIFICANT, SIGN, REFINE = range(4)


def _passes(model: _Model, ask: Callable[[int, Context, int, int], int | None]) -> int:
    """Walk the planes, asking or telling each decision; the plane that was reached when the stream ended."""
    for plane in range(PLANES - 1, -1, -1):
        unit = 1 << plane
        for number, shell in enumerate(model.shells):
            depth = min(number, 7)
            fresh = [i for i in shell if not model.sign[i]]
            known = [i for i in shell if model.sign[i]]
            for i in known:
                bit = ask(REFINE, model.context(2, min(PLANES - 1 - plane, 3), depth // 2), i, plane)
                if bit is None:
                    return plane
                model.value[i] += unit * bit
            if not fresh:
                continue
            before = model.active[number - 1] if number else True
            if not model.active[number]:
                bit = ask(SHELL, model.context(0, int(before), min(number, 3)), number, plane)
                if bit is None:
                    return plane
                if not bit:
                    continue
                model.active[number] = True
            for i in fresh:
                key = model.context(1, depth, model.surroundings(i))
                bit = ask(SIGNIFICANT, key, i, plane)
                if bit is None:
                    return plane
                if bit:
                    sign = ask(SIGN, model.context(3, int(number == 0)), i, plane)
                    if sign is None:
                        return plane
                    model.sign[i] = -1 if sign else 1
                    model.value[i] = unit
    return 0


def encode(coefficients: NDArray[np.int64], most: int) -> bytes:
    """The first ``most`` bytes of the stream of integer coefficients with magnitudes below 2¹²."""
    flat = coefficients.reshape(-1).tolist()
    model, coder = _Model(coefficients.shape), Encoder()

    def tell(question: int, context: Context, index: int, plane: int) -> int | None:
        if len(coder.out) > most + 6:
            return None
        if question == SHELL:
            bit = int(any(abs(flat[i]) >> plane for i in model.shells[index]))
        elif question == SIGN:
            bit = int(flat[index] < 0)
        else:
            bit = (abs(flat[index]) >> plane) & 1
        coder.encode(context, bit)
        return bit

    _passes(model, tell)
    return coder.finish()[:most].rstrip(b"\0")


def decode(data: bytes, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Coefficients in units of 2⁻⁴, each in the middle of what the bytes leave open; zeros for no bytes."""
    model, coder = _Model(shape), Decoder(data)
    plane = _passes(model, lambda question, context, index, plane: coder.decode(context))
    value, sign = np.array(model.value, np.int64), np.array(model.sign, np.int64)
    middle = np.where(value > 0, (1 << plane) << (FRACTION - 1), 0)
    return (sign * ((value << FRACTION) + middle)).reshape(shape)
