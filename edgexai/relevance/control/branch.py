"""IF -> both its branches and a choice between them, which relevance then goes back through."""

from ai_edge_litert import schema_py_generated as schema

from edgexai.graph import Op, OpKind
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.control.loop import copied
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of the outputs -> relevance of what the branch that was taken began with; the condition takes none."""
    build, (condition, *inputs) = back.build, op.inputs
    mark = len(build.ops)
    ends = [
        copied(build, back.graph.subgraphs[index - 1], list(inputs))
        for index in (op.options.thenSubgraphIndex, op.options.elseSubgraphIndex)
    ]
    chosen = {
        y: build.op(OpKind.SELECT_V2, [condition, a, b], build.shape(y), schema.SelectV2OptionsT())
        for y, a, b in zip(op.outputs, *ends, strict=True)
    }
    back.walk_inside(op, rule, build.ops[mark:], chosen)
