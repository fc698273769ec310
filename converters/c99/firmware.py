"""write: a `.tflite` -> a directory of C99 sources that predict as TensorFlow Lite Micro does, bit for bit."""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from converters.c99 import folder, manifest, project, sources, uses
from converters.c99.back import Explaining, explanation, float_explanation
from converters.c99.back.room import filled
from converters.c99.frame import Frame
from converters.c99.hand_written import kernels
from converters.c99.lower import lower, schedule
from converters.c99.memory import Placement, aligned, placed
from converters.c99.recompute import within
from converters.c99.schedule import Schedule
from converters.c99.text import Tables, calls
from edgexai.errors import ConfigError
from edgexai.graph import Graph, load
from edgexai.graph.write import fingerprint
from edgexai.relevance.composite_file import composite_of


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
    folder.check(name)
    graph = graph if isinstance(graph, Graph) else load(graph)
    low = lower(graph, floats)
    plan = schedule(low)
    placement = placed(plan)
    if ram is not None and max(placement.size, 8) > ram:
        raise ConfigError(f"predicting takes an arena of {placement.size:,} bytes, and {ram:,} are allowed")
    tables = Tables(f"{name}_table")
    body = calls(plan, placement, tables)
    predict_constants = tables.bytes
    ports = sources.Ports.of(low.graph)
    explained: list[str] = []
    explain_arena: int | None = None
    shape: tuple[int, ...] = ()
    framed, whole, room = None, None, None
    if explains is None and frame is not None:
        explains = Explaining()
    if explains is not None:
        whole, shape = float_explanation(graph, explains) if floats else explanation(low, plan, explains)
        whole, room = filled(*within(whole, ram, "explaining"))
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
        body += sources.reset(low, placement, tables)
    arena = max(placement.size, (explain_arena or 0) if low.states else 0)
    out: dict[str, str] = {
        f"{name}.h": sources.header(name, ports, arena, bool(low.states), floats).replace(
            "\n#ifdef __cplusplus\n}", "\n".join(explained) + "\n#ifdef __cplusplus\n}"
        ),
        f"{name}.c": sources.source(name, ports, tables, body, framed is not None, floats),
        manifest.NAME: manifest.manifest(
            low.graph, name, arena, explain_arena, shape, explains, frame, bool(low.states)
        ),
        **project.texts(
            name, ports.inputs, ports.outputs, arena, tables.bytes, explains is not None, frame, bool(low.states)
        ),
    }
    if samples is not None:
        out["selftest.c"] = sources.selftest(name, low.graph, samples, expected, maps, bool(low.states), floats)
    root = Path(directory)
    folder.clear(root, out)
    for inside in ("src", "zephyr"):
        (root / inside).mkdir(parents=True, exist_ok=True)
    for relative, text in out.items():
        (root / relative).write_text(text, "utf-8")
    hand_written = kernels()
    for kernel, source in hand_written.items():
        (root / "src" / kernel).write_bytes(source.read_bytes())
    encoder = {} if framed is None else framed.sources()
    for file, content in encoder.items():
        (root / "src" / file).write_bytes(content)
    (root / "src" / uses.NAME).write_text(uses.header(whole), "utf-8")
    written = (
        *sorted(out),
        f"src/{uses.NAME}",
        *(f"src/{kernel}" for kernel in hand_written),
        *(f"src/{file}" for file in encoder),
    )
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
        port_bytes=sum(n * sources.SIZES.get(kind, 1) for kind, n in (*ports.inputs, *ports.outputs)),
        relevance=prod(shape) if whole is not None else 0,
    )
