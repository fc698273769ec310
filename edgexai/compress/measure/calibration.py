"""The cycles of `firmware_profiles`: fitted to published latencies, and tried on models that the fit has not seen.

Boards with the same software share one shape (how much dearer a depthwise multiply-accumulate is than a pointwise
one) and differ in a factor. Each shape is fitted to the logarithms of the latencies, with a weak pull to what the
inner loops' instruction counts let one expect: four models alone do not fix seven figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.board import KINDS, boards, load_board

Vector = NDArray[np.float64]

WORK = {
    "KWS": (320_000, 0, 2_048_000, 288_000, 768, 72_152, 13),
    "VWW": (497_664, 0, 6_193_152, 798_336, 512, 232_068, 31),
    "IC": (442_368, 11_796_480, 262_144, 0, 640, 114_836, 16),
    "AD": (0, 0, 0, 0, 264_192, 1_672, 10),
}
"""Of the four MLPerf Tiny models: multiply-accumulates by KINDS, elements written, operators."""

PUBLISHED = {
    "nucleo_l4r5zi": ("X-CUBE-AI", {"KWS": 43.4, "VWW": 89.4, "IC": 165.7, "AD": 4.79}),
    "nucleo_u575zi_q": ("X-CUBE-AI", {"KWS": 29.0, "VWW": 59.3, "IC": 109.5, "AD": 3.21}),
    "nucleo_u385rg_q": ("X-CUBE-AI", {"KWS": 48.3, "VWW": 98.7, "IC": 182.5, "AD": 5.41}),
    "nucleo_h7a3zi_q": ("X-CUBE-AI", {"KWS": 11.3, "VWW": 23.8, "IC": 40.8, "AD": 1.23}),
    "nrf5340_dk": ("microTVM", {"KWS": 76.5, "VWW": 233.3, "IC": 317.9, "AD": 6.29}),
}
"""Medians of the results in MLPerf Tiny v1.1 to v1.3, ms an inference: (software, by model)."""

ENERGY = {
    "nucleo_l4r5zi": {"KWS": 1431.0, "VWW": 3030.0, "IC": 5496.0, "AD": 160.0},
    "nucleo_u575zi_q": {"KWS": 664.0, "VWW": 1372.0, "IC": 2565.0, "AD": 77.2},
    "nucleo_u385rg_q": {"KWS": 245.0, "VWW": 519.0, "IC": 966.0, "AD": 31.8},
    "nucleo_h7a3zi_q": {"KWS": 1376.0, "VWW": 2965.0, "IC": 5090.0, "AD": 166.0},
}
"""The same for energy, µJ an inference."""

EXPECTED = {
    "X-CUBE-AI": (3.0, 1.4, 1.0, 3.0, 1.8, 3.0, 500.0),
    "microTVM": (3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 500.0),
}
"""Cycles in proportion: a dual multiply-accumulate with operands unpacked once for many outputs (pointwise), for few
(dense), by the tap (depthwise, narrow); microTVM's kernels do one at a time."""

PULL = 3.0
"""Weight of a deviation from EXPECTED against one from a published latency, both in logarithms."""

STEPS = 200


@dataclass(frozen=True)
class Fit:
    """Cycles of each of KINDS, of an element and of an operator, by board."""

    cycles: dict[str, Vector]

    def milliseconds(self, board: str, model: str) -> float:
        """The latency that the fit gives."""
        return float(self.cycles[board] @ np.array(WORK[model])) / (load_board(board).clock_mhz * 1e3)


def fit(models: Sequence[str]) -> Fit:
    """Fit all boards on some of the four models."""
    found = {}
    for software, expected in EXPECTED.items():
        names = [b for b in boards() if b in PUBLISHED and PUBLISHED[b][0] == software]
        work = np.array([WORK[m] for m in models], np.float64)
        measured = np.array([[PUBLISHED[b][1][m] * load_board(b).clock_mhz * 1e3 for m in models] for b in names])
        shape, factors = _shape(work, np.log(measured), np.log(expected))
        found.update({b: np.exp(shape) * f for b, f in zip(names, factors, strict=True)})
    return Fit(found)


def _shape(work: Vector, wanted: Vector, expected: Vector) -> tuple[Vector, Vector]:
    """Gauss-Newton in logarithms, where each board's factor is its mean deviation."""
    shape = expected.copy()
    for _ in range(STEPS):
        parts = work * np.exp(shape)
        total = parts.sum(axis=1)
        missing = wanted - np.log(total)
        residual = (missing - missing.mean(axis=1, keepdims=True)).mean(axis=0)
        slope = parts / total[:, None]
        slope -= slope.mean(axis=0)
        normal = slope.T @ slope + PULL**2 * np.eye(len(shape))
        shape += 0.5 * np.linalg.solve(normal, slope.T @ residual + PULL**2 * (expected - shape))
    parts = work * np.exp(shape)
    return shape, np.exp((wanted - np.log(parts.sum(axis=1))).mean(axis=1))


@dataclass(frozen=True)
class Trial:
    """A model on a board whose figures were left out of the fit, ms and µJ; energies None where none is published."""

    board: str
    model: str
    published_ms: float
    ms: float
    published_uj: float | None
    uj: float | None


def left_out() -> list[Trial]:
    """Every published figure beside what the fit on the other three models gives for it."""
    trials = []
    for model in WORK:
        others = [m for m in WORK if m != model]
        without = fit(others)
        for board, (_, published) in PUBLISHED.items():
            ms = without.milliseconds(board, model)
            energy = ENERGY.get(board)
            power = None if energy is None else np.median([energy[m] / published[m] for m in others])
            uj = None if power is None else float(ms * power)
            trials.append(Trial(board, model, published[model], ms, None if energy is None else energy[model], uj))
    return trials


def fitted() -> dict[str, dict[str, float]]:
    """The [cycles] of every board, from all four models."""
    names = (*KINDS, "element", "operator")
    return {b: dict(zip(names, map(float, v), strict=True)) for b, v in fit(list(WORK)).cycles.items()}
