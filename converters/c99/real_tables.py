"""Functions of one int8 that the reference kernels compute in float32, as tables of 256 values."""

from collections.abc import Callable, Mapping
from math import erf

import numpy as np
from numpy.typing import NDArray

from converters.c99.fixed import INT8
from edgexai.graph import OpKind

Real = NDArray[np.float32]


def _elu(x: Real) -> Real:
    return np.where(x < 0, np.expm1(np.minimum(x, 0)), x).astype(np.float32)


def _gelu(x: Real) -> Real:
    bent = np.array([erf(float(v) * 0.5**0.5) for v in x], np.float32)
    return (np.float32(0.5) * x * (1 + bent)).astype(np.float32)


def _gelu_by_tanh(x: Real) -> Real:
    inside = np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x * x * x)
    return np.asarray(np.float32(0.5) * x * (1 + np.tanh(inside)), np.float32)


def _log(x: Real) -> Real:
    return np.where(x > 0, np.log(np.where(x > 0, x, 1)), -np.inf).astype(np.float32)


def _square_root(x: Real) -> Real:
    return np.asarray(np.sqrt(np.maximum(x, 0)), np.float32)


def _inverse_root(x: Real) -> Real:
    return np.where(x > 0, 1 / np.sqrt(np.where(x > 0, x, 1)), np.inf).astype(np.float32)


FUNCTIONS: Mapping[OpKind, Callable[[Real], Real]] = {
    OpKind.ELU: _elu,
    OpKind.EXP: np.exp,
    OpKind.GELU: _gelu,
    OpKind.LOG: _log,
    OpKind.NEG: np.negative,
    OpKind.RSQRT: _inverse_root,
    OpKind.SQRT: _square_root,
    OpKind.SQUARE: np.square,
}


def real_table(
    kind: OpKind, quantization: tuple[float, int, float, int], is_real: bool = False, nearly: bool = False
) -> NDArray[np.int8]:
    """A function of every int8; ``quantization`` is scale and zero point of input and output.

    ``is_real`` of a float operator between DEQUANTIZE and QUANTIZE, which divides; ``nearly`` takes GELU's tanh form.
    """
    scale, zero, out_scale, out_zero = quantization
    x = np.float32(scale) * (INT8 - zero).astype(np.float32)
    y = (_gelu_by_tanh if nearly else FUNCTIONS[kind])(x)
    y = y / np.float32(out_scale) if is_real else y * (np.float32(1) / np.float32(out_scale))
    half = np.float32(kind != OpKind.SQRT or is_real) / 2  # a root of int8 is cut off
    whole = np.clip(np.sign(y) * np.floor(np.abs(y) + half), -1024, 1024).astype(np.int64)
    return np.asarray(np.clip(whole + out_zero, -128, 127), np.int8)
