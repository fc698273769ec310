"""with_predict: Graph -> Graph whose file also holds the model alone, as the signature ``predict`` beside ``explain``.

Weights are in the file once. LiteRT keeps its fast kernels in both; tflite-runtime 2.14 loses them as soon as a file
has two subgraphs, and is better served by two files.
"""

from collections.abc import Sequence
from dataclasses import replace

from ai_edge_litert import schema_py_generated as schema

from edgexai.graph.ir import Graph
from edgexai.graph.settle import settled
from edgexai.graph.verify import verify

PREDICT, EXPLAIN = "predict", "explain"


def with_predict(explainer: Graph, model: Graph) -> Graph:
    """The explainer, and the model that it was made of as a second subgraph."""
    alone = replace(settled(model), name=PREDICT, subgraphs=(), metadata={}, signatures=(), rest=None)
    subgraphs = (*explainer.subgraphs, alone)
    signatures = (_signature(EXPLAIN, 0, explainer), _signature(PREDICT, len(subgraphs), alone))
    joined = replace(explainer, subgraphs=subgraphs, signatures=signatures)
    verify(joined)
    return joined


def _signature(key: str, subgraph: int, graph: Graph) -> schema.SignatureDefT:
    return schema.SignatureDefT(
        inputs=_named("input", graph.inputs),
        outputs=_named("output", graph.outputs),
        signatureKey=key,
        subgraphIndex=subgraph,
    )


def _named(what: str, tensors: Sequence[int]) -> list[schema.TensorMapT]:
    return [schema.TensorMapT(name=f"{what}_{i}", tensorIndex=t) for i, t in enumerate(tensors)]
