"""How much work a step is, in several units, and how many instructions its kernel takes for them.

Rates are fitted to counts of QEMU on a Cortex-M4F (`python -m benchmarks firmware_steps`), not of a board's cycles.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

from converters.c99.rates import RATES
from converters.c99.schedule import Literal, Schedule, Step, Struct

UNCOUNTED = 4
"""Instructions for a unit of work of a kernel without a rate, where plans are compared."""


def kind(step: Step) -> str:
    """What the rates tell apart: the kernel, and of a layer's way back what it does with relevance."""
    if step.function == "exai_back_mean":
        return "exai_back_pool"
    if step.type != "exai_way" or step.function == "exai_back_flat":
        return step.function
    divides = step.parameters["divides"]  # by sums, which are computed first
    parts = " in parts" if step.parameters.get("parts") else ""
    return f"{step.function}, {'shares' if divides else 'factors'}{parts}"


def macs(step: Step) -> int:
    """Multiply-accumulates of a layer, an LSTM, an SVDF or a product, of its way back too; 0 of anything else."""
    p = _layer(step)
    if p is not None:
        return int(_taps(step, p) * (1 if _is_depthwise(step) else p["in_channels"]) * p["out_channels"])
    if (p := _inner(step, "exai_lstm_layer")) is not None:
        return int(4 * p["steps"] * p["units"] * (p["units"] + p["features"]))
    if (p := _inner(step, "exai_svdf_layer")) is not None:
        return int(p["filters"] * (p["inputs"] + p["memory"]))
    if step.type == "exai_product":
        p = step.parameters
        return int(prod(p["count"]) * p["rows"] * p["columns"] * p["depth"])
    return 0


def work(step: Step, plan: Schedule) -> dict[str, int]:
    """Units of work of a step, by name; every call is one, too."""
    found = {"call": 1}
    if (p := _layer(step)) is not None:
        depthwise, inside = _is_depthwise(step), p["in_rows"] * p["in_columns"] * p["in_channels"]
        taps, channels = _taps(step, p), 1 if depthwise else p["in_channels"]
        found |= {"mac": macs(step), "window": taps, "tap": taps * channels, "input": inside}
        found |= {"output": p["out_rows"] * p["out_columns"] * p["out_channels"], "run": taps * p["out_channels"]}
        found |= {"weight": p["kernel_rows"] * p["kernel_columns"] * channels * p["out_channels"]}
        keep, sharing = step.parameters.get("keep"), step.parameters.get("weights")
        if isinstance(keep, Struct) and isinstance(keep.fields.get("gate"), Literal):
            found |= {"open": macs(step) if keep.fields["gate"].text == "EXAI_OPEN" else 0}
        if isinstance(sharing, Literal) and not step.parameters.get("wide"):  # rows of weights as they are
            found |= {"signed" if sharing.text == "EXAI_SIGNED" else "byte": macs(step)}
        return found
    if macs(step):
        return found | {"mac": macs(step), "value": _values(step, plan)}
    if (pool := _pool(step)) is not None:
        outputs = pool["out_rows"] * pool["out_columns"] * pool["channels"]
        return found | {"tap": int(pool["kernel_rows"] * pool["kernel_columns"] * outputs), "value": outputs}
    p = step.parameters
    if step.type == "exai_move":
        return found | {"run": prod(p["count"]), "value": prod(p["count"]) * p["run"]}
    if step.type == "exai_gather":
        return found | {"value": prod(p["count"]), "copy": prod(p["count"]) * prod(p["copies"])}
    if step.type == "exai_pair":
        return found | {"value": prod(p["count"])}
    if step.type == "exai_reduction":
        return found | {"value": prod(p["count"]), "tap": prod(p["count"]) * prod(p["over"])}
    return found | {"value": _values(step, plan)}


def instructions(step: Step, plan: Schedule) -> float | None:
    """About how many a step takes; None for a kernel that has not been counted."""
    name = kind(step)
    rates = RATES.get(name, RATES.get(name.removesuffix(" in parts")))
    return None if rates is None else sum(rates.get(unit, 0.0) * count for unit, count in work(step, plan).items())


def price(step: Step, plan: Schedule) -> float:
    """Instructions of a step, of a kernel that nobody has counted by the work alone."""
    count = instructions(step, plan)
    return float(UNCOUNTED * max(work(step, plan).values())) if count is None else count


def _values(step: Step, plan: Schedule) -> int:
    """Values that are kept, or written, or read if that is more."""
    own = step.parameters.get("keep")
    keep = own.fields if isinstance(own, Struct) else step.parameters if step.type == "exai_keep" else None
    if keep is not None:
        return int(keep["pixels"] * keep["channels"])
    counts = [int(a.text) for a in step.arguments if isinstance(a, Literal) and a.text.isdigit()]
    if step.function in ("exai_table_rows", "exai_largest", "exai_smallest", "exai_unit_length"):
        return prod(counts[-2:]) if step.function == "exai_table_rows" else prod(counts[:2])
    sizes = [plan.buffers[name].size for name in (*step.reads, *step.writes)]
    if step.function in ("exai_requantize16", "exai_rescale16"):
        counts = counts[:1]
    return max([1, *sizes, *counts])


def _taps(step: Step, p: Mapping[str, Any]) -> int:
    """Places of windows."""
    side = "in" if step.function.endswith("transposed") else "out"
    return int(p["kernel_rows"] * p["kernel_columns"] * p[f"{side}_rows"] * p[f"{side}_columns"])


def _is_depthwise(step: Step) -> bool:
    return step.function.endswith("depthwise") or bool(step.parameters.get("depthwise"))


def _layer(step: Step) -> Mapping[str, Any] | None:
    return _inner(step, "exai_layer") or _inner(step, "exai_float_layer")


def _pool(step: Step) -> Mapping[str, Any] | None:
    return _inner(step, "exai_pool")


def _inner(step: Step, type: str) -> Mapping[str, Any] | None:
    """The fields of a step's own structure of a type, or of the one that its way back names."""
    if step.type == type:
        return step.parameters
    for inner in step.parameters.values():
        if isinstance(inner, Struct) and inner.type == type:
            return inner.fields
    return None


def arena_use(plan: Schedule) -> list[int]:
    """Bytes of the arena that are alive at each step."""
    used = [0] * len(plan.steps)
    for name, (first, last) in plan.lifetimes().items():
        for i in range(first, min(last + 1, len(used))):
            used[i] += plan.buffers[name].size
    return used
