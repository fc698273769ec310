"""How much work a step is, and how many instructions its kernel takes for it.

Rates are counts of QEMU on a Cortex-M4F (`python -m benchmarks firmware_steps`), not of a board's cycles.
"""

from collections.abc import Mapping
from typing import Any

from converters.c99.rates import RATES
from converters.c99.schedule import Literal, Schedule, Step, Struct

BACK = ("exai_back_rows", "exai_back_pointwise", "exai_back_windows", "exai_back_narrow")
"""One family: their rates go by the form of the layer."""
UNCOUNTED = 4
"""Instructions for a unit of work of a kernel without a rate, where plans are compared."""


def kind(step: Step) -> str:
    """What the rates tell apart: the kernel, and for a layer its form."""
    p = _layer(step)
    if step.function == "exai_back_mean":
        return "exai_back_pool"
    if p is None or step.function in ("exai_depthwise", "exai_back_flat", "exai_dense"):
        return step.function
    way = "" if "divides" not in step.parameters else ", shares" if _divides(step) else ", factors"
    if _is_depthwise(step):
        return f"{step.function}, depthwise{way}"
    family = "exai_back" if step.function in BACK else step.function
    if p["kernel_rows"] * p["kernel_columns"] > 1 and p["in_channels"] < 4:
        return f"{family}, narrow{way}"
    way += " in parts" if step.parameters.get("parts") else ""
    if p["kernel_rows"] * p["kernel_columns"] > 1:
        return f"{family}, window{way}"
    return f"{family}, {'dense' if p['out_rows'] * p['out_columns'] == 1 else 'pointwise'}{way}"


def _is_depthwise(step: Step) -> bool:
    return step.function.endswith("depthwise") or bool(step.parameters.get("depthwise"))


def _divides(step: Step) -> bool:
    """Whether the way back of a layer divides by sums, which are computed first."""
    return bool(step.parameters["divides"])


def macs(step: Step) -> int:
    """Multiply-accumulates of a layer or an LSTM, of its way back too; 0 of anything else."""
    p = _layer(step) or _inner(step, "exai_float_layer")
    if p is None:
        p = _inner(step, "exai_lstm_layer")
        return 0 if p is None else int(4 * p["steps"] * p["units"] * (p["units"] + p["features"]))
    side = "in" if step.function.endswith("transposed") else "out"
    taps: int = p["kernel_rows"] * p["kernel_columns"] * p[f"{side}_rows"] * p[f"{side}_columns"] * p["out_channels"]
    return taps if _is_depthwise(step) else taps * p["in_channels"]


def work(step: Step, plan: Schedule) -> int:
    """Multiply-accumulates of a layer, window values of a pool, else values that are read or written."""
    p = _pool(step)
    if p is not None:
        return int(p["kernel_rows"] * p["kernel_columns"] * p["out_rows"] * p["out_columns"] * p["channels"])
    sizes = [plan.buffers[name].size for name in (*step.reads, *step.writes)]
    counts = [int(a.text) for a in step.arguments if isinstance(a, Literal) and a.text.isdigit()]
    return macs(step) or max([1, *sizes, *counts])


def instructions(step: Step, plan: Schedule) -> float | None:
    """About how many a step takes; None for a kernel that has not been counted."""
    rate = RATES.get(kind(step))
    return None if rate is None else rate * work(step, plan)


def price(step: Step, plan: Schedule) -> float:
    """Instructions of a step, of a kernel that nobody has counted by the work alone."""
    count = instructions(step, plan)
    return float(UNCOUNTED * work(step, plan)) if count is None else count


def _layer(step: Step) -> Mapping[str, Any] | None:
    return _inner(step, "exai_layer")


def _pool(step: Step) -> Mapping[str, Any] | None:
    return _inner(step, "exai_pool")


def _inner(step: Step, type: str) -> Mapping[str, Any] | None:
    """The fields of a step's own structure of a type, or of the one that its way back names."""
    if step.type == type:
        return step.parameters
    inner = step.parameters.get(type.split("_")[-1])
    return inner.fields if isinstance(inner, Struct) and inner.type == type else None


def arena_use(plan: Schedule) -> list[int]:
    """Bytes of the arena that are alive at each step."""
    used = [0] * len(plan.steps)
    for name, (first, last) in plan.lifetimes().items():
        for i in range(first, min(last + 1, len(used))):
            used[i] += plan.buffers[name].size
    return used
