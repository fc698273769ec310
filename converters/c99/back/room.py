"""Weights of a layer's way back widened once, where the arena has room for all of them at that step.

Windows take them in blocks that fit into little working space, and go over the map again for each block. Early in the
way back few maps are alive in an arena that is as large as its fullest step: what they leave is taken.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from converters.c99.back import ways
from converters.c99.memory import Placement, placed
from converters.c99.schedule import Schedule
from converters.c99.work import arena_use

WINDOWS = ("exai_back_windows", "exai_back_pointwise")


def filled(plan: Schedule, room: Placement) -> tuple[Schedule, Placement]:
    """The plan with larger working spaces where they fit into the same arena, and its placement."""
    for i, step in enumerate(plan.steps):
        if step.function not in WINDOWS:
            continue
        own = plan.buffers[step.writes[-1]]
        left = room.size - arena_use(plan)[i]
        for fields in wider(step.parameters):
            size = ways.scratch(fields, False)
            if size - own.size > left:
                continue
            steps = (*plan.steps[:i], replace(step, parameters=fields), *plan.steps[i + 1 :])
            trial = replace(plan, steps=steps, buffers={**plan.buffers, own.name: replace(own, size=size)})
            found = placed(trial, room.size)
            if found.size <= room.size:
                plan, room = trial, found
                break
    return plan, room


def wider(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of ways back that widen more at a time, the most first."""
    p = fields["layer"].fields
    rows = int(fields["divides"] and p["out_rows"] * p["out_columns"] >= ways.MANY)
    now = fields["block"], fields["wide"]
    for block, wide in ((p["in_channels"], rows), (p["in_channels"], fields["wide"]), (fields["block"], rows)):
        if (block, wide) != now:
            yield {**fields, "block": block, "wide": wide}
