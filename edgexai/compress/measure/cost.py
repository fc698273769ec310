"""What one inference costs: multiply-accumulates, bytes, peak RAM; on a board also latency and energy, by layer."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np

from edgexai.board import KINDS, Board, board_of
from edgexai.compress.measure.macs import RECURRENT, macs
from edgexai.errors import BoardError, ModelError
from edgexai.graph import DType, Graph, Model, Op, OpKind, Tensor, graph_of, serialize, settled
from edgexai.graph.ir import NUMPY, PACKED_BITS
from edgexai.graph.loops import parts_of, rounds


@dataclass(frozen=True)
class Layer:
    """The share of one operator: constants in ``bytes``, maps alive while it runs in ``ram`` (bytes); of a loop, all
    its rounds."""

    name: str
    kind: str
    macs: int
    bytes: int
    ram: int
    latency_ms: float | None
    energy_uj: float | None


@dataclass(frozen=True)
class Cost:
    """One inference: ``bytes`` of the file, ``ram`` the peak of all maps alive at once, in bytes.

    ``latency_ms`` and ``energy_uj`` are None without a board, the energy also where nobody has published the
    board's power. ``notes`` say what could not be counted.
    """

    macs: int
    bytes: int
    ram: int
    latency_ms: float | None
    energy_uj: float | None
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def cost(graph: Model, board: Board | str | None = None) -> Cost:
    """The cost of one inference of a graph, an explainer included, on ``board`` (a Board or its name).

    RAM is by the lifetimes of the tensors: what a memory planner reaches at best. Raises BoardError for a board
    that is not known or says nothing about the model's types.
    """
    graph = graph_of(graph)
    board = None if board is None else board_of(board)
    size = len(serialize(graph))
    if any(op.kind == OpKind.WHILE for op in graph.ops):
        with suppress(ModelError):  # open shapes hide how often a loop runs
            graph = settled(graph)
    alive = _alive(graph)
    layers, notes = [], []
    for i, op in enumerate(graph.ops):
        latency = None if board is None else sum(parts(graph, i, board)) / (board.clock_mhz * 1e3)
        energy = None if latency is None or board is None or board.active_mw is None else latency * board.active_mw
        constants = _constants(graph, [op]) + sum(_constants(part, part.ops) for part, _ in parts_of(graph, op))
        if op.kind == OpKind.WHILE and rounds(graph, op) is None:
            notes.append(f"how often {graph.describe(i)} runs depends on the input; one round is counted")
        name = graph.tensors[op.outputs[0]].name if op.outputs else ""
        layers.append(Layer(name, op.custom or op.kind.name, macs(graph, i), constants, alive[i], latency, energy))
    return Cost(
        macs=sum(layer.macs for layer in layers),
        bytes=size,
        ram=max(alive, default=0),
        latency_ms=_sum([layer.latency_ms for layer in layers]),
        energy_uj=_sum([layer.energy_uj for layer in layers]),
        layers=tuple(layers),
        notes=tuple(notes),
    )


def _constants(graph: Graph, ops: Iterable[Op]) -> int:
    """Bytes of the constants that operators read."""
    read = {t for op in ops for t in op.inputs if t >= 0 and graph.tensors[t].is_constant}
    return sum(_bytes(graph.tensors[t]) for t in read)


def parts(graph: Graph, index: int, board: Board) -> tuple[float, float, float]:
    """Clock cycles of one operator: of its multiply-accumulates, of what it writes with the loops that each element
    takes, and of its start.

    Raises BoardError if the board says nothing about its type.
    """
    inner = [
        times * np.array(parts(part, i, board))
        for part, times in parts_of(graph, graph.ops[index])
        for i in range(len(part.ops))
    ]
    if inner:
        first, second, third = (float(n) for n in np.sum(inner, axis=0))
        return first, second, third + board.operator
    kind, count, written = work(graph, index)
    if not graph.ops[index].outputs:  # a state is named or kept: no kernel computes
        return 0.0, 0.0, board.operator
    factor = _factor(graph.tensors[graph.ops[index].outputs[0]], board)
    outside = board.element * written + board.loop * loops(graph, index)
    return (board.cycles[kind] * count if kind else 0.0) * factor, outside * factor, board.operator


def work(graph: Graph, index: int) -> tuple[str | None, int, int]:
    """Which of the board's kinds an operator is, its multiply-accumulates, and the elements that it writes."""
    op = graph.ops[index]
    written = prod(graph.tensors[op.outputs[0]].shape) if op.outputs else 0
    return kind_of(graph, op), macs(graph, index), written


