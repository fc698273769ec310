"""How much work a step is, and how many instructions its kernel takes for it.

Rates are counts of QEMU on a Cortex-M4F (`python -m benchmarks firmware_steps`), not of a board's cycles.
"""

from collections.abc import Mapping
from typing import Any

from converters.c99.rates import RATES
from converters.c99.schedule import Literal, Schedule, Step, Struct

UNCOUNTED = 4
"""Instructions for a unit of work of a kernel without a rate, where plans are compared."""


def kind(step: Step) -> str:
    """What the rates tell apart: the kernel, and for a layer its form."""
    p = _layer(step)
    if p is None or step.function in ("exai_depthwise", "exai_back_flat", "exai_dense"):
        return step.function
    way = "" if "offset" not in step.parameters else ", shares" if _divides(step) else ", factors"
    if _is_depthwise(step):
        return f"{step.function}, depthwise{way}"
    if p["kernel_rows"] * p["kernel_columns"] > 1 and p["in_channels"] < 4:
        return f"{step.function}, narrow{way}"
    way += " in parts" if step.parameters.get("parts") else ""
    if p["kernel_rows"] * p["kernel_columns"] > 1:
        return f"{step.function}, window{way}"
    return f"{step.function}, {'dense' if p['out_rows'] * p['out_columns'] == 1 else 'pointwise'}{way}"


def _is_depthwise(step: Step) -> bool:
    return step.function.endswith("depthwise") or bool(step.parameters.get("depthwise"))


def _divides(step: Step) -> bool:
    """Whether the way back of a layer divides by sums, which are computed first."""
    return not isinstance(step.parameters["offset"], Literal)


def macs(step: Step) -> int:
    """Multiply-accumulates of a layer, of its way back too; 0 of anything else."""
    p = _layer(step)
    if p is None:
        return 0
    taps: int = p["kernel_rows"] * p["kernel_columns"] * p["out_rows"] * p["out_columns"] * p["out_channels"]
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
    if step.type == "exai_layer":
        return step.parameters
    inner = step.parameters.get("layer")
    return inner.fields if isinstance(inner, Struct) else None


def _pool(step: Step) -> Mapping[str, Any] | None:
    if step.type == "exai_pool":
        return step.parameters
    inner = step.parameters.get("pool")
    return inner.fields if isinstance(inner, Struct) else None


def arena_use(plan: Schedule) -> list[int]:
    """Bytes of the arena that are alive at each step."""
    used = [0] * len(plan.steps)
    for name, (first, last) in plan.lifetimes().items():
        for i in range(first, min(last + 1, len(used))):
            used[i] += plan.buffers[name].size
    return used
