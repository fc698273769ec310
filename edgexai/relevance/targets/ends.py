"""What a model's output is the end of: the logits in front of a softmax, logistic or argmax, however it is written."""

from dataclasses import dataclass

import numpy as np

from edgexai.graph import Graph, Op, OpKind
from edgexai.relevance.reading.questions import consistent, constant_behind
from edgexai.relevance.targets.written_softmax import written_softmax

SQUASHES = {OpKind.SOFTMAX, OpKind.LOG_SOFTMAX, OpKind.LOGISTIC, OpKind.ARG_MAX, OpKind.TOPK_V2}
CARRIES = {
    OpKind.CAST,
    OpKind.QUANTIZE,
    OpKind.DEQUANTIZE,
    OpKind.RESHAPE,
    OpKind.SQUEEZE,
    OpKind.EXPAND_DIMS,
}
"""What may stand behind it, and in between."""


@dataclass(frozen=True)
class End:
    """The logits; ``classes`` are the axes along which they compete, () where each stands for itself.

    A softmax and an argmax do not see it if all the logits that compete become larger by the same number.
    """

    logits: int
    classes: tuple[int, ...] = ()


def end_of(graph: Graph, output: int) -> End:
    """The logits that end in ``output``; itself if nothing stands in front of it."""
    producer = graph.producers()
    t, found = output, End(output)
    while t in producer:
        op = graph.ops[producer[t]]
        with consistent(graph, op):
            written = written_softmax(graph, producer, op)
            if written is not None:
                t, found = written.logits, End(written.logits, written.axes)
            elif op.kind in SQUASHES and op.outputs[0] == t:
                t, found = op.inputs[0], End(op.inputs[0], _classes(graph, producer, op))
            elif op.kind in CARRIES or _adds_an_axis(graph, op):
                t = op.inputs[0]
            else:
                break
    return found


def _adds_an_axis(graph: Graph, op: Op) -> bool:
    """x[..., None] as a STRIDED_SLICE: all of it, in another shape."""
    sizes = [int(np.prod(graph.tensors[t].shape)) for t in (op.inputs[0], op.outputs[0])] if op.inputs else [0, 1]
    return op.kind == OpKind.STRIDED_SLICE and sizes[0] == sizes[1]


def _classes(graph: Graph, producer: dict[int, int], op: Op) -> tuple[int, ...]:
    rank = len(graph.tensors[op.inputs[0]].shape)
    if op.kind in (OpKind.SOFTMAX, OpKind.LOG_SOFTMAX):
        return (rank - 1,)
    axis = constant_behind(graph, producer, op.inputs[1]) if op.kind == OpKind.ARG_MAX else None
    return () if axis is None else (int(axis.array.reshape(-1)[0]) % rank,)
