"""Concepts: relevance of the channels of inner maps, what was seen beside where (concept relevance propagation).

Of a channel the relevance summed over its places, its positive part summed, and its largest value at one place
(Achtibat et al. 2023, "From attribution maps to human-understandable explanations through concept relevance
propagation"; prototypes of such vectors: Dreyer et al. 2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ai_edge_litert import schema_py_generated as schema

from edgexai.errors import ConfigError
from edgexai.graph import Graph, Op, OpKind
from edgexai.relevance.backward import Backward

STATISTICS = ("sum", "positive", "maximum")
CONVOLUTIONS = (OpKind.CONV_2D, OpKind.DEPTHWISE_CONV_2D, OpKind.CONV_3D, OpKind.TRANSPOSE_CONV)
ONWARD = {OpKind.ADD, OpKind.MUL, OpKind.SUB, OpKind.RELU, OpKind.RELU6, OpKind.QUANTIZE, OpKind.DEQUANTIZE}
AUTO = "auto"


@dataclass(frozen=True)
class Part:
    """One statistic of one inner map: ``channels`` numbers of the output."""

    map: str
    statistic: str
    channels: int


def concepts(back: Backward, layers: Sequence[Op], logits: int, wanted: str | Sequence[str]) -> tuple[int, list[Part]]:
    """Append the output (1, N) float32 and say what its parts are, one after another.

    ``"auto"`` is the positive sum at the last convolution and the maximum at the one in the middle; a name, or
    several, of maps stands for all three statistics of each. ``layers`` are the operators with weights. Raises
    ConfigError for a map that no relevance reaches.
    """
    if wanted == AUTO:
        last, middle = _chosen(back, layers, logits)
        asked = [(last, "positive"), (middle, "maximum")]
    else:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
        asked = [(_named(back, name), statistic) for name in names for statistic in STATISTICS]
    if not asked:
        raise ConfigError('concepts names no map; use "auto" or the names of inner maps')
    values = [_statistic(back, t, statistic) for t, statistic in asked]
    widths = [back.build.shape(value)[1] for value in values]
    parts = [Part(back.graph.tensors[t].name, what, n) for (t, what), n in zip(asked, widths, strict=True)]
    return back.build.concat(values, 1), parts


def _chosen(back: Backward, layers: Sequence[Op], logits: int) -> tuple[int, int]:
    """The last and the middle one of the maps that convolutions write; of dense layers where there are none."""
    below = _same_values(back.graph, logits)
    found = [(op, t) for op in layers if (t := _carrier(back, op.outputs[0])) is not None and t not in below]
    convolutions = [t for op, t in found if op.kind in CONVOLUTIONS]
    maps = [t for t in convolutions if _places(back, t) > 1] or convolutions or [t for _, t in found]
    maps = list(dict.fromkeys(maps))  # two convolutions may meet in one sum
    if not maps:
        raise ConfigError("no relevance reaches an inner map of the model; leave concepts out")
    return maps[-1], maps[(len(maps) - 1) // 2]


def _same_values(graph: Graph, t: int) -> set[int]:
    """The logits themselves, under every shape that they have."""
    producer, found = graph.producers(), {t}
    moves = (OpKind.RESHAPE, OpKind.SQUEEZE, OpKind.EXPAND_DIMS, OpKind.DEQUANTIZE, OpKind.QUANTIZE)
    while t in producer and graph.ops[producer[t]].kind in moves:
        t = graph.ops[producer[t]].inputs[0]
        found.add(t)
    return found


def _carrier(back: Backward, t: int) -> int | None:
    """The map that holds what a layer found: its output, or what bias, activation or a residual sum made of that."""
    readers, shape = back.graph.consumers(), back.build.shape(t)
    found = None
    while True:
        found = t if back.arrived(t) is not None else found
        following = [back.graph.ops[i] for i in readers.get(t, [])]
        if len(following) != 1 or following[0].kind not in ONWARD:
            return found
        t = following[0].outputs[0]
        if back.build.shape(t) != shape:
            return found


def _named(back: Backward, name: str) -> int:
    found = [t for t, tensor in enumerate(back.graph.tensors) if tensor.name == name]
    reached = [t for t in found if back.arrived(t) is not None]
    if not found:
        names = [x.name for t, x in enumerate(back.graph.tensors) if back.arrived(t) is not None]
        raise ConfigError(f"the model has no map {name!r}; relevance reaches {', '.join(map(repr, names[-12:]))}")
    if not reached:
        raise ConfigError(f'no relevance reaches the map {name!r}; name another, or use concepts="auto"')
    return reached[0]


def _places(back: Backward, t: int) -> int:
    return prod(back.build.shape(t)[:-1])


def _statistic(back: Backward, t: int, statistic: str) -> int:
    """(1, channels). Pools, because every runtime has a fast kernel for them, and for sums over axes not all have."""
    build, places = back.build, _places(back, t)
    channels = prod(build.shape(t)) // places
    flow = back.arrived(t)
    assert flow is not None
    r = back.relevance(t, back.full(flow, t))
    if places > 1:
        r = build.reshape(r, (1, places, 1, channels))
    if statistic == "positive":
        r = build.relu(r)
    if places > 1:
        kind = OpKind.MAX_POOL_2D if statistic == "maximum" else OpKind.AVERAGE_POOL_2D
        options = schema.Pool2DOptionsT(padding=1, strideH=1, strideW=1, filterHeight=places, filterWidth=1)
        r = build.op(kind, [r], (1, 1, 1, channels), options)
        if statistic != "maximum":
            r = build.mul(r, build.const(float(places)))
    return build.reshape(r, (1, channels))
