"""swept: Graph -> Graph without what was appended to it and nothing reads."""

from dataclasses import replace

from edgexai.graph.ir import Graph, Op
from edgexai.graph.verify import verify


def swept(graph: Graph, source: Graph) -> Graph:
    """The graph without those operators and tensors beyond ``source``'s own that no output needs."""
    read = set(graph.outputs)
    kept: list[Op] = []
    for number, op in reversed(list(enumerate(graph.ops))):
        if number < len(source.ops) or any(t in read for t in op.outputs):
            kept.append(op)
            read.update(op.inputs)
            read.update(op.outputs)
    first = len(source.tensors)
    read.update(graph.inputs)
    left = [t for t in range(len(graph.tensors)) if t < first or t in read]
    number_of = {t: i for i, t in enumerate(left)} | {-1: -1}
    ops = (
        replace(op, inputs=tuple(number_of[t] for t in op.inputs), outputs=tuple(number_of[t] for t in op.outputs))
        for op in reversed(kept)
    )
    result = replace(
        graph,
        tensors=tuple(graph.tensors[t] for t in left),
        ops=tuple(ops),
        inputs=tuple(number_of[t] for t in graph.inputs),
        outputs=tuple(number_of[t] for t in graph.outputs),
    )
    verify(result)
    return result
