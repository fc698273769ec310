"""The cycles of `firmware_profiles`: fitted to published latencies, and tried on models that the fit has not seen.

Boards with the same software share one shape (how much dearer a depthwise multiply-accumulate is than a pointwise
one) and differ in a factor. Each shape is fitted to the logarithms of the latencies, with a pull to what the inner
loops let one expect: four models alone do not fix eight figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgexai.board import KINDS, boards, load_board

Vector = NDArray[np.float64]

TERMS = (*KINDS, "element", "operator", "loop")

WORK = {
    "KWS": (320_000, 0, 2_048_000, 288_000, 768, 72_152, 13, 352_000),
    "VWW": (497_664, 0, 6_193_152, 798_336, 512, 232_068, 31, 290_304),
    "IC": (442_368, 11_796_480, 262_144, 0, 640, 114_836, 16, 675_840),
    "AD": (0, 0, 0, 0, 264_192, 1_672, 10, 0),
}
"""Of the four MLPerf Tiny models: how much of each of TERMS one inference is."""

PUBLISHED = {
    "nucleo_l4r5zi": ("X-CUBE-AI", {"KWS": 43.4, "VWW": 89.4, "IC": 165.7, "AD": 4.79}),
    "nucleo_u575zi_q": ("X-CUBE-AI", {"KWS": 29.0, "VWW": 59.3, "IC": 109.5, "AD": 3.21}),
    "nucleo_u385rg_q": ("X-CUBE-AI", {"KWS": 48.3, "VWW": 98.7, "IC": 182.5, "AD": 5.41}),
    "nucleo_h7a3zi_q": ("X-CUBE-AI", {"KWS": 11.3, "VWW": 23.8, "IC": 40.8, "AD": 1.23}),
    "nucleo_u3c5zi_q": ("ST Edge AI with HSP", {"KWS": 16.5, "VWW": 37.2, "IC": 50.1}),
    "ndp9120": ("Syntiant SDK", {"KWS": 4.4, "IC": 16.0}),
    "nrf5340_dk": ("microTVM", {"KWS": 76.5, "VWW": 233.3, "IC": 317.9, "AD": 6.29}),
}
"""Medians of the results in MLPerf Tiny v1.1 to v1.3, ms an inference: (software, by model)."""

ENERGY = {
    "nucleo_l4r5zi": {"KWS": 1431.0, "VWW": 3030.0, "IC": 5496.0, "AD": 160.0},
    "nucleo_u575zi_q": {"KWS": 664.0, "VWW": 1372.0, "IC": 2565.0, "AD": 77.2},
    "nucleo_u385rg_q": {"KWS": 245.0, "VWW": 519.0, "IC": 966.0, "AD": 31.8},
    "nucleo_h7a3zi_q": {"KWS": 1376.0, "VWW": 2965.0, "IC": 5090.0, "AD": 166.0},
    "ndp9120": {"KWS": 31.5, "IC": 102.0},
}
"""The same for energy, µJ an inference."""

EXPECTED = {
    "X-CUBE-AI": (1.2, 1.2, 1.0, 2.0, 2.0, 3.0, 500.0, 4.0),
    "ST Edge AI with HSP": (1.0, 1.0, 1.0, 4.0, 2.0, 6.0, 500.0, 4.0),
    "Syntiant SDK": (1.0, 1.0, 1.0, 3.0, 1.0, 6.0, 500.0, 0.0),
    "microTVM": (3.0, 3.0, 3.0, 3.0, 3.0, 25.0, 500.0, 0.0),
}
"""Cycles in proportion, by TERMS: a dual multiply-accumulate with operands unpacked once for many outputs (pointwise),
gathered from a window (conv), by the tap (depthwise), with weights read once (dense), and the begin and end of each
inner loop over channels; a co-processor makes whole products cheap and the rest not; with microTVM all products cost
about the same, and each output much."""

PULL = 3.0
"""Weight of a deviation from EXPECTED against one from a published latency, both in logarithms."""

STEPS, NOTHING = 200, 1e-9


@dataclass(frozen=True)
class Fit:
    """Cycles of each of TERMS, by board."""

    cycles: dict[str, Vector]

    def milliseconds(self, board: str, model: str) -> float:
        """The latency that the fit gives."""
        return float(self.cycles[board] @ np.array(WORK[model])) / (load_board(board).clock_mhz * 1e3)


def fit(left_out: str = "") -> Fit:
    """Fit all boards on the four models, or on all but one."""
    found = {}
    for software, expected in EXPECTED.items():
        names = [b for b in boards() if b in PUBLISHED and PUBLISHED[b][0] == software]
        models = [m for m in WORK if m != left_out and all(m in PUBLISHED[b][1] for b in names)]
        work = np.array([WORK[m] for m in models], np.float64)
        measured = np.array([[PUBLISHED[b][1][m] * load_board(b).clock_mhz * 1e3 for m in models] for b in names])
        shape, factors = _shape(work, np.log(measured), np.log(np.maximum(expected, NOTHING)))
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
    """Every published figure beside what the fit on the other models gives for it."""
    trials = []
    for model in WORK:
        without = fit(model)
        for board, (_, published) in PUBLISHED.items():
            if model not in published:
                continue
            ms, energy = without.milliseconds(board, model), ENERGY.get(board)
            others = [m for m in published if m != model]
            power = None if energy is None else np.median([energy[m] / published[m] for m in others])
            uj = None if power is None else float(ms * power)
            trials.append(Trial(board, model, published[model], ms, None if energy is None else energy[model], uj))
    return trials


def fitted() -> dict[str, dict[str, float]]:
    """The [cycles] of every board, from all models."""
    return {b: dict(zip(TERMS, map(float, v), strict=True)) for b, v in fit().cycles.items()}
