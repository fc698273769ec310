"""Weights to integers times one step, by what they do to the output and what they cost in bits.

A column of weights after the other goes to the level of least ``importance · distance² - price · log2(P)`` (ECQx,
Becking et al. 2021); the columns that follow make up for what that does to the output (GPTQ, Frantar et al. 2022):
the distance is one in the layer's output, not in the weights. P are the shares of the levels themselves.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
"""Steps that are tried, in standard deviations of the weights."""
DAMP = 1e-2
PASSES = 4


@dataclass(frozen=True)
class Levels:
    """Integers ``q`` (outs, columns) that stand for ``q · step``; ``loss`` at the output, ``bits`` of entropy."""

    q: NDArray[np.int64]
    step: float
    loss: float
    bits: float


def cheapest_levels(weights: Floats, gram: Floats, importance: Floats, price: float, top: int) -> Levels:
    """The step and levels of least loss + price · bits.

    ``weights`` (outs, columns), ``gram`` (1 or outs, columns, columns) the covariance of the inputs, ``importance``
    (outs,) what a square of an output's error counts, levels -top … top.
    """
    spread = float(weights.std()) or 1.0
    least = float(np.abs(weights).max()) / (2 * top)  # weights beyond the last level are lost
    upper = _upper(gram)
    steps = sorted({max(least, s * spread) for s in STEPS})
    tried = [levels(weights, gram, upper, importance, price, step, top, 1) for step in steps]
    step = min(tried, key=lambda found: found.loss + price * found.bits).step
    return levels(weights, gram, upper, importance, price, step, top, PASSES)


def levels(
    weights: Floats, gram: Floats, upper: Floats, importance: Floats, price: float, step: float, top: int, passes: int
) -> Levels:
    """Levels for one step; the shares P start from plain rounding and are counted again ``passes`` times."""
    q = np.clip(np.rint(weights / step), -top, top).astype(np.int64)
    rows = np.arange(len(weights))
    for _ in range(passes):
        cost = price * bits_of(q, top)
        rest = weights.copy()
        for k in range(weights.shape[1]):
            sharp = upper[:, k, k]
            near = np.clip(np.rint(rest[:, k] / step).astype(np.int64), -top, top)
            inward = near - np.sign(near)
            choices = np.stack([near, inward, inward - np.sign(inward), np.zeros_like(near)], axis=1)
            distance = np.square((rest[:, k, None] - choices * step) / sharp[:, None])
            q[:, k] = choices[rows, np.argmin(importance[:, None] * distance + cost[choices + top], axis=1)]
            error = (rest[:, k] - q[:, k] * step) / sharp
            rest[:, k + 1 :] -= error[:, None] * upper[:, k, k + 1 :]
    missing = (weights - q * step)[:, None]
    loss = float(np.sum(importance * (missing @ gram @ missing.transpose(0, 2, 1))[:, 0, 0]))
    return Levels(q, step, loss, float(bits_of(q, top)[q + top].sum()))


def bits_of(q: NDArray[np.int64], top: int) -> Floats:
    """Bits of each level -top … top by its share."""
    counts = np.bincount((q + top).ravel(), minlength=2 * top + 1) + 0.1
    return np.asarray(-np.log2(counts / counts.sum()))


def _upper(gram: Floats) -> Floats:
    """U of the inverse Gram matrix = UᵀU: how the columns that follow make up for an error."""
    size = gram.shape[1]
    mean = np.trace(gram, axis1=1, axis2=2)[:, None, None] / size
    inverse = np.linalg.inv(gram + (DAMP * mean + 1e-9) * np.eye(size))
    return np.asarray(np.linalg.cholesky(inverse).transpose(0, 2, 1))
