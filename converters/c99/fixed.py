"""Fixed-point numbers as TensorFlow Lite's integer kernels define them, computed when the sources are written.

Functions of one int8 (LOGISTIC, TANH, HARD_SWISH, RELU, QUANTIZE …) become tables of 256 values here, with the same
integer arithmetic that the reference kernels do for each element.
"""

from math import floor, frexp, sqrt

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.int64]
INT8 = np.arange(-128, 128, dtype=np.int64)
MOST = (1 << 31) - 1


def multiplier(real: float) -> tuple[int, int]:
    """(m, shift) with real ≈ m · 2^(shift - 31) and m in [2^30, 2^31); OverflowError where no int32 has room for it."""
    if real == 0:
        return 0, 0
    fraction, shift = frexp(real)
    m = floor(fraction * 2**31 + 0.5)
    if m == 1 << 31:
        m, shift = m // 2, shift + 1
    if shift > 31:
        raise OverflowError(f"a ratio of scales is {real:.3g}")
    return (0, 0) if shift < -31 else (m, shift)


def round_away(value: float) -> int:
    """To the nearest integer, halves away from zero, as C's round."""
    return int(np.sign(value)) * floor(abs(value) + 0.5)


def high(a: Wide, b: Wide | int) -> Wide:
    """a · b / 2^31, rounded; the only pair that overflows saturates."""
    return np.asarray(np.minimum((a * b + (1 << 30)) >> 31, MOST), np.int64)


def divide(x: Wide, by: int) -> Wide:
    """x / 2^by, rounded, halves away from zero."""
    return x if by <= 0 else (x + (1 << (by - 1)) - (x < 0)) >> by


def scaled(x: Wide, m: int, shift: int) -> Wide:
    """x · m · 2^(shift - 31), rounded twice."""
    return divide(high(x << max(shift, 0), m), max(-shift, 0))


def saturated(x: Wide, by: int, bits: int = 32) -> Wide:
    """x · 2^by within an integer of so many bits; by < 0 divides with rounding."""
    if by < 0:
        return divide(x, -by)
    return np.asarray(np.clip(x << by, -(1 << (bits - 1)), (1 << (bits - 1)) - 1), np.int64)


def _exp_near_zero(a: Wide) -> Wide:
    """exp of a in [-1/4, 0), Q0.31, by Taylor's series around -1/8."""
    x = a + (1 << 28)
    x2 = high(x, x)
    x3, x4 = high(x2, x), high(x2, x2)
    rest = divide(high(divide(x4, 2) + x3, 715827883) + x2, 1)  # (x⁴/4 + x³)/3 + x²
    return np.minimum(1895147668 + high(x + rest, 1895147668), MOST)


def exp_of_negative(a: Wide, integer_bits: int) -> Wide:
    """exp of a ≤ 0 with so many bits before the point; Q0.31."""
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    inside = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(saturated(inside, integer_bits))
    rest = inside - a
    barrel = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in zip(range(-2, 5), barrel, strict=True):
        if integer_bits > exponent:
            result = np.where(rest & (1 << (fraction + exponent)), high(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (fraction + 5)), 0, result)
    return np.where(a == 0, MOST, result)


def _newton(half_denominator: Wide, constant: int = 1 << 29) -> Wide:
    x = 1515870810 + high(half_denominator, -1010580540)
    for _ in range(3):
        x = x + saturated(high(x, constant - high(half_denominator, x)), 2)
    return x


def _half_sum(a: Wide) -> Wide:
    return (a + MOST + 1) // 2


def _logistic_of_positive(a: Wide) -> Wide:
    return saturated(_newton(_half_sum(exp_of_negative(-a, 4))), 1)


def _logistic(a: Wide) -> Wide:
    """1 / (1 + exp(-a)), a in Q4.27; Q0.31."""
    positive = _logistic_of_positive(np.abs(a))
    return np.where(a > 0, positive, np.where(a < 0, MOST - positive, 1 << 30))


