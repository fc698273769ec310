"""write: a `.tflite` -> a directory of C99 sources that predict as TensorFlow Lite Micro does, bit for bit."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.c99 import manifest, project, uses
from converters.c99.back import Explaining, explanation, float_explanation
from converters.c99.frame import Frame
from converters.c99.lower import lower, schedule
from converters.c99.lowering import PORT_TYPES, Lowering
from converters.c99.memory import Placement, aligned, placed
from converters.c99.recompute import within
from converters.c99.schedule import Constant, Schedule
from converters.c99.text import Tables, calls
from edgexai.errors import ConfigError, DataError
from edgexai.graph import Graph, load
from edgexai.graph.ir import NUMPY
from edgexai.graph.write import fingerprint
from edgexai.relevance.composite_file import composite_of

SIZES = {"float": 4, "int32_t": 4, "int16_t": 2}
"""Bytes of what a port takes, where it is more than one."""
STANDARD = {
    *(
        "assert",
        "complex",
        "ctype",
        "errno",
        "fenv",
        "float",
        "inttypes",
        "iso646",
        "limits",
        "locale",
        "math",
        "setjmp",
    ),
    *(
        "signal",
        "stdarg",
        "stdbool",
        "stddef",
        "stdint",
        "stdio",
        "stdlib",
        "string",
        "tgmath",
        "time",
        "wchar",
        "wctype",
    ),
}
"""Headers of C, in front of which a model's own would be found."""
KERNELS = files("converters.c99").joinpath("kernels")


@dataclass(frozen=True)
class Firmware:
    """What was written: ``arena`` and ``constants`` in bytes, ``files`` relative to the directory.

    ``explain_arena`` is that of explaining, if it was asked for;
    ``bound`` is the least arena that these maps and lifetimes allow.
    """

    name: str
    arena: int
    bound: int
    constants: int
    files: tuple[str, ...]
    schedule: Schedule
    placement: Placement
    explain_arena: int | None = None
    frame: int | None = None
    explanation: Schedule | None = None
    room: Placement | None = None
    """The steps of explaining, and where their buffers lie."""
    predict_constants: int = 0
    port_bytes: int = 0
    relevance: int = 0
    """Bytes of constants that predicting alone needs, and of all inputs and outputs; values of the map."""


