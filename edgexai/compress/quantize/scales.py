"""One quantization for all maps that must share it, and where values must be rescaled because two cannot."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np

from edgexai.compress.quantize.forms import FIXED, SAME_SCALE
from edgexai.graph import DType, Graph, Op, OpKind, Quantization

Range = tuple[float, float]


@dataclass(frozen=True)
class Ports:
    """The quantization of a model's inputs and outputs, for a model that must keep them."""

    inputs: tuple[Quantization | None, ...]
    outputs: tuple[Quantization | None, ...]

    @classmethod
    def of(cls, graph: Graph) -> "Ports":
        """Those of a graph; None where it has float32."""
        return cls(_ports(graph, graph.inputs), _ports(graph, graph.outputs))


def _ports(graph: Graph, tensors: tuple[int, ...]) -> tuple[Quantization | None, ...]:
    return tuple(
        q if graph.tensors[t].dtype == DType.INT8 else None for t in tensors for q in [graph.tensors[t].quantization]
    )


def one(scale: float, zero_point: int) -> Quantization:
    """A quantization for a whole tensor."""
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))


def asymmetric(low: float, high: float) -> Quantization:
    """int8 quantization of a range, widened to hold zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    return one(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


class Scales:
    """The quantization ``of`` each map, and ``rescaled``: (operator, position) of inputs that need another one."""

    def __init__(
        self, graph: Graph, integer: Sequence[int], maps: Set[int], seen: Mapping[int, Range], ports: Ports | None
    ) -> None:
        """``integer`` are the operators in int8, ``maps`` their maps, ``seen`` the ranges of those that have one."""
        self.rescaled: set[tuple[int, int]] = set()
        self._tied = {t: t for t in maps}
        self._fixed: dict[int, Quantization] = {}
        for i in integer:
            op = graph.ops[i]
            if op.kind in FIXED:
                self._fixed[op.outputs[0]] = one(*FIXED[op.kind])
        self._fixed.update({t: q for t, q in _given(graph, ports) if t in maps})
        movers = [i for i in integer if graph.ops[i].kind in SAME_SCALE]
        for several in (False, True):  # what merely passes a map on first: it never needs another scale
            for i in movers:
                places = [n for n, t in enumerate(graph.ops[i].inputs) if t in maps]
                if (len(places) > 1) == several:
                    self._move(graph.ops[i], i, places)
        ranges: dict[int, Range] = {}
        for t, (low, high) in [*seen.items(), *_looked_up(graph, movers)]:
            root = self._root(t)
            a, b = ranges.get(root, (0.0, 0.0))
            ranges[root] = min(a, low), max(b, high)
        chosen = {root: asymmetric(*both) for root, both in ranges.items()} | self._fixed
        self.of = {t: chosen[self._root(t)] for t in maps}

    def _move(self, op: Op, index: int, places: Sequence[int]) -> None:
        outputs = [t for t in op.outputs if t in self._tied]
        for t in outputs[1:]:
            self._unite(t, outputs[0])
        inputs = {self._fixed.get(self._root(op.inputs[n])) for n in places}
        are_alike = len({None if q is None else (float(q.scale[0]), int(q.zero_point[0])) for q in inputs}) == 1
        for n in places:
            is_free = self._root(op.inputs[n]) not in self._fixed or self._root(outputs[0]) in self._fixed
            if not ((is_free or are_alike) and self._unite(op.inputs[n], outputs[0])):
                self.rescaled.add((index, n))

    def _root(self, t: int) -> int:
        while self._tied[t] != t:
            t = self._tied[t]
        return t

    def _unite(self, a: int, b: int) -> bool:
        """Whether two maps now share a quantization: not if different ones are prescribed."""
        a, b = self._root(a), self._root(b)
        if a == b:
            return True
        one, other = self._fixed.get(a), self._fixed.get(b)
        if (
            one is not None
            and other is not None
            and (one.scale[0], one.zero_point[0])
            != (
                other.scale[0],
                other.zero_point[0],
            )
        ):
            return False
        self._tied[a] = b
        if one is not None:
            self._fixed[b] = one
        return True


def _given(graph: Graph, ports: Ports | None) -> Iterator[tuple[int, Quantization]]:
    if ports is not None:
        for t, q in (*zip(graph.outputs, ports.outputs, strict=True), *zip(graph.inputs, ports.inputs, strict=True)):
            if q is not None:
                yield t, q


def _looked_up(graph: Graph, movers: Sequence[int]) -> Iterator[tuple[int, Range]]:
    """Tables that GATHER reads: samples do not ask for every row."""
    for i in movers:
        op = graph.ops[i]
        if op.kind == OpKind.GATHER and graph.tensors[op.inputs[0]].is_constant:
            table = graph.tensors[op.inputs[0]].array
            yield op.outputs[0], (float(table.min(initial=0)), float(table.max(initial=0)))