def _tanh(a: Wide) -> Wide:
    """tanh, a in Q4.27; Q0.31."""
    x = _newton(_half_sum(exp_of_negative(-np.abs(a), 5)))  # the same bits read as Q5.26 are twice the value
    positive = saturated(x - (1 << 29), 2)
    return np.where(a > 0, positive, np.where(a < 0, -positive, 0))


def _q4(scale: float) -> tuple[int, int, int]:
    """Multiplier and shift that bring an input to Q4.27, and the input beyond which the function is flat."""
    fraction, shift = frexp(float(np.float32(scale)) * 2**27)
    m = floor(fraction * 2**31 + 0.5)
    radius = floor(15.0 * 2.0**27 / 2.0**shift)
    return m, shift, radius


def logistic_table(scale: float, zero: int) -> NDArray[np.int8]:
    """LOGISTIC of every int8; the output has scale 1/256 and zero point -128."""
    m, shift, radius = _q4(scale)
    x = INT8 - zero
    y = divide(_logistic(_clipped(x, m, shift)), 23) - 128
    y = np.where(x <= -radius, -128, np.where(x >= radius, 127, np.clip(y, -128, 127)))
    return y.astype(np.int8)


def tanh_table(scale: float, zero: int) -> NDArray[np.int8]:
    """TANH of every int8; the output has scale 1/128 and zero point 0."""
    m, shift, radius = _q4(scale)
    x = INT8 - zero
    y = divide(_tanh(_clipped(x, m, shift)), 24)
    y = np.where(x <= -radius, -128, np.where(x >= radius, 127, np.clip(y, -128, 127)))
    return y.astype(np.int8)


def _clipped(x: Wide, m: int, shift: int) -> Wide:
    return np.clip(scaled(x, m, shift), -(1 << 31), MOST)


def hard_swish_table(in_scale: float, in_zero: int, out_scale: float, out_zero: int) -> NDArray[np.int8]:
    """HARD_SWISH of every int8, in 16-bit fixed point."""
    hires = np.float32(1 / 128) * np.float32(in_scale)
    m_out, shift_out = _short(multiplier(float(hires / np.float32(out_scale))))
    m_relu, shift_relu = _short(multiplier(float(hires / np.float32(3.0 / 32768))))
    x = (INT8 - in_zero) << 7
    y = _high16(x, m_out)
    r = saturated(x, max(shift_relu - 1, 0), 16)
    r = _high16(r, m_relu)
    r = saturated(r, 1, 16) if shift_relu > 0 else divide(r, -shift_relu)
    r = (r + (1 << 15)) >> 1
    product = r * y
    y = np.sign(product) * (np.abs(product) >> 15)
    return np.clip(divide(y, -shift_out) + out_zero, -128, 127).astype(np.int8)


def _short(quantized: tuple[int, int]) -> tuple[int, int]:
    """A 32-bit multiplier as one of 16 bits."""
    m, shift = quantized
    return (m + (1 << 15)) >> 16 if m < 0x7FFF8000 else 0x7FFF, shift


def _high16(a: Wide, b: int) -> Wide:
    """a · b / 2^15, rounded, halves up."""
    return np.asarray(np.minimum((a * b + (1 << 14)) >> 15, 32767), np.int64)


def rescale_table(in_scale: float, in_zero: int, out_scale: float, out_zero: int) -> NDArray[np.int8]:
    """QUANTIZE of every int8 to another scale."""
    return rescaled(in_scale, in_zero, out_scale, out_zero, -128, 127).astype(np.int8)


def rescaled(
    in_scale: float, in_zero: int, out_scale: float, out_zero: int, least: int, most: int
) -> NDArray[np.int64]:
    """Every int8 in another scale, within bounds."""
    m, shift = multiplier(float(np.float32(in_scale)) / float(np.float32(out_scale)))
    return np.clip(scaled(INT8 - in_zero, m, shift) + out_zero, least, most)


def relu_table(scale: float, zero: int, out_scale: float, out_zero: int) -> NDArray[np.int8]:
    """RELU of every int8, rescaled."""
    m, shift = multiplier(float(np.float32(scale) / np.float32(out_scale)))
    return np.clip(scaled(INT8 - zero, m, shift) + out_zero, max(-128, out_zero), 127).astype(np.int8)


