"""Explaining in float32: the explainer graph itself, lowered operator by operator as any other network is."""

from converters.c99.back.flows import Explaining
from converters.c99.lower import lower, schedule
from converters.c99.schedule import Schedule
from edgexai.errors import ConfigError
from edgexai.graph import Graph
from edgexai.relevance.attach import attach


def float_explanation(graph: Graph, asked: Explaining) -> tuple[Schedule, tuple[int, ...]]:
    """The schedule of explaining a float32 model, and the shape of its map."""
    if asked.target not in ("predicted", "error"):
        raise ConfigError(f'target {asked.target!r} is not known to firmware; use "predicted" or "error"')
    attached = attach(graph, asked.composite, asked.target, asked.grid)
    low = lower(attached, floats=True)
    own = len(graph.outputs)
    names = [*(f"y{k}" for k in range(own)), *(attached.tensors[t].name for t in attached.outputs[own:])]
    if len(graph.inputs) != 1 or names[own:] != ["relevance", "target", "score"]:
        raise ConfigError("firmware explains models of one input and one map; write it without explaining")
    return schedule(low, names), low.tensor(attached.outputs[own]).shape
