"""Check every operator of a graph by its row."""

from collections.abc import Mapping

from edgexai.errors import ModelError
from edgexai.graph.ir import Graph
from edgexai.graph.operators import choosing, elementwise, pooling, shaping, weighted
from edgexai.graph.operators.at import At, Row, is_open
from edgexai.graph.opkind import OpKind

ROWS: Mapping[OpKind, Row] = {
    **weighted.ROWS,
    **elementwise.ROWS,
    **pooling.ROWS,
    **shaping.ROWS,
    **choosing.ROWS,
}
STEPS = (
    *("strideW", "strideH", "strideD", "dilationWFactor", "dilationHFactor", "dilationDFactor"),
    *("filterWidth", "filterHeight", "blockSize", "rank"),
)


def verify_operators(graph: Graph, closed: bool = False) -> None:
    """Check every operator of a graph and its subgraphs that has a row; ModelError for the first wrong one.

    Where a shape is known at run time only, the options alone can be checked; ``closed`` refuses such shapes, which no
    explainer has.
    """
    for part in graph.every():
        for index, op in enumerate(part.ops):
            row = ROWS.get(op.kind)
            if row is not None:
                _checked(At(part, op, index), row, closed)
    _calls(graph)


def _checked(at: At, row: Row, closed: bool) -> None:
    least, most = row.inputs
    at.ensure(least <= len(at.op.inputs) <= most, f"has {len(at.op.inputs)} inputs")
    right = bool(at.op.outputs) if row.outputs is None else len(at.op.outputs) == row.outputs
    at.ensure(right, f"has {len(at.op.outputs)} outputs")
    missing = [i for i, t in enumerate(at.op.inputs) if t < 0 and i not in row.optional]
    at.ensure(not missing, f"lacks its input {missing[0] if missing else ''}")
    for name in STEPS:
        step = getattr(at.op.options, name, None)
        at.ensure(step is None or 0 < step < 2**16, f"has the {name} {step}")
    tensors = [at.graph.tensors[t] for t in (*at.op.inputs, *at.op.outputs) if t >= 0]
    if any(map(is_open, tensors)):
        at.ensure(not closed, "has a shape that is known at run time only")
        return
    if row.full:
        at.full()
    row.check(at)


def _calls(graph: Graph) -> None:
    """Control flow calls graphs that are there, and none that leads back to itself."""
    parts = list(graph.every())
    called: dict[int, set[int]] = {}
    for number, part in enumerate(parts):
        called[number] = set()
        for index, op in enumerate(part.ops):
            for name in (
                "condSubgraphIndex",
                "bodySubgraphIndex",
                "thenSubgraphIndex",
                "elseSubgraphIndex",
                "initSubgraphIndex",
                "subgraph",
            ):
                target = getattr(op.options, name, None)
                if isinstance(target, int):
                    At(part, op, index).ensure(0 <= target < len(parts), f"calls graph {target} of {len(parts)}")
                    called[number].add(target)
    done: set[int] = set()
    while ready := {n for n, targets in called.items() if n not in done and targets <= done}:
        done |= ready
    if len(done) < len(parts):
        raise ModelError(f"graph {min(set(called) - done)} of the file calls itself; the file is broken")