def leaky_table(scale: float, zero: int, out_scale: float, out_zero: int, alpha: float) -> NDArray[np.int8]:
    """LEAKY_RELU of every int8."""
    m, shift = multiplier(float(np.float32(scale)) / float(np.float32(out_scale)))
    slope, slope_shift = multiplier(float(np.float32(scale)) * float(np.float32(alpha)) / float(np.float32(out_scale)))
    x = INT8 - zero
    y = np.where(x >= 0, scaled(x, m, shift), scaled(x, slope, slope_shift)) + out_zero
    return np.asarray(np.clip(y, -128, 127), np.int8)


def abs_table(scale: float, zero: int, out_scale: float, out_zero: int) -> NDArray[np.int8]:
    """ABS of every int8."""
    y = np.abs(INT8 - zero)
    if scale != out_scale:
        y = scaled(y, *multiplier(float(np.float32(scale) / np.float32(out_scale))))
    return np.asarray(np.clip(y + out_zero, -128, 127), np.int8)


def inverse_root(x: int) -> tuple[int, int]:
    """(m, shift) with 1 / √x ≈ m · 2^(shift - 31), by five steps of Newton's method in Q3.28; 0 is taken as 1."""
    if x <= 1:
        return MOST, 0
    down = 11
    while x >= 1 << 29:
        x, down = x // 4, down + 1
    pairs = (31 - x.bit_length()) // 2 - 1
    down -= pairs
    given = np.int64(x << 2 * pairs) >> 1
    half, root = divide(np.asarray(given), 1), np.asarray(np.int64(1 << 28))
    for _ in range(5):
        cube = saturated(high(high(root, root), root), 6)
        root = saturated(high(root, 3 << 27) - high(half, cube), 3)
    m = int(high(root, 1518500250))  # √½
    return (m << -down, 0) if down < 0 else (m, -down)


def rsqrt_table(scale: float, zero: int, out_scale: float, out_zero: int) -> NDArray[np.int8]:
    """RSQRT of every int8; 0 and what is below gives the largest."""
    m, shift = multiplier(1.0 / (sqrt(scale) * out_scale))
    table = np.full(256, 127, np.int8)
    for k in range(1, 128 - zero):
        root, by = inverse_root(k)
        fine = scaled(np.asarray(np.int64(1)), root, by + 20)
        table[k + zero + 128] = np.clip(scaled(fine, m, shift - 20) + out_zero, -128, 127)
    return table


def unsigned_table(scale: float, zero: int, out_scale: float, out_zero: int) -> NDArray[np.int8]:
    """QUANTIZE of every uint8, by what it is as an int8."""
    m, shift = multiplier(float(np.float32(scale)) / float(np.float32(out_scale)))
    made = np.clip(scaled(np.arange(256, dtype=np.int64) - zero, m, shift) + out_zero, -128, 127)
    return np.roll(made, 128).astype(np.int8)


def softmax_table(scale: float, beta: float) -> NDArray[np.int32]:
    """exp(-d · scale · beta), Q0.31, for each difference d from the largest that still counts."""
    real = min(float(np.float32(beta)) * float(np.float32(scale)) * 2**26, 2.0**31 - 1)
    m, shift = multiplier(real)
    shift = max(shift, 0)
    differences = np.arange(min(256, floor(31.0 * 2.0**26 / 2.0**shift) + 1), dtype=np.int64)
    return exp_of_negative(high(-differences << shift, m), 5).astype(np.int32)


def sigmoid_table() -> NDArray[np.uint16]:
    """1 / (1 + exp(-i / 24)) in 16 bits, for LOGISTIC and TANH of 16 bits, which interpolate.

    Lines between its values lie below the function, so that the reference's are raised by a part of what it bends.
    """
    y = 1 / (1 + np.exp(-np.arange(256) / 24))
    bend = y * (1 - y) * (2 * y - 1) / 24**2
    table = np.rint(65536 * (y + bend / 16)).astype(np.uint16)
    table[-1] = 65535
    return table
