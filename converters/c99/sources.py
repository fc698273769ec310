"""The text of a model's own files: its header, its source and its self-test."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99 import project
from converters.c99.lowering import PORT_TYPES, Lowering
from converters.c99.memory import Placement
from converters.c99.schedule import Constant
from converters.c99.text import Tables
from edgexai.errors import DataError
from edgexai.graph import Graph
from edgexai.graph.ir import NUMPY

SIZES = {"float": 4, "int32_t": 4, "int16_t": 2}
"""Bytes of what a port takes, where it is more than one."""


@dataclass(frozen=True)
class Ports:
    """C type and number of values of each input and output."""

    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]

    @staticmethod
    def of(graph: Graph) -> "Ports":
        """The ports of a graph."""
        sizes = [[(PORT_TYPES[graph.tensors[t].dtype], prod(graph.tensors[t].shape)) for t in ts] for ts in
                 (graph.inputs, graph.outputs)]  # fmt: skip
        return Ports(tuple(sizes[0]), tuple(sizes[1]))

    def signature(self) -> str:
        """The arguments of `predict`."""
        ins = [f"const {kind} *x{k}" for k, (kind, _) in enumerate(self.inputs)]
        return ", ".join([*ins, *(f"{kind} *y{k}" for k, (kind, _) in enumerate(self.outputs))])


def reset(low: Lowering, placement: Placement, tables: Tables) -> list[str]:
    """The statements that give every variable its first value."""
    lines = []
    for state, values in low.states.items():
        at = f"a + {placement.offsets[state]}"
        if np.all(values == values[0]):
            lines.append(f"    memset({at}, {values[0]}, {values.size});")
        else:
            lines.append(f"    memcpy({at}, {tables.name(Constant(values))}, {values.size});")
    return lines


def header(name: str, ports: Ports, arena: int, keeps: bool, floats: bool) -> str:
    upper = name.upper()
    use = "its content may be used otherwise between calls. One for each thread"
    if keeps:
        use = "it keeps the state of the stream between calls.\n * Reset it first. One for each stream"
    sizes = [f"#define {upper}_X{k} {n} /* values of input {k} */" for k, (_, n) in enumerate(ports.inputs)]
    sizes += [f"#define {upper}_Y{k} {n} /* values of output {k} */" for k, (_, n) in enumerate(ports.outputs)]
    return "\n".join(
        [
            f"#ifndef {upper}_H",
            f"#define {upper}_H",
            "",
            "#include <stdint.h>",
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            *sizes,
            f"#define {upper}_ARENA {max(arena, 8)} /* bytes of RAM while a function runs */",
            "",
            f"/* Working memory: the caller's, {use}. */",
            f"typedef union {{\n    int64_t alignment;\n    int8_t bytes[{upper}_ARENA];\n}} {name}_arena;",
            "",
            f"/* The model's answer, {'in float32' if floats else 'bit for bit that of TensorFlow Lite Micro'}. */",
            f"void {name}_predict({name}_arena *arena, {ports.signature()});",
            "",
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            "#endif",
            "",
        ]
    )


def source(name: str, ports: Ports, tables: Tables, body: Sequence[str], frames: bool, floats: bool) -> str:
    return "\n".join(
        [
            "/* Written by `edgexai firmware`: the model's constants, and the order in which kernels are called. */",
            "",
            f'#include "{name}.h"',
            "",
            *(['#include "edgexai_heatmap.h"'] if frames else []),
            f'#include "{"exai_float.h" if floats else "exai.h"}"',
            "",
            *tables.lines,
            "",
            f"void {name}_predict({name}_arena *arena, {ports.signature()}) {{",
            "    int8_t *const a = arena->bytes;",
            "    (void)a;",
            *body,
            "}",
            "",
        ]
    )


def selftest(
    name: str,
    graph: Graph,
    samples: NDArray[Any],
    expected: NDArray[Any] | None,
    maps: NDArray[Any] | None,
    keeps: bool,
    floats: bool,
) -> str:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or expected is None:
        raise DataError("a self-test needs a model of one input and one output, and what it answers to the samples")
    arrays = []
    for t, values in ((graph.inputs[0], samples), (graph.outputs[0], expected)):
        tensor = graph.tensors[t]
        wanted = np.dtype(NUMPY[tensor.dtype])
        if values.dtype != wanted or values.size != len(samples) * prod(tensor.shape):
            raise DataError(f"samples for {tensor.name!r} must be {wanted} of shape (n, {prod(tensor.shape)})")
        arrays.append(values.reshape(len(samples), -1))
    given = None if maps is None else maps.reshape(len(samples), -1).astype(np.float32)
    return project.selftest(name, arrays[0], arrays[1], given, keeps, floats)
