"""A map of real numbers ↔ its exponent and stream: what scales and compands it, and which pattern is taken out of it.

A map's values, or if it is companded sign(R)·|R|^(2/3), are `stream · 2^exponent`: the greatest coefficient lies in
[2^(exponent-1), 2^exponent). Companding gives small relevance its share of the bits: what is more relevant than what,
and the shares of regions, come out better, and the cosine hardly changes (docs/heatmap-benchmark.md).
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgexai.errors import FrameError
from edgexai.heatmap import pattern as patterns
from edgexai.heatmap import stream, wavelet
from edgexai.heatmap.basis import Basis
from edgexai.heatmap.pattern import BITS, QUARTERS, Pattern
from edgexai.heatmap.stream import FRACTION, PLANES, Stream

Map = NDArray[np.float32]
Ints = NDArray[np.int64]

BLANK, HIGHEST, HIGHEST_COMPANDED, HIGHEST_OF_BASIS = -128, 120, 80, 72
LEAST, MOST = 2.0**-100, 2.0**90
FINE, CUBED, COARSE = 18, 27, 14
"""Bits of the greatest value when a map is made integer: for the wavelet, before it is companded to as many as that
takes, and to look for its pattern."""
ROOT = 14
"""The decoder's square roots are those of numbers shifted left by this."""


@dataclass(frozen=True)
class Coefficients:
    """What is coded: integers of which the greatest has 15 bits, times 2^(exponent - 15)."""

    exponent: int
    pattern: Pattern
    phase: int
    integers: Ints
    companded: bool
    basis: Basis | None = None
    components: Ints = field(default_factory=lambda: stream.NOTHING)

    def stream(self, most: int) -> bytes:
        """The first ``most`` bytes that say it."""
        return stream.encode(self.integers, self.pattern, self.phase, most, self.basis, self.components)


def coefficients(
    values: Map, phase: int = 0, companded: bool = True, basis: Basis | None = None
) -> Coefficients | None:
    """What is coded of a map, with the pattern that leaves the smallest sum of magnitudes; None if it is blank.

    With a ``basis``, companded and without a pattern. Raises FrameError for relevance beyond 2^90; what stays below
    2^-100 is blank.
    """
    peak = float(np.abs(values).max(initial=0.0))
    if peak < LEAST:
        return None
    if peak >= MOST:
        raise FrameError(f"the map's relevance reaches {peak:.3g}, beyond what a frame can say; scale it")
    shape = values.shape
    plain: Pattern = tuple(() for _ in shape)
    if basis is not None:
        whole, exponent = _companded(_amplified(values, plain, phase), FINE)
        components, rest = basis.forward(whole)
        left = wavelet.forward(rest, shape)
        bits = int(max(np.abs(components).max(), np.abs(left).max())).bit_length()
        both = _of_planes(left, bits), _of_planes(components, bits)
        return Coefficients(bits - FINE + exponent, plain, phase, both[0], True, basis, both[1])
    coarse = _integers(values, COARSE)[0]
    choices = [plain]
    for period in patterns.PERIODS:
        if any(patterns.fits(n, period) for n in shape):
            choices.append(patterns.found(coarse, period))
    integers = _companded if companded else _integers
    flattened = [integers(_amplified(values, p, phase), FINE) for p in choices]
    transformed = wavelet.forward(np.stack([f[0] for f in flattened]), shape)
    costs = [
        patterns.cost(int(np.abs(c).sum()), e, p, companded)
        for c, (_, e), p in zip(transformed, flattened, choices, strict=True)
    ]
    best = costs.index(min(costs))
    chosen = transformed[best]
    bits = int(np.abs(chosen).max()).bit_length()
    exponent = bits - FINE + flattened[best][1]
    return Coefficients(exponent, choices[best], phase, _of_planes(chosen, bits), companded)


def _of_planes(values: Ints, bits: int) -> Ints:
    """Values below 2^bits as ones of 15 bits, cut towards zero."""
    magnitude = np.abs(values)
    magnitude = magnitude >> bits - PLANES if bits > PLANES else magnitude << PLANES - bits
    return np.where(values < 0, -magnitude, magnitude)


def synthesis(exponent: int, said: Stream, companded: bool, basis: Basis | None = None) -> Map:
    """The map of a stream: float32 of products in double precision."""
    values = wavelet.inverse(said.coefficients)
    if basis is not None:
        values = values + basis.inverse(said.components)
    quarters = patterns.attenuation(values.shape, said.pattern, said.phase)
    unit = -BITS
    if companded:  # |v|^(3/2); 2^(3/2) are six quarter octaves
        roots = np.floor(np.sqrt((np.abs(values) << ROOT) + 0.5)).astype(np.int64)
        values, unit = values * roots, unit - ROOT // 2
    quarters = quarters - (6 if companded else 4) * (exponent - PLANES - FRACTION)
    scaled = values.astype(np.float64) * np.array(QUARTERS, np.float64)[-quarters & 3]
    return np.asarray(np.ldexp(scaled, unit - (quarters + 3 >> 2)), np.float32)


def _amplified(values: Map, pattern: Pattern, phase: int) -> Map:
    """The map without its pattern: each value times 2^(quarters / 4), in float32."""
    quarters = patterns.attenuation(values.shape, pattern, phase)
    factors = np.ldexp(np.array(QUARTERS, np.float32)[quarters & 3], (quarters >> 2) - BITS).astype(np.float32)
    return np.asarray(values * factors, np.float32)


def _integers(values: Map, bits: int) -> tuple[Ints, int]:
    """Values in units of 2^(e - bits), cut towards zero, the greatest below 2^bits; and e."""
    exponent = math.frexp(float(np.abs(values).max()))[1]
    return np.ldexp(values.astype(np.float64), bits - exponent).astype(np.int64), exponent


def _companded(values: Map, bits: int) -> tuple[Ints, int]:
    """|value|^(2/3) and its sign in units of 2^(e - bits), cut towards zero, the greatest below 2^bits; and e."""
    thirds = -(-math.frexp(float(np.abs(values).max()))[1] // 3)
    whole = np.ldexp(np.abs(values).astype(np.float64), CUBED - 3 * thirds).astype(np.int64)
    square = whole * whole
    root = np.cbrt(square.astype(np.float64)).astype(np.int64)
    root -= root**3 > square
    root += (root + 1) ** 3 <= square
    return np.where(values < 0, -root, root), 2 * thirds


def scale(values: Map, reference: Map) -> float:
    """The float16 factor by which a reference comes nearest to a map."""
    energy = float(np.square(reference, dtype=np.float64).sum())
    factor = float((values.astype(np.float64) * reference).sum()) / energy if energy else 0.0
    return float(np.float16(factor)) if abs(factor) < 65504 else 0.0


def added(values: Map, factor: float, reference: Map) -> Map:
    """values + factor · reference, rounded once to float32."""
    return np.asarray(values.astype(np.float64) + factor * reference.astype(np.float64), np.float32)
