"""STABLEHLO_COMPOSITE -> the operators that it is composed of, which relevance then goes back through."""

from edgexai.graph import Op
from edgexai.relevance.backward import Backward, Flow
from edgexai.relevance.control.loop import copied
from edgexai.relevance.rules import Rule


def relevance(back: Backward, op: Op, rule: Rule, flow: Flow) -> None:
    """Relevance of a composite operator's outputs -> relevance of its inputs."""
    build = back.build
    told = getattr(op.rest, "builtinOptions2", None)
    index = int(getattr(told, "decompositionSubgraphIndex", 0))
    if not 0 < index <= len(back.graph.subgraphs):
        raise back.unsupported(op, "a composite without its parts has no rule", "convert the model again")
    mark = len(build.ops)
    outputs = copied(build, back.graph.subgraphs[index - 1], list(op.inputs))
    back.walk_inside(op, rule, build.ops[mark:], dict(zip(op.outputs, outputs, strict=True)))
