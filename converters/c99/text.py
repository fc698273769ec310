"""Schedule -> C text: constants, one struct of parameters a step, and the calls in order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from converters.c99.memory import Placement
from converters.c99.schedule import Constant, Literal, Schedule, Step, Struct

WIDTH = 112
TYPES = {
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "float32": "float",
}


@dataclass
class Tables:
    """Constants of a file, arrays and structs: equal ones are written once."""

    prefix: str
    names: dict[tuple[str, bytes], str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    bytes: int = 0

    def name(self, constant: Constant) -> str:
        """The C name of an array, which is defined on first use."""
        data = np.ascontiguousarray(constant.data).reshape(-1)
        key = (data.dtype.name, data.tobytes())
        if key not in self.names:
            self.names[key] = f"{self.prefix}_{len(self.names)}"
            self.bytes += data.nbytes
            kind = TYPES[data.dtype.name]
            self.lines.append(f"static const {kind} {self.names[key]}[{data.size}] = {{")
            is_float = data.dtype == np.float32
            self.lines += wrapped([f"{float(v).hex()}f" if is_float else integer(int(v)) for v in data])
            self.lines.append("};\n")
        return self.names[key]

    def struct(self, type: str, fields: Mapping[str, Any]) -> str:
        """The C name of a struct, which is defined on first use."""
        text = ", ".join(f".{key} = {_value(value, self)}" for key, value in fields.items())
        key = (type, text.encode())
        if key not in self.names:
            self.names[key] = f"{self.prefix}_{len(self.names)}"
            self.lines.append(f"static const {type} {self.names[key]} = {{{text}}};\n")
        return self.names[key]


def integer(value: int) -> str:
    """A C literal; the least int32 has none of its own."""
    return "INT32_MIN" if value == -(1 << 31) else str(value)


def wrapped(words: Sequence[str]) -> list[str]:
    """Lines of comma-separated words."""
    lines, line = [], "   "
    for word in words:
        if len(line) + len(word) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {word},"
    return [*lines, line]


def _value(value: Any, tables: Tables) -> str:
    if isinstance(value, Constant):
        return tables.name(value)
    if isinstance(value, Struct):
        return f"&{tables.struct(value.type, value.fields)}"
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, list) and any(isinstance(v, Constant) for v in value):
        return "{" + ", ".join(_value(v, tables) for v in value) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(integer(int(v)) for v in value) + "}"
    return integer(int(value))


def calls(schedule: Schedule, placement: Placement, tables: Tables, indent: str = "    ") -> list[str]:
    """The statements of a function."""
    lines = []
    for step in schedule.steps:
        arguments = [f"&{tables.struct(step.type, step.parameters)}"] if step.type else []
        for argument in step.arguments:
            if isinstance(argument, Constant):
                arguments.append(tables.name(argument))
            elif isinstance(argument, Literal):
                arguments.append(argument.text)
            else:
                arguments.append(_address(argument, schedule, placement, step))
        lines.append(f"{indent}{step.function}({', '.join(arguments)}); /* {plain(step.label)} */")
    return lines


def plain(label: str) -> str:
    """What a file says of an operator, without what could end a comment of C, a line or a cell of a table."""
    return re.sub(r"[^ -~]|[*?\\\\|<`]", "_", label)


def _address(name: str, schedule: Schedule, placement: Placement, step: Step) -> str:
    buffer = schedule.buffers[name]
    if buffer.kind in ("input", "output"):
        return name if buffer.type != "uint8_t" else f"({'const ' if buffer.kind == 'input' else ''}int8_t *){name}"
    return f"a + {placement.offsets[name]}" if not _is_float(name, step) else f"(void *)(a + {placement.offsets[name]})"


def _is_float(name: str, step: Step) -> bool:
    """Whether a kernel takes the buffer as something else than int8."""
    if step.function in ("memcpy", "memset", "exai_shift"):
        return False
    if name[0] in "cgs" or step.function.startswith("exai_float"):  # flows of relevance, signs of maps, working space
        return True
    others = {("exai_quantize", 0), ("exai_dequantize", 4), ("exai_total", 0)}
    others |= {("exai_whole", 0), ("exai_whole", 2), ("exai_table_rows", 3), ("exai_largest", 3), ("exai_smallest", 3)}
    return (step.function, step.arguments.index(name)) in others
