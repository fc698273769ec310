"""Slow NumPy twins of the rules, written from the papers: a layer is its matrix, every sum is spelled out.

``matrix`` (outputs, inputs) is the layer's Jacobian, ``b`` its bias an output; x, R are vectors.
"""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


def stab(z: Vector, eps: float) -> Vector:
    return z + np.where(z >= 0, eps, -eps)


def epsilon(x: Vector, w: Vector, b: Vector, r: Vector, eps: float) -> Vector:
    """R_i = Σ_j x_i w_ji / (z_j ± ε) R_j, z_j = Σ_i x_i w_ji + b_j."""
    z = stab(w @ x + b, eps)
    return np.array([sum(x[i] * w[j, i] / z[j] * r[j] for j in range(len(r))) for i in range(len(x))])


def halves(x: Vector, w: Vector, b: Vector) -> tuple[Vector, Vector]:
    """Contributions (outputs, inputs) above and below zero."""
    z = w * x[None]
    return np.maximum(z, 0), np.minimum(z, 0)


def zplus(x: Vector, w: Vector, b: Vector, r: Vector, eps: float) -> Vector:
    """R_i = Σ_j (x_i w_ji)⁺ / (Σ_i (x_i w_ji)⁺ + b_j⁺) R_j."""
    up, _ = halves(x, w, b)
    return up.T @ (r / stab(up.sum(1) + np.maximum(b, 0), eps))


def alpha_beta(x: Vector, w: Vector, b: Vector, r: Vector, eps: float, alpha: float, beta: float) -> Vector:
    """R_i = Σ_j (α z_ji⁺ / z_j⁺ - β z_ji⁻ / z_j⁻) R_j."""
    up, down = halves(x, w, b)
    speaks_for = up.T @ (r / stab(up.sum(1) + np.maximum(b, 0), eps))
    against = down.T @ (r / (down.sum(1) + np.minimum(b, 0) - eps))
    return alpha * speaks_for - beta * against


def gamma(x: Vector, w: Vector, b: Vector, r: Vector, eps: float, g: float) -> Vector:
    """Contributions of the sign of z_j count 1 + γ, the others 1."""
    z = w @ x + b
    up, down = halves(x, w, b)
    out = np.zeros_like(x)
    for j in range(len(r)):
        favoured, bias = (up[j], max(b[j], 0)) if z[j] > 0 else (down[j], min(b[j], 0))
        part = w[j] * x + g * favoured
        total = part.sum() + b[j] + g * bias
        if z[j] != 0:
            out += part / (total + (eps if total >= 0 else -eps)) * r[j]
    return out


def flat(x: Vector, w: Vector, b: Vector, r: Vector, eps: float, connected: Vector) -> Vector:
    """Every input that an output sees gets the same."""
    return connected.T @ (r / (connected.sum(1) + eps))


def wsquare(x: Vector, w: Vector, b: Vector, r: Vector, eps: float) -> Vector:
    """R_i = Σ_j w_ji² / (Σ_i w_ji² + b_j²) R_j."""
    return (w**2).T @ (r / ((w**2).sum(1) + b**2 + eps))


def zbox(x: Vector, w: Vector, b: Vector, r: Vector, eps: float, low: float, high: float) -> Vector:
    """R_i = Σ_j (x_i w_ji - l w_ji⁺ - h w_ji⁻) / Σ_i (…) R_j."""
    part = w * x[None] - low * np.maximum(w, 0) - high * np.minimum(w, 0)
    return part.T @ (r / stab(part.sum(1), eps))