def write(
    graph: Graph | str | Path,
    directory: str | Path,
    name: str = "model",
    explains: Explaining | None = None,
    samples: NDArray[Any] | None = None,
    expected: NDArray[Any] | None = None,
    maps: NDArray[Any] | None = None,
    frame: int | None = None,
    ram: int | None = None,
    floats: bool = False,
) -> Firmware:
    """Write the sources of a model into ``directory``.

    ``name`` begins every public C name. ``explains`` adds a function that also gives relevance, computed in integers:
    under which composite, of which target and down to which grid (see `converters.c99.back`).
    ``samples`` (n, …) in the type of the model's input and ``expected`` (n, …), what it answers, go into `selftest.c`,
    and ``maps`` (n, …), the relevance that an explainer gives for them.
    ``floats`` takes a float32 model, for cores with a floating-point unit.
    ``frame``, bytes, adds what makes a heatmap frame of a map, and explaining with it. ``ram`` is the most bytes that
    an arena may have: maps that explaining would keep are computed again then (see `converters.c99.recompute`).
    Raises UnsupportedOperator for an operator without a kernel, by number and name; ConfigError for a name that C does
    not take, a folder with files of others, a frame that is too small, or RAM in which nothing runs; DataError for
    samples that do not fit.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError(f"name {name!r} cannot begin a C name; use small letters, digits and underscores")
    if name in STANDARD or name == "selftest" or name.startswith(("exai", "edgexai")):
        raise ConfigError(f"name {name!r} is that of a header or source that firmware has already; choose another")
    graph = graph if isinstance(graph, Graph) else load(graph)
    low = lower(graph, floats)
    plan = schedule(low)
    placement = placed(plan)
    if ram is not None and max(placement.size, 8) > ram:
        raise ConfigError(f"predicting takes an arena of {placement.size:,} bytes, and {ram:,} are allowed")
    tables = Tables(f"{name}_table")
    body = calls(plan, placement, tables)
    predict_constants = tables.bytes
    ports = Ports.of(low.graph)
    explained: list[str] = []
    explain_arena: int | None = None
    shape: tuple[int, ...] = ()
    framed, whole, room = None, None, None
    if explains is None and frame is not None:
        explains = Explaining()
    if explains is not None:
        whole, shape = float_explanation(graph, explains) if floats else explanation(low, plan, explains)
        whole, room = within(whole, ram, "explaining")
        shape = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
        kept = aligned(sum(aligned(v.size) for v in low.states.values()))
        framed = None if frame is None else Frame(frame, shape, bytes.fromhex(fingerprint(graph))[:4], kept)
        explain_arena = max(room.size, 8, kept + framed.memory if framed else 0)
        if low.states:
            explain_arena = max(explain_arena, placement.size)
        if ram is not None and explain_arena > ram:
            raise ConfigError(f"frames are made in an arena of {explain_arena:,} bytes, and {ram:,} are allowed")
        form = "x".join(map(str, shape))
        about = f"composite {composite_of(explains.composite).name}, target {explains.target}"
        explained = [
            f"#define {name.upper()}_RELEVANCE {prod(shape)} /* values of the map, {form} */",
            f"#define {name.upper()}_EXPLAIN_ARENA {explain_arena} /* bytes of RAM while explaining */",
        ]
        prototype = (
            f"void {name}_explain({name}_explain_arena *arena, {ports.signature()}, "
            f"float *relevance, int32_t *target, float *score{', float *state' if low.states else ''})"
        )
        if low.states:  # one arena for both, so that both go on with one stream
            explained.append(f"typedef {name}_arena {name}_explain_arena;")
            about += ".\n * `state` is the relevance that is about the steps before"
        else:
            explained += [
                f"typedef union {{\n    int64_t alignment;\n    int8_t bytes[{name.upper()}_EXPLAIN_ARENA];",
                f"}} {name}_explain_arena;",
            ]
        explained += [
            f"\n/* The answer, and its relevance: {about}. */",
            f"{prototype};\n",
            *(framed.header(name) if framed else []),
        ]
        body = [
            *body,
            "}",
            "",
            f"{prototype} {{",
            "    int8_t *const a = arena->bytes;",
            *calls(whole, room, tables),
            *(["}", "", *framed.source(name)[:-2]] if framed else []),
        ]
    if low.states:
        prototype = f"void {name}_reset({name}_arena *arena)"
        size = sum(aligned(v.size) for v in low.states.values())
        about = (
            "The state of the stream as it is at first. It is the beginning of the arena: who keeps a copy of that "
            "can\n * go back to a step, to explain it after it has been predicted."
        )
        explained += [f"#define {name.upper()}_STATE {size} /* bytes of the state */"]
        explained += [f"\n/* {about} */", f"{prototype};\n"]
        body = [*body, "}", "", f"{prototype} {{", "    int8_t *const a = arena->bytes;"]
        body += _reset(low, placement, tables)
    arena = max(placement.size, (explain_arena or 0) if low.states else 0)
    out: dict[str, str] = {
        f"{name}.h": _header(name, ports, arena, bool(low.states), floats).replace(
            "\n#ifdef __cplusplus\n}", "\n".join(explained) + "\n#ifdef __cplusplus\n}"
        ),
        f"{name}.c": _source(name, ports, tables, body, framed is not None, floats),
        manifest.NAME: manifest.manifest(
            low.graph, name, arena, explain_arena, shape, explains, frame, bool(low.states)
        ),
        **project.texts(name, ports.inputs, ports.outputs, arena, tables.bytes, explains is not None, frame),
    }
    if samples is not None:
        out["selftest.c"] = _selftest(name, low.graph, samples, expected, maps, bool(low.states), floats)
    root = Path(directory)
    _clear(root, out)
    for folder in ("src", "zephyr"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for relative, text in out.items():
        (root / relative).write_text(text, "utf-8")
    kernels = sorted(f.name for f in KERNELS.iterdir() if f.name.endswith((".c", ".h")))
    for kernel in kernels:
        (root / "src" / kernel).write_bytes(KERNELS.joinpath(kernel).read_bytes())
    encoder = {} if framed is None else framed.sources()
    for file, content in encoder.items():
        (root / "src" / file).write_bytes(content)
    (root / "src" / uses.NAME).write_text(uses.header(whole), "utf-8")
    written = (*sorted(out), *(f"src/{kernel}" for kernel in kernels), *(f"src/{file}" for file in encoder))
    return Firmware(
        name=name,
        arena=placement.size,
        bound=placement.bound,
        constants=tables.bytes,
        files=written,
        schedule=plan,
        placement=placement,
        explain_arena=explain_arena,
        frame=None if framed is None else framed.size,
        explanation=whole,
        room=room,
        predict_constants=predict_constants,
        port_bytes=sum(n * SIZES.get(kind, 1) for kind, n in (*ports.inputs, *ports.outputs)),
        relevance=prod(shape) if whole is not None else 0,
    )


def _clear(root: Path, out: Mapping[str, str]) -> None:
    """Take away what an earlier run wrote here; anybody else's files stay, and are not written over."""
    try:
        earlier = str(json.loads((root / manifest.NAME).read_text("utf-8"))["name"])
    except OSError:
        if there := sorted(name for name in out if (root / name).exists()):
            raise ConfigError(
                f"{root} holds {there[0]!r} already, which no firmware wrote; choose another folder"
            ) from None
        return
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{root / manifest.NAME} is damaged; choose another folder, or delete this one") from None
    stale = [*out, "selftest.c", "report.md", "memory.svg"]
    if re.fullmatch(r"[a-z][a-z0-9_]*", earlier):
        stale += [f"{earlier}.c", f"{earlier}.h"]
        stale += [f"{where}{earlier}_arduino.{end}" for where in ("", "src/") for end in "ch"]
    ours = [path for form in ("exai*.[ch]", "edgexai_*.[ch]") for path in (root / "src").glob(form)]
    for path in (*(root / name for name in stale), *ours):
        path.unlink(missing_ok=True)


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


def _reset(low: Lowering, placement: Placement, tables: Tables) -> list[str]:
    """The statements that give every variable its first value."""
    lines = []
    for state, values in low.states.items():
        at = f"a + {placement.offsets[state]}"
        if np.all(values == values[0]):
            lines.append(f"    memset({at}, {values[0]}, {values.size});")
        else:
            lines.append(f"    memcpy({at}, {tables.name(Constant(values))}, {values.size});")
    return lines


def _header(name: str, ports: Ports, arena: int, keeps: bool, floats: bool) -> str:
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


def _source(name: str, ports: Ports, tables: Tables, body: Sequence[str], frames: bool, floats: bool) -> str:
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


def _selftest(
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
