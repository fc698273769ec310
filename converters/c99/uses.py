"""`exai_uses.h`: what the ways back of a model are like, so that a compiler leaves out of kernels what it has not."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from zlib import crc32

from converters.c99.schedule import Schedule

Fields = Mapping[str, Any]
QUESTIONS: dict[str, Callable[[Fields], bool]] = {
    "divides": lambda way: bool(way["divides"]),
    "stabilized": lambda way: bool(way["stabilizer"]),
    "of_all": lambda way: way["weights"].text == "EXAI_ALL",
    "of_signed": lambda way: way["weights"].text == "EXAI_SIGNED",
    "wide": lambda way: bool(way["wide"]),
    "parts": lambda way: bool(way["parts"]),
    "single": lambda way: bool(way["layer"].fields["in_channels"] == way["layer"].fields["out_channels"]),
    "of_one": lambda way: bool(way["layer"].fields["in_channels"] == 1),
}
"""About a layer's way back, in the order of `exai_flow.h`."""
KEPT: dict[str, Callable[[Fields], bool]] = {
    "adds": lambda keep: bool(keep.get("adds", 0)),
    "as_map": lambda keep: keep["form"].text == "EXAI_MAP",
    "as_relevance": lambda keep: keep["form"].text == "EXAI_RELEVANCE",
    "multiplied": lambda keep: keep["from"].text == "EXAI_FACTOR" != keep["form"].text,
    "divided": lambda keep: keep["from"].text == "EXAI_RELEVANCE" and keep["form"].text == "EXAI_FACTOR",
    "gate_open": lambda keep: _gate(keep) == "EXAI_OPEN",
    "gate_bits": lambda keep: _gate(keep) == "EXAI_BITS",
}
"""About how a flow is kept."""
NAME = "exai_uses.h"
LAYERS = ("rows", "pointwise", "windows", "narrow", "depthwise")
STARTS = ("exai_start", "exai_start_error")
"""Kernels with one of which each explanation begins."""
LISTED = ("pointwise", "windows", "depthwise")
"""Kernels that keep what is listed."""


def header(plan: Schedule | None) -> str:
    """The text of `exai_uses.h`: for each family of kernels two bits a question, whether some answer is yes, and no."""
    steps = [] if plan is None else [step for step in plan.steps if "keep" in step.parameters]
    ways = [(step.function.removeprefix("exai_back_"), step.parameters) for step in steps if step.type == "exai_way"]
    groups = {kind: [way for name, way in ways if name == kind] for kind in LAYERS}
    steps_of_streams = [way for name, way in ways if name == "step"]
    groups["rows"] += steps_of_streams
    groups["shares"] = [way for name, way in ways if way["divides"] and name != "depthwise"] + steps_of_streams
    masks = {kind: _answers(QUESTIONS, of) for kind, of in groups.items()}
    keeps = [keep for step in steps for keep in _keeps(step.parameters)]
    keeps += [step.parameters for step in (plan.steps if plan else ()) if step.type == "exai_keep"]
    masks["keeping"] = _answers(KEPT, keeps)
    masks["listed"] = _answers(KEPT, [keep for name, way in ways if name in LISTED for keep in _keeps(way)])
    lines = [f"#define EXAI_USES_{kind.upper()} 0x{mask:04X}u" for kind, mask in masks.items()]
    key = crc32("\n".join(lines).encode())
    lines += ["", "/* A linker finds no kernels that were compiled for a model of another kind. */"]
    lines += [f"#define {start} {start}_{key:08x}" for start in STARTS]
    about = "/* Written by `edgexai firmware`: what the model's ways back are like; kernels leave out the rest. */"
    return "\n".join([about, "", "#ifndef EXAI_USES_H", "#define EXAI_USES_H", "", *lines, "", "#endif", ""])


def _answers(questions: Mapping[str, Callable[[Fields], bool]], of: Iterable[Fields]) -> int:
    mask = 0
    for fields in of:
        for k, ask in enumerate(questions.values()):
            mask |= (1 if ask(fields) else 2) << 2 * k
    return mask


def _keeps(fields: Fields) -> list[Fields]:
    """How a step keeps its flow; one that goes in two parts adds the second one."""
    keep: dict[str, Any] = dict(fields["keep"].fields)
    return [keep, *([keep | {"adds": 1}] if fields.get("parts") else [])]


def _gate(keep: Fields) -> str:
    return str(keep["gate"].text) if "gate" in keep else "EXAI_OPEN"
