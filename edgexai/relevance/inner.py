"""attach_inner: Graph -> Graph that returns the relevance of inner tensors, for relevance profiles."""

from collections.abc import Sequence

from edgexai.errors import ConfigError
from edgexai.graph import Builder, Graph, settled
from edgexai.graph.sweep import swept
from edgexai.graph.views import apart
from edgexai.relevance.attach import propagate
from edgexai.relevance.composite import Composite
from edgexai.relevance.composite_file import composite_of
from edgexai.relevance.reading.canonical import canonical
from edgexai.relevance.targets.start import start


def reached(graph: Graph, tensors: Sequence[int], composite_: str | Composite = "epsilon") -> list[int]:
    """Those of ``tensors`` that relevance reaches: a gate takes none. UnsupportedOperator for what has no rule."""
    build = Builder(graph)
    begin = start(graph, build, "input")
    layers = canonical(graph, build, [*tensors, begin.logits])
    back = propagate(layers, build, composite_of(composite_), begin, stop=None)
    return [t for t in tensors if back.arrived(t) is not None]


def attach_inner(
    graph: Graph, tensors: Sequence[int], composite_: str | Composite = "epsilon", target: str | int = "predicted"
) -> Graph:
    """A graph whose outputs are the relevance (float32) of each of ``tensors`` in its own shape, then ``target``.

    Raises ConfigError if no relevance reaches one of them, UnsupportedOperator for what has no rule.
    """
    chosen = composite_of(composite_)
    graph = settled(graph)
    build = Builder(graph)
    begin = start(graph, build, target, less_mean=chosen.start == "less mean")
    layers = canonical(graph, build, [*tensors, begin.logits])
    back = propagate(layers, build, chosen, begin, stop=None)
    outputs = []
    for t in tensors:
        flow = back.arrived(t)
        if flow is None:
            raise ConfigError(f"no relevance reaches tensor {graph.tensors[t].name!r}")
        outputs.append(back.relevance(t, back.full(flow, t)))
    return apart(swept(build.finish([*outputs, begin.target]), graph), len(graph.ops))