def amounts(graph: Graph) -> dict[str, int]:
    """What one inference is, in what a board has a price for: multiply-accumulates by KINDS, each ``element`` written,
    each ``operator`` begun and each inner ``loop`` of `loops`."""
    found = dict.fromkeys((*KINDS, "element", "operator", "loop"), 0)
    for i in range(len(graph.ops)):
        kind, count, written = work(graph, i)
        if kind is not None:
            found[kind] += count
        found["element"] += written
        found["operator"] += 1
        found["loop"] += loops(graph, i)
    return found


def loops(graph: Graph, index: int) -> int:
    """How often an inner loop over input channels begins: a convolution's once for each output and tap."""
    channels = _channels(graph, graph.ops[index])
    return macs(graph, index) // channels if channels else 0


def _channels(graph: Graph, op: Op) -> int:
    """Input channels that one output of a convolution adds up; 0 of anything else."""
    if op.kind not in (OpKind.CONV_2D, OpKind.TRANSPOSE_CONV, OpKind.CONV_3D):
        return 0
    kernel = graph.tensors[op.inputs[1]].shape
    return kernel[-2] if op.kind == OpKind.CONV_3D else kernel[-1]


def kind_of(graph: Graph, op: Op) -> str | None:
    """Which of the board's kinds an operator is; None if it has no multiply-accumulates."""
    if op.kind == OpKind.DEPTHWISE_CONV_2D:
        return "depthwise"
    if op.kind in (OpKind.FULLY_CONNECTED, OpKind.BATCH_MATMUL, OpKind.SVDF, *RECURRENT):
        return "dense"
    if channels := _channels(graph, op):
        kernel = graph.tensors[op.inputs[1]].shape
        if channels < 4:
            return "narrow"
        return "pointwise" if prod(kernel[:3] if op.kind == OpKind.CONV_3D else kernel[1:-1]) == 1 else "conv"
    return None


TYPES = {DType.INT8: "int8", DType.UINT8: "int8", DType.INT4: "int8", DType.BOOL: "int8", DType.INT16: "int16"}


def _factor(tensor: Tensor, board: Board) -> float:
    name = TYPES.get(tensor.dtype, "float32")
    if name not in board.types:
        raise BoardError(f"board {board.name} says nothing about {name} maps; add {name} under [types]")
    return board.types[name]


def lifetimes(graph: Graph) -> list[tuple[int, int, int]]:
    """Of each computed map its bytes, and the first and the last operator while which it must exist."""
    last = {t: i for i, op in enumerate(graph.ops) for t in op.inputs}
    last.update((t, len(graph.ops)) for t in graph.outputs)
    first = {t: i for i, op in enumerate(graph.ops) for t in op.outputs}
    first.update((t, 0) for t in graph.inputs)
    return [(_bytes(graph.tensors[t]), start, last.get(t, start)) for t, start in first.items()]


def _alive(graph: Graph) -> list[int]:
    """Bytes of the maps that must exist while each operator runs."""
    change = [0] * (len(graph.ops) + 2)
    for size, first, last in lifetimes(graph):
        change[first] += size
        change[last + 1] -= size
    alive: list[int] = []
    for step in change[: len(graph.ops)]:
        alive.append(step + (alive[-1] if alive else 0))
    inside = [max((max(_alive(part), default=0) for part, _ in parts_of(graph, op)), default=0) for op in graph.ops]
    return [outside + most for outside, most in zip(alive, inside, strict=True)]


def _bytes(tensor: Tensor) -> int:
    if tensor.data is not None:
        return int(tensor.data.size)
    if tensor.dtype in NUMPY:
        return prod(tensor.shape) * NUMPY[tensor.dtype].itemsize
    return (prod(tensor.shape) * PACKED_BITS.get(tensor.dtype, 8) + 7) // 8


def _sum(parts: list[float | None]) -> float | None:
    known = [p for p in parts if p is not None]
    return sum(known) if known and len(known) == len(parts) else None
